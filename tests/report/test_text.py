from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from personas.errors import Problem
from personas.reconcile.live import Live
from personas.reconcile.outcome import Result
from personas.report import blocks

from . import scenarios
from .reading import ANSI, flat, text


def test_lines_for_programs_and_commands_to_copy_are_never_wrapped() -> None:
    preview = scenarios.dry_run()
    assert preview.plan is not None
    lines = [*text(scenarios.invalid(), width=40).splitlines(), *text(preview, width=40).splitlines()]
    problem = '"tickCadence" must be "daily", "weekdays" or "hourly", not the string "monthly"'
    assert f"catalog.json:13:22: {problem}" in lines
    assert "    personas seed --recreate" in lines
    assert f"Pin this plan: --expect-plan {preview.plan.checksum}" in lines


def test_of_a_long_catalog_alone_some_are_shown_and_the_rest_counted() -> None:
    assert "and 24 more personas (--full or -o json shows all)" in text(scenarios.offline(30))


def test_two_thousand_personas_are_a_page_with_the_verdict_above_and_below_and_writes_first() -> None:
    report = scenarios.many(2_000)
    shown = text(report, width=120)
    lines = shown.splitlines()
    assert len(lines) < 70
    assert lines[1] == lines[-3] == "200 not known, 200 to create, 1,000 to update, 200 strays, 600 in sync"
    assert "1,000 × todo 0.2 → 0.3" in shown
    assert "and 194 more to create, 994 more to update" in shown
    assert "--full or -o json shows all" in shown
    states = re.findall(r"^  \S (update|create|not known|stray) ", shown, re.MULTILINE)
    assert list(dict.fromkeys(states)) == ["create", "update", "not known", "stray"]
    full = text(report, full=True)
    assert len(re.findall(r"^  ~ update ", full, re.MULTILINE)) == 1_000
    assert "--full" not in full


def test_equal_failures_are_told_once_with_their_number() -> None:
    full, busy = (Result.FAILED, "the disk is full"), (Result.FAILED, "it is busy")
    shown = flat(scenarios.planned("seed", Live(), results=[*[full] * 8, busy, busy], exit_code=6))
    assert shown.count("the disk is full") == 1
    assert "✗ 8 failed the disk is full persona.anna@mana.test, persona.ben@mana.test" in shown
    assert "✗ 2 failed it is busy persona." in shown


def test_different_changes_are_told_one_by_one_and_the_rest_counted() -> None:
    entries = scenarios.numbered(30)
    live = [
        scenarios.live_persona(one, n, user_id=f"u{n}", archetype=f"a{n}") for n, one in enumerate(entries)
    ]
    found = Live(personas=tuple(live))
    shown = text(scenarios.planned("dry-run", found, read=scenarios.catalog(entries), dry_run=True))
    assert len(re.findall(r"^  archetype  a\d+ → solo-dev$", shown, re.MULTILINE)) == 20
    assert "10 more personas differ (--full or -o json shows all)" in shown


def test_times_are_relative_to_when_the_service_was_read_and_absolute_without() -> None:
    assert "7 h ago" in text(scenarios.listed())
    undated = scenarios.planned("list", scenarios.drifted(), taken_at=None)
    assert "2026-11-23 04:57 UTC" in text(undated, width=120)


def test_warnings_are_called_warnings_and_stand_beside_problems_in_the_order_of_the_file() -> None:
    shown = text(scenarios.invalid_and_doubtful())
    places = re.findall(r"^catalog\.json:(\d+):\d+: (warning: )?", shown, re.MULTILINE)
    assert places == [("2", ""), ("3", "warning: "), ("4", "")]
    assert "✗ catalog.json is not valid: 2 problems, 1 warning" in shown


def test_on_a_terminal_a_problem_shows_its_source_with_a_caret() -> None:
    problem = Problem("$.a", 2, 9, "is wrong", "catalog.json", excerpt='  "n\t日": wrong', caret=9)
    report = scenarios.validated(problems=(problem,), exit_code=3)
    lines = ANSI.sub("", text(report, color=True)).splitlines()
    assert text(report).splitlines()[:2] == ["catalog.json:2:9: is wrong", ""]
    assert lines[:2] == ["catalog.json:2:9: is wrong", '      "n\\t日": wrong']
    assert cell_len(lines[2][: lines[2].index("^")]) == cell_len(lines[1][: lines[1].index("wrong")])


def test_a_warning_that_fails_is_no_success() -> None:
    assert text(scenarios.strict(), width=120).startswith(
        "✗ catalog.json is valid, with 1 warning, and --strict lets no warning pass: 1 persona, 1 archetype\n"
    )


def test_of_several_valid_catalogs_all_are_named() -> None:
    assert text(scenarios.made("validate", catalog="a.json, b.json")) == "✓ a.json, b.json are valid\n"


def test_many_rows_look_as_few_do(monkeypatch: pytest.MonkeyPatch) -> None:
    few = text(scenarios.large(60, live=False), full=True, color=True)
    monkeypatch.setattr(blocks, "MOST_TABLE_ROWS", 10)
    many = text(scenarios.large(60, live=False), full=True, color=True)
    assert ANSI.sub("", many) == ANSI.sub("", few)


def test_many_problems_have_their_number_above_them_too() -> None:
    shown = text(scenarios.many_problems(30)).splitlines()
    assert shown[0] == shown[-1] == "✗ catalog.json is not valid: 30 problems"


def test_a_page_has_so_many_problems_and_then_their_number_and_a_full_one_has_all() -> None:
    assert "and 250 more places (--full or -o json shows all)" in text(scenarios.many_problems(300))
    assert text(scenarios.many_problems(300), full=True).count("catalog.json:") == 300


@pytest.mark.parametrize(("age", "warned"), [(3_600.0, False), (93_784.0, True)])
def test_a_snapshot_older_than_a_day_is_a_warning(age: float, warned: bool) -> None:
    shown = text(scenarios.dry_run(snapshot_age=age, service=""))
    assert ("Warning: compared with a snapshot taken 26 h ago" in shown) is warned
