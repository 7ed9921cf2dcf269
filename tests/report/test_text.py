from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from rich.cells import cell_len

from personas.report import Report, render

from . import scenarios
from .scenarios import HOSTILE_KINDS, SCENARIOS
from .strategies import foreign_texts

ANSI = re.compile(r"\x1b\[[0-9;]*m")
COMMAND = re.compile(r"^\s*::|##\[")


def text(report: Report, **options: object) -> str:
    return render(report, "text", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_page_or_ends_in_a_space(name: str, width: int) -> None:
    for line in text(SCENARIOS[name](), width=width).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


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
    assert f"Plan {report.plan.checksum}; pin it with --expect-plan {report.plan.checksum}" in shown
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
    assert "\x1b[1;37;41msix\x1b[0m" in coloured


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


def test_only_fifty_updates_are_told_in_full_and_the_rest_counted() -> None:
    shown = text(scenarios.large(60))
    assert len(re.findall("^  prompt$", shown, re.MULTILINE)) == 50
    assert "10 more personas differ; the JSON report has every old and new value." in shown


def test_times_are_relative_to_when_the_service_was_read_and_absolute_without() -> None:
    assert "7 h ago" in text(scenarios.listed())
    assert "2026-11-23 04:57 UTC" in text(replace(scenarios.listed(), taken_at=None), width=120)


def test_every_problem_has_its_place_and_they_are_counted() -> None:
    shown = text(scenarios.invalid())
    assert re.search(r'^catalog\.json:5:16: "email" must be in lower case', shown, re.MULTILINE)
    assert "✗ catalog.json is not valid: 3 problems" in shown


def test_an_error_is_told_with_its_next_step() -> None:
    shown = text(scenarios.unreachable())
    assert "✗ nothing answers at http://localhost:3001\n  Next: to try without a service" in shown


def test_wide_characters_keep_the_columns_aligned() -> None:
    rows = [line for line in text(scenarios.first_dry_run()).splitlines() if "persona." in line]
    assert len({cell_len(row[: row.index("persona.")]) for row in rows}) == 1


def test_ascii_output_is_ascii() -> None:
    for make in SCENARIOS.values():
        assert text(make(), unicode=False).isascii()


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
