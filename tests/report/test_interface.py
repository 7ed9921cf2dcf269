from __future__ import annotations

import subprocess
import sys

import pytest

from personas import report
from personas.report import Format, render
from personas.service.models import LiveDetail, LivePersona, RecentAction

from . import scenarios


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


@pytest.mark.parametrize("fmt", ["text", "json", "markdown", "github", "junit"])
def test_the_same_report_gives_the_same_text_twice(fmt: Format) -> None:
    assert render(scenarios.dry_run(), fmt) == render(scenarios.dry_run(), fmt)


def test_a_service_that_tells_too_much_does_not_flood_the_terminal() -> None:
    many = {f"module {number}": 1.0 for number in range(5_000)}
    persona = LivePersona(user_id="u", email="a@mana.test", module_mix=many, system_prompt="x" * 100_000)
    actions = tuple(RecentAction(tool=f"tool {number}", result="ok") for number in range(5_000))
    detail = LiveDetail(persona=persona, recent_actions=actions)
    shown = render(scenarios.made("show", detail=detail), "text")
    assert len(shown.splitlines()) < 500
    assert "tool 19" in shown
    assert "tool 20" not in shown
