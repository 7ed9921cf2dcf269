"""Views and their files. To write these anew: UPDATE_GOLDEN=1 pytest -n 0 tests/report/test_golden.py."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from personas.reconcile.changes import LiveState
from personas.report.document import Report, report_schema, to_json
from personas.report.markdown import to_markdown
from personas.report.text import to_text

from . import scenarios
from .scenarios import ANNA, SCENARIOS, live, report

_FOLDER = Path(__file__).parent / "golden"
_VIEWS: dict[str, Callable[[Report], str]] = {
    "txt": partial(to_text, width=80, color=False),
    "md": to_markdown,
    "json": to_json,
}
_VALIDATOR = Draft202012Validator(report_schema(), format_checker=FormatChecker())
_CASES = [(name, suffix) for name in SCENARIOS for suffix in ("txt", "md")] + [("seeded", "json")]


@pytest.mark.parametrize(("name", "suffix"), _CASES)
def test_a_view_is_as_its_golden_file(name: str, suffix: str) -> None:
    values = SCENARIOS[name].model_copy(update={"tool": "VERSION"})
    shown = _VIEWS[suffix](values)
    shown = shown.replace((values.plan and values.plan.checksum) or "CHECKSUM", "CHECKSUM")
    file = _FOLDER / f"{name}.{suffix}"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown, "utf-8", newline="\n")
    assert shown == file.read_text("utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {file.name for file in _FOLDER.iterdir()} == {".".join(case) for case in _CASES}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(report_schema())
    assert report_schema()["properties"]["version"]["const"] == 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_report_is_valid_json(name: str) -> None:
    document = json.loads(to_json(SCENARIOS[name]))
    _VALIDATOR.validate(document)
    assert {"command", "exitCode", "requests", "seconds", "version"} <= document.keys()


def test_the_live_part_alone_is_a_snapshot() -> None:
    shown = SCENARIOS["list"]
    part = json.loads(to_json(shown))["live"]
    assert LiveState.model_validate(part).personas == (shown.live.personas if shown.live else None)


def test_numbers_that_json_lacks_become_null() -> None:
    persona = live(ANNA).model_copy(update={"module_mix": {"todo": float("inf"), "mail": float("nan")}})
    document = json.loads(to_json(report("list", live=scenarios.state(persona))), parse_constant=pytest.fail)
    assert document["live"]["personas"][0]["moduleMix"] == {"todo": None, "mail": None}


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_becomes_json_that_is_safe_to_print(foreign: str) -> None:
    text = to_json(scenarios.foreign(foreign))
    text.encode("utf-8")
    assert all(char.isprintable() or char in "\n\u00a0" or char > "\xa0" for char in text)
    assert not {"\u202e", "\u2028", "\x9b"} & set(text)
    assert "##[" not in text
    clean = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in foreign)
    assert Report.model_validate_json(text).notes == (clean,)
