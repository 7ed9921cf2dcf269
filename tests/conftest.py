from __future__ import annotations

import os
from pathlib import Path

import pytest

_PREFIXES = ("MANA_", "PERSONA", "GITHUB_")
_NAMES = {"NO_COLOR", "FORCE_COLOR", "CI", "NODE_ENV", "COLUMNS", "LINES", "TERM"}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the variables of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in _NAMES or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
