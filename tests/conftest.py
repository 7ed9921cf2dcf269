from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# How long an example takes on a busy machine does not matter.
settings.register_profile("suite", deadline=None, max_examples=50)
settings.load_profile("suite")

# A shell that starts the tests in the background lets them, and every program they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_PREFIXES = ("MANA_", "PERSONA", "GITHUB_")
_NAMES = {"NO_COLOR", "FORCE_COLOR", "CI", "NODE_ENV", "COLUMNS", "LINES", "TERM"}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the variables of the caller."""
    for name in list(os.environ):
        test_database = name == "PERSONAS_TEST_DATABASE"
        if not test_database and (
            name.startswith(_PREFIXES) or name in _NAMES or name.lower().endswith("_proxy")
        ):
            monkeypatch.delenv(name)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
