from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings

from personas import report
from personas.report import Format, Report, render, step_outputs
from personas.service.models import LiveDetail, LivePersona, RecentAction

from . import scenarios
from .scenarios import HOSTILE_KINDS, SCENARIOS
from .strategies import foreign_texts

FORMATS: list[Format] = ["text", "json", "markdown", "github", "junit"]
# Control characters, overrides of direction, what cannot be seen, and half characters.
ACTS = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ud800-\\udfff]"
)
COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def test_the_interface_is_what_is_named() -> None:
    assert sorted(report.__all__) == [
        "Format",
        "Report",
        "Snapshot",
        "make_report",
        "output_lines",
        "page",
        "read_snapshot",
        "render",
        "report_schema",
        "step_outputs",
        "step_summary",
    ]
    assert all(hasattr(report, name) for name in report.__all__)


@pytest.mark.parametrize(
    ("fmt", "loaded"), [("json", False), ("github", False), ("junit", False), ("text", True)]
)
def test_only_text_loads_the_library_for_terminals(fmt: str, loaded: bool) -> None:
    program = (
        "import sys; from personas.report import make_report, render; "
        f"render(make_report('validate', version='1'), {fmt!r}); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(loaded)


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_same_report_gives_the_same_text_twice(fmt: Format) -> None:
    assert render(scenarios.dry_run(), fmt) == render(scenarios.dry_run(), fmt)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_json_document_read_back_gives_the_same_views(name: str) -> None:
    report = SCENARIOS[name]()
    again = Report.model_validate_json(render(report, "json"))
    for fmt in FORMATS:
        assert render(again, fmt) == render(report, fmt)
    assert step_outputs(again) == step_outputs(report)


@settings(max_examples=25, deadline=None)
@given(foreign_texts)
def test_foreign_text_is_harmless_in_every_format(foreign: str) -> None:
    """Nothing that a terminal or a runner would obey, and nothing that cannot be printed."""
    for make in HOSTILE_KINDS:
        report = make(foreign)
        for fmt in FORMATS:
            shown = render(report, fmt)
            shown.encode("utf-8")
            assert not ACTS.search(shown), fmt
            # Annotations are commands, and ours: tests of their own show that they end where they should.
            assert fmt == "github" or not COMMAND.search(shown), fmt


def test_a_service_that_tells_too_much_does_not_flood_the_terminal() -> None:
    many = {f"module {number}": 1.0 for number in range(5_000)}
    persona = LivePersona(user_id="u", email="a@mana.test", module_mix=many, system_prompt="x" * 100_000)
    actions = tuple(RecentAction(tool=f"tool {number}", result="ok") for number in range(5_000))
    detail = LiveDetail(persona=persona, recent_actions=actions)
    shown = render(scenarios.made("show", detail=detail), "text")
    assert len(shown.splitlines()) < 500
    assert "tool 19" in shown
    assert "tool 20" not in shown
