"""The views as files. To write them anew: UPDATE_GOLDEN=1 pytest -n 0 tests/report/test_golden.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from personas.report.document import Report, to_json
from personas.report.markdown import to_markdown
from personas.report.text import to_text

from .scenarios import SCENARIOS

_FOLDER = Path(__file__).parent / "golden"
_VIEWS: dict[str, Callable[[Report], str]] = {
    "txt": partial(to_text, width=80, color=False),
    "md": to_markdown,
    "json": to_json,
}
_CASES = [(name, suffix) for name in SCENARIOS for suffix in ("txt", "md")] + [("seeded", "json")]


@pytest.mark.parametrize(("name", "suffix"), _CASES)
def test_a_view_is_as_its_golden_file(name: str, suffix: str) -> None:
    report = SCENARIOS[name].model_copy(update={"tool": "VERSION"})
    shown = _VIEWS[suffix](report)
    shown = shown.replace((report.plan and report.plan.checksum) or "CHECKSUM", "CHECKSUM")
    file = _FOLDER / f"{name}.{suffix}"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown, "utf-8", newline="\n")
    assert shown == file.read_text("utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {file.name for file in _FOLDER.iterdir()} == {".".join(case) for case in _CASES}
