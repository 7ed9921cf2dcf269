from __future__ import annotations

import re
from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given, settings
from rich.cells import cell_len
from rich.console import Console

from personas.errors import Problem
from personas.reconcile.live import Live
from personas.reconcile.outcome import Outcome, Result
from personas.reconcile.plan import plan
from personas.report import Report, page, render

from . import scenarios
from .scenarios import HOSTILE_KINDS, SCENARIOS
from .strategies import foreign_texts

ANSI = re.compile(r"\x1b\[[0-9;]*m")
FOR_PROGRAMS = re.compile(r".*:\d+:\d+: |    personas [a-z]|Pin this plan: ", re.DOTALL)
COMMAND = re.compile(r"^\s*::|##\[")


def text(report: Report, **options: object) -> str:
    return render(report, "text", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_page_or_ends_in_a_space(name: str, width: int) -> None:
    for line in text(SCENARIOS[name](), width=width).splitlines():
        assert cell_len(line) <= width or FOR_PROGRAMS.match(line)
        assert line == line.rstrip()


def test_lines_for_programs_and_commands_to_copy_are_never_wrapped() -> None:
    lines = [
        *text(scenarios.invalid(), width=40).splitlines(),
        *text(scenarios.dry_run(), width=40).splitlines(),
    ]
    assert (
        'catalog.json:13:22: "tickCadence" must be "daily", "weekdays" or "hourly", not the string "monthly"'
        in lines
    )
    assert "    personas seed --recreate" in lines
    assert f"Pin this plan: --expect-plan {scenarios.dry_run().plan.checksum}" in lines  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SCENARIOS)
def test_without_colour_there_is_no_escape_and_with_it_only_colours(name: str) -> None:
    report = SCENARIOS[name]()
    assert "\x1b" not in text(report)
    assert "\x1b" not in ANSI.sub("", text(report, color=True))


def test_a_catalog_in_sync_is_one_calm_sentence() -> None:
    shown = " ".join(text(scenarios.sync()).split())
    assert shown == (
        "✓ catalog.json and http://localhost:3001 are in sync: 10 personas · "
        "14 requests, 2 of them safety checks · 0.8 s"
    )


def test_an_offline_preview_says_that_nothing_was_compared() -> None:
    shown = text(scenarios.offline())
    assert "Offline: nothing was compared." in shown
    assert "--expect-plan" not in shown
    assert "create" not in shown


def test_a_preview_tells_counts_advice_cost_and_how_to_pin_the_plan() -> None:
    report = scenarios.dry_run()
    assert report.plan is not None
    shown = " ".join(text(report).split())
    assert (
        "1 collision, 1 not known, 1 locked out, 1 needs --recreate, 1 to create, 2 to update, 1 stray, "
        "3 in sync"
    ) in shown
    assert f"Pin this plan: --expect-plan {report.plan.checksum}" in shown
    assert "14 requests, 2 of them safety checks" in shown
    for command in ("personas seed --prune", "personas seed --recreate"):
        assert command in shown


def test_weights_are_told_as_changed_added_and_removed() -> None:
    assert "weights    − mail, + notes 0.2, todo 0.3 → 0.4\n" in text(scenarios.dry_run())


def test_words_that_changed_in_a_prompt_are_bracketed_without_colour_and_coloured_with_it() -> None:
    plain, coloured = text(scenarios.dry_run()), text(scenarios.dry_run(), color=True)
    assert "- You start [-six-] lists" in plain
    assert "+ You start {+five+} lists" in plain
    assert "[-six-]" not in coloured
    assert "\x1b[1;7;31msix\x1b[0m" in coloured


def test_a_run_tells_what_was_done_what_failed_and_what_is_not_known() -> None:
    shown = " ".join(text(scenarios.partly_failed()).split())
    assert "1 created, 1 failed, 1 unknown, 1 not done; left alone: 1 collision" in shown
    assert "failed persona.anna@mana.test: the service answered 500" in shown
    assert "Next: run again, which does what is left: personas seed" in shown


