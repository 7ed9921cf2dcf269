from __future__ import annotations

import re

import pytest
from hypothesis import given, settings, strategies as st
from rich.cells import cell_len

from personas.catalog.problems import Problem
from personas.reconcile.changes import Action, Kind, Options, Plan, Result, Status
from personas.report.document import CatalogSize, ErrorInfo, Report
from personas.report.text import describe_deletions, format_problem, to_text

from . import scenarios
from .scenarios import ANNA, BO, CHANGES, DELETIONS, PERSONAS, SCENARIOS, change, outcome, plan, report

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _text(shown: Report, width: int = 80) -> str:
    return to_text(shown, width=width, color=False)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("name", ["preview", "seeded", "spaces", "list", "show", "cleanup", "in-sync"])
def test_every_line_fits_the_width(name: str, width: int) -> None:
    lines = _text(SCENARIOS[name], width).splitlines()
    assert [line for line in lines if cell_len(line) > width] == []
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [0, 20, 60, 80, 120])
@pytest.mark.parametrize("name", ["preview", "list"])
def test_every_email_is_whole_at_every_width(name: str, width: int) -> None:
    long = "persona.with-a-very-long-local-part-that-fills-a-line@department.company.example"
    shown = SCENARIOS[name]
    emails = [change.key for change in shown.plan.drift] if shown.plan else []
    emails += [persona.email for persona in shown.live.personas] if shown.live else []
    assert emails
    assert [email for email in emails if email not in _text(shown, width)] == []
    extra = BO.model_copy(update={"key": long})
    assert long in _text(report("dry-run", plan=plan(extra)), width)


@pytest.mark.parametrize("name", SCENARIOS)
def test_colour_only_adds_colour_and_the_environment_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _text(SCENARIOS[name])
    for variable, value in {"NO_COLOR": "1", "COLUMNS": "20", "TERM": "dumb"}.items():
        monkeypatch.setenv(variable, value)
    colored = to_text(SCENARIOS[name], width=80, color=True)
    plain = "".join(f"{line.rstrip()}\n" for line in _ANSI.sub("", colored).splitlines())
    assert plain.replace("\\:", ":") == expected.replace("\\:", ":")
    assert "\x1b" in colored


_LISTED = SCENARIOS["list"]
_FEW_COLUMNS = report("list", live=scenarios.state(scenarios.live(ANNA, archetype=None, tick_cadence=None)))
_EMPTY = report("list", live=scenarios.state())
_ENDED = ErrorInfo(message="Interrupted.")


@pytest.mark.parametrize(
    ("listed", "width", "shown"),
    [
        (_LISTED, 77, "Renate Siebert  persona.renate@mana.test  overwhelmed-newbie  2 d ago   1,368\n"),
        (
            _LISTED,
            76,
            "· Renate Siebert  persona.renate@mana.test\n  overwhelmed-newbie, active 2 d ago, 1,368 ",
        ),
        (_FEW_COLUMNS, 80, "name         email\nAnna Brandt  persona.anna@mana.test\n"),
        (_EMPTY, 80, "No personas on http://localhost:3001 (*@mana.test)\n"),
    ],
)
def test_a_listed_persona_has_one_line_where_it_fits(listed: Report, width: int, shown: str) -> None:
    assert shown in _text(listed, width)


@pytest.mark.parametrize(
    ("shown", "last"),
    [
        (report("seed", plan=plan(BO)), "1 extra (kept; --prune deletes it)"),
        (report("seed", plan=plan(BO, options=Options(prune=True))), "1 extra (kept)"),
        (report("seed", plan=plan(CHANGES[3], options=Options(replace=True))), "1 to replace (kept)"),
        (report("seed", plan=plan(BO), interrupted=True), "Interrupted. Nothing was changed."),
        (report("seed", plan=plan(BO), interrupted=True, applied=True), "Interrupted. Run again to finish."),
        (report("cleanup", plan=plan(options=Options(command="cleanup"))), "no personas"),
        (report("spaces", plan=Plan(kind=Kind.SPACE)), "no spaces"),
        (_EMPTY, "0 personas (15 requests, 0.5 s)"),
        (
            report("dry-run", compared=False, valid=(CatalogSize(file="a, b.json", personas=1, spaces=1),)),
            "a, b.json: 1 persona, 1 space, valid; not compared with a service (name one with --auth)",
        ),
        (
            report("cleanup", applied=True, plan=DELETIONS, outcomes=tuple(map(outcome, DELETIONS.changes))),
            "1 replaced, 1 deleted (15 requests, 0.5 s)",
        ),
        (report("seed", plan=plan(CHANGES[4]), exit_code=6, error=_ENDED), "1 unknown (skipped)"),
        (report("seed", compared=False, exit_code=130, error=_ENDED), "Error: Interrupted."),
    ],
)
def test_the_last_line_is_the_verdict(shown: Report, last: str) -> None:
    assert _text(shown).splitlines()[-1] == last


