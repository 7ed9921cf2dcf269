"""What is true of every report in every format, whatever a catalog or a service may have told."""

from __future__ import annotations

import re
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given, settings
from rich.cells import cell_len
from rich.console import Console

from personas import report as interface
from personas.report import Format, Report, render, step_outputs
from personas.service.models import LiveDetail, LivePersona, RecentAction

from . import scenarios
from .reading import CHECKS, document, outputs, text
from .scenarios import HOSTILE_KINDS, SCENARIOS
from .strategies import foreign_texts

FOR_PROGRAMS = re.compile(r".*:\d+:\d+: |    personas [a-z]|Pin this plan: ", re.DOTALL)
OUR_SIGNS = re.compile(r"\\u(2192|2212|2013|2026|2713|2717|2022|00b1|2588|2502)")


def test_the_interface_is_what_is_named() -> None:
    assert sorted(interface.__all__) == [
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
    assert all(hasattr(interface, name) for name in interface.__all__)


@pytest.mark.parametrize(
    ("fmt", "needed"),
    [
        ("text", {"rich"}),
        ("json", set()),
        ("markdown", {"personas.report.markdown"}),
        ("github", set()),
        ("junit", {"personas.report.junit", "xml.etree.ElementTree"}),
    ],
)
def test_a_format_loads_what_it_needs_and_nothing_of_others(fmt: str, needed: set[str]) -> None:
    program = (
        "import sys; from personas.report import make_report, render; "
        f"render(make_report('validate', version='1'), {fmt!r}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    special = {"rich", "personas.report.markdown", "personas.report.junit", "xml.etree.ElementTree"}
    assert special & {*done.stdout.split()} == needed


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_report_is_well_formed_in_every_format_and_harmless(name: str) -> None:
    report = SCENARIOS[name]()
    for check in CHECKS.values():
        check(report)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_json_document_read_back_gives_the_same_views(name: str) -> None:
    report = SCENARIOS[name]()
    again = Report.model_validate_json(render(report, "json"))
    for fmt in CHECKS:
        assert render(again, fmt) == render(report, fmt)
    assert step_outputs(again) == step_outputs(report)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_for_people_is_wider_than_the_page(name: str, width: int) -> None:
    lines = text(SCENARIOS[name](), width=width).splitlines()
    assert not [line for line in lines if cell_len(line) > width and not FOR_PROGRAMS.match(line)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_signs_are_ascii_where_the_terminal_knows_no_others(name: str) -> None:
    raw = BytesIO()
    console = Console(file=TextIOWrapper(raw, "ascii", "backslashreplace"), width=80, _environ={})
    console.print(interface.page(SCENARIOS[name]()), crop=False)
    assert not OUR_SIGNS.search(raw.getvalue().decode("ascii"))


@pytest.mark.parametrize("fmt", CHECKS)
def test_the_same_report_gives_the_same_text_twice(fmt: Format) -> None:
    assert render(scenarios.dry_run(), fmt) == render(scenarios.dry_run(), fmt)


def test_every_command_has_the_same_keys_in_the_same_order() -> None:
    assert len({tuple(document(make())) for make in SCENARIOS.values()}) == 1


@settings(max_examples=6)
@given(foreign_texts)
def test_foreign_text_is_harmless_in_every_format(foreign: str) -> None:
    """Nothing that a terminal or a runner would obey, and nothing that cannot be printed."""
    for make in HOSTILE_KINDS:
        report = make(foreign)
        for check in CHECKS.values():
            check(report)
    assert set(outputs(interface.output_lines({"verdict": foreign}))) == {"verdict"}


def test_a_service_that_tells_too_much_does_not_flood_the_terminal() -> None:
    many = {f"module {number}": 1.0 for number in range(5_000)}
    persona = LivePersona(user_id="u", email="a@mana.test", module_mix=many, system_prompt="x" * 100_000)
    actions = tuple(RecentAction(tool=f"tool {number}", result="ok") for number in range(5_000))
    detail = LiveDetail(persona=persona, recent_actions=actions)
    shown = text(scenarios.made("show", detail=detail))
    assert len(shown.splitlines()) < 500
    assert "tool 19" in shown
    assert "tool 20" not in shown