def test_an_update_that_leaves_the_name_says_so() -> None:
    shown = " ".join(text(scenarios.half_mended()).split())
    assert "✓ updated Anna Becker" in shown
    assert "1 updated; left alone: 1 needs --recreate; 9 in sync" in shown


def test_cleanup_warns_of_drift_before_it_lists_what_goes() -> None:
    shown = text(scenarios.cleanup_preview())
    assert shown.index("Warning: there is drift: 3 not live, 3 differ, 2 strays.") < shown.index("− delete")
    assert "1 live persona outside @mana.test left alone" in shown


def test_cleanup_without_a_readable_catalog_says_that_drift_is_not_known() -> None:
    assert "the catalog could not be read, so drift is not known" in text(scenarios.cleanup_blind())


def test_many_in_sync_are_one_line() -> None:
    report = scenarios.seeded()
    assert "✓ 7 in sync" in text(report)
    assert "Anna" not in text(report)


def large_run() -> Report:
    """Two thousand: one half differs in one weight, a tenth each is new, a stray or cannot be read."""
    return scenarios.many(2_000)


def test_with_two_thousand_personas_the_page_stays_a_page() -> None:
    shown = text(large_run())
    assert len(shown.splitlines()) < 70
    assert "1,000 × todo 0.2 → 0.3" in shown
    assert "and 194 more to create, 994 more to update" in " ".join(shown.split())
    assert "--full or -o json shows all" in " ".join(shown.split())


def test_what_will_be_written_comes_before_what_will_not() -> None:
    shown = text(large_run())
    states = re.findall(r"^  \S (update|create|not known|stray) ", shown, re.MULTILINE)
    assert list(dict.fromkeys(states)) == ["create", "update", "not known", "stray"]


def test_a_full_page_has_every_row_and_every_change() -> None:
    shown = text(large_run(), full=True)
    assert len(re.findall(r"^  ~ update ", shown, re.MULTILINE)) == 1_000
    assert "--full" not in shown


def test_the_verdict_stands_at_the_top_and_at_the_end() -> None:
    lines = text(large_run(), width=120).splitlines()
    assert lines[1] == lines[-3] == "200 not known, 200 to create, 1,000 to update, 200 strays, 600 in sync"


def test_an_interrupted_run_says_once_how_many_are_not_done() -> None:
    shown = text(scenarios.interrupted())
    assert shown.count("· 6 not done") == 1
    assert "persona.hana@mana.test" not in shown


def test_equal_failures_are_told_once_with_their_number() -> None:
    planned = plan(scenarios.catalog(), Live())
    outcomes = tuple(Outcome(change, Result.FAILED, "the disk is full") for change in planned.steps)
    shown = " ".join(text(scenarios.base("seed", plan=planned, outcomes=outcomes, exit_code=6)).split())
    assert shown.count("the disk is full") == 1
    assert "✗ 10 failed the disk is full persona.anna@mana.test, persona.ben@mana.test" in shown


def test_different_changes_are_told_one_by_one_and_the_rest_counted() -> None:
    entries = [dict(scenarios.PERSONAS[0], email=f"persona.p{n}@mana.test") for n in range(30)]
    live = [
        scenarios.live_persona(entry, n).model_copy(update={"user_id": f"u{n}", "archetype": f"a{n}"})
        for n, entry in enumerate(entries)
    ]
    read = scenarios.catalog(entries)
    shown = text(
        scenarios.base("dry-run", dry_run=True, loaded=read, plan=plan(read, Live(personas=tuple(live))))
    )
    assert len(re.findall(r"^  archetype  a\d+ → adhd-student$", shown, re.MULTILINE)) == 20
    assert "10 more personas differ (--full or -o json shows all)" in shown