def test_quiet_leaves_out_what_is_in_sync_and_verbose_lists_it() -> None:
    assert to_text(SCENARIOS["in-sync"], width=80, color=False, quiet=True) == ""
    assert "Note:" not in to_text(SCENARIOS["cleanup"], width=80, color=False, quiet=True)
    text = to_text(SCENARIOS["in-sync"], width=80, color=False, verbose=True)
    assert (text.count("✓ in-sync"), text.count("10 personas in sync")) == (10, 1)


def test_a_stopped_run_lists_failed_and_unknown_changes_only() -> None:
    results = (Result.DONE, Result.FAILED, Result.SKIPPED)
    done = {"applied": True, "plan": plan(*CHANGES[:3]), "outcomes": tuple(map(outcome, CHANGES, results))}
    error = ErrorInfo(message="The token has expired.", hint="Get a new one.")
    text = _text(report("seed", **done, error=error, exit_code=4))
    assert text.count("persona.") == 1
    assert "1 created, 1 failed, 1 skipped" in text
    assert text.endswith("Error: The token has expired.\n  Get a new one.\n")


def test_many_conflicts_are_counted_below_their_rows() -> None:
    conflicts = [change(persona, Status.CONFLICT, reason="belongs to someone") for persona in PERSONAS[:3]]
    text = _text(report("seed", exit_code=5, plan=plan(*conflicts), error=ErrorInfo(message="3 emails")))
    assert text.count("✗ conflict") == 3
    assert "✗ 3 emails belong to accounts that are not personas. Nothing was changed." in text
    assert "Error:" not in text
    assert "Checksum" not in text


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_a_problem_is_one_line_that_is_not_wrapped(severity: str) -> None:
    place = {"file": "a, b.json", "line": 3, "column": 25, "path": "$", "severity": severity}
    problem = Problem.model_validate(place | {"message": "long " * 40 + "end"})
    line = _text(report("validate", problems=(problem,)), 60).splitlines()[0]
    assert line == format_problem(problem)
    assert line.startswith("a, b.json:3:25: " + ("warning: long" if severity == "warning" else "long"))
    assert line.endswith(" end")


def test_deletions_say_what_is_lost_and_name_twenty() -> None:
    assert describe_deletions(DELETIONS).splitlines() == [
        "1 persona will be deleted, with all data:",
        "  Bo Linde  persona.bo@mana.test  created 2025-02-07, last active 2026-03-11",
        "1 persona will be deleted, with all data, and created again:",
        "  Mika Lindqvist  persona.mika@mana.test  created 2026-03-14",
    ]
    assert describe_deletions(scenarios.SPACE_DELETIONS).splitlines()[1] == "  Old  old  1 member"
    assert describe_deletions(plan(*scenarios.in_sync(2), BO)) == ""
    some = [BO.model_copy(update={"action": Action.DELETE, "key": f"{n}@mana.test"}) for n in range(30)]
    head, *lines, last = describe_deletions(plan(*some)).splitlines()
    assert (len(lines), last) == (20, "  and 10 more")
    assert head == "30 personas will be deleted, with all data:"


@settings(max_examples=30)
@given(st.text(max_size=80), st.booleans())
def test_foreign_text_cannot_act_on_a_terminal(foreign: str, color: bool) -> None:
    text = _ANSI.sub("", to_text(scenarios.foreign(foreign), width=80, color=color))
    assert [char for char in text if not char.isprintable() and char != "\n" and char < "\xa0"] == []
    assert not re.search(r"^\s*::|##\w*\[", text, re.MULTILINE)