@pytest.mark.parametrize(
    ("width", "titles"),
    [(60, "state name persona.… active 7 days"), (120, "state name email archetype cadence active 7 days")],
)
def test_a_narrow_list_drops_what_matters_least_and_never_cuts_the_state(width: int, titles: str) -> None:
    shown = text(scenarios.listed(), width=width)
    assert titles in [" ".join(line.split()) for line in shown.splitlines()]
    assert "  ! locked out  " in shown


def test_warnings_are_called_warnings_and_stand_beside_problems_in_the_order_of_the_file() -> None:
    shown = text(scenarios.invalid_and_doubtful())
    places = re.findall(r"^catalog\.json:(\d+):\d+: (warning: )?", shown, re.MULTILINE)
    assert places == [("2", ""), ("3", "warning: "), ("4", "")]
    assert "✗ catalog.json is not valid: 2 problems, 1 warning" in shown


def test_on_a_terminal_a_problem_shows_its_source_with_a_caret() -> None:
    problem = Problem("$.a", 2, 9, "is wrong", "catalog.json", excerpt='  "n\t日": wrong', caret=9)
    report = scenarios.made("validate", catalog="catalog.json", problems=(problem,), exit_code=3)
    lines = ANSI.sub("", text(report, color=True)).splitlines()
    assert text(report).splitlines()[:2] == ["catalog.json:2:9: is wrong", ""]
    assert lines[:2] == ["catalog.json:2:9: is wrong", '      "n\\t日": wrong']
    assert cell_len(lines[2][: lines[2].index("^")]) == cell_len(lines[1][: lines[1].index("wrong")])


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


def test_times_are_relative_to_when_the_service_was_read_and_absolute_without() -> None:
    assert "7 h ago" in text(scenarios.listed())
    undated = scenarios.base("list", plan=plan(scenarios.catalog(), scenarios.drifted()), taken_at=None)
    assert "2026-11-23 04:57 UTC" in text(undated, width=120)


def test_every_problem_has_its_place_and_they_are_counted() -> None:
    shown = text(scenarios.invalid())
    assert re.search(r'^catalog\.json:5:16: "email" must be in lower case', shown, re.MULTILINE)
    assert "✗ catalog.json is not valid: 3 problems" in shown


def test_an_error_is_told_with_its_next_step() -> None:
    shown = text(scenarios.unreachable())
    assert "✗ nothing answers at http://localhost:3001\n  Next: to try without a service:\n" in shown
    assert "\n    personas seed --auth embedded\n" in shown


def test_wide_characters_keep_the_columns_aligned() -> None:
    rows = [line for line in text(scenarios.first_dry_run()).splitlines() if "persona." in line]
    assert len({cell_len(row[: row.index("persona.")]) for row in rows}) == 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_signs_are_ascii_where_the_terminal_knows_no_others(name: str) -> None:
    raw = BytesIO()
    console = Console(file=TextIOWrapper(raw, "ascii", "backslashreplace"), width=80, _environ={})
    console.print(page(SCENARIOS[name]()), crop=False)
    shown = raw.getvalue().decode("ascii")
    assert not re.search(r"\\u(2192|2212|2013|2026|2713|2717|2022|00b1|2588|2502)", shown)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_line_is_a_command_to_a_ci_runner(name: str) -> None:
    for color in (False, True):
        lines = text(SCENARIOS[name](), color=color).splitlines()
        assert not [line for line in lines if COMMAND.search(ANSI.sub("", line))]


@settings(max_examples=25, deadline=None)
@given(foreign_texts)
def test_any_foreign_text_is_harmless_on_a_terminal(foreign: str) -> None:
    for make in HOSTILE_KINDS:
        shown = ANSI.sub("", text(make(foreign), color=True))
        assert shown.isprintable() or not [
            c for c in shown if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)
        ]
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\ud800-\udfff]", shown)
        for line in shown.split("\n"):
            assert not COMMAND.search(line)
            assert line == line.rstrip(" ")
