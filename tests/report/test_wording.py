from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from personas.reconcile.live import Live
from personas.reconcile.plan import Intent, plan
from personas.report import Report, wording
from personas.report.visible import inert, shown, visible

from . import scenarios


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (scenarios.sync(), "10 personas in sync"),
        (scenarios.first_dry_run(), "10 to create"),
        (scenarios.offline(), "10 personas, compared with nothing"),
        (scenarios.seeded(), "3 created"),
        (scenarios.partly_failed(), "1 created, 1 failed, 1 unknown, 1 not done"),
        (
            scenarios.pruning(),
            "1 collision, 1 not known, 2 to recreate, 1 to create, 2 to update, 1 stray to delete",
        ),
        (scenarios.cleanup_preview(), "8 to delete"),
        (scenarios.cleaned(), "8 deleted"),
        (scenarios.listed_empty(), "0 live personas, 10 not live"),
        (scenarios.invalid(), "3 problems"),
        (scenarios.valid(), "valid"),
        (scenarios.unreachable(), "not finished"),
        (scenarios.base("cleanup", plan=plan(None, Live(), Intent(purpose="cleanup"))), "nothing to delete"),
    ],
)
def test_a_verdict_is_one_clause(report: Report, expected: str) -> None:
    assert wording.verdict(report) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (42.4, "42 s"),
        (59.7, "60 s"),
        (65, "1 min 5 s"),
        (600, "10 min"),
        (3_725, "1 h 2 min"),
        (93_784, "26 h"),
        (864_000, "10 days"),
    ],
)
def test_a_duration_has_the_units_that_matter(seconds: float, expected: str) -> None:
    assert wording.duration(seconds) == expected


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=3), "3 d ago"),
        (timedelta(seconds=-90), "2026-11-23 12:01 UTC"),
    ],
)
def test_a_moment_is_told_from_now(passed: timedelta, expected: str) -> None:
    assert wording.moment(scenarios.NOW - passed, scenarios.NOW) == expected


def test_a_moment_without_a_now_is_told_in_utc_and_never_is_never() -> None:
    assert wording.moment(datetime(2026, 1, 2, 3, 4, tzinfo=UTC), None) == "2026-01-02 03:04 UTC"
    assert wording.moment(None, None) == "never"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.30000000000000004, "0.3"), (1, "1"), (float("nan"), "nan"), (float("inf"), "inf")],
)
def test_a_number_is_short(value: float, expected: str) -> None:
    assert wording.number(value) == expected


def test_the_age_of_a_snapshot_is_told() -> None:
    report = scenarios.against_snapshot()
    assert wording.age(report) == "compared with a snapshot taken 26 h ago, not with the service"
    young = scenarios.dry_run(snapshot_age=3.0)
    assert wording.age(young).startswith("compared with a snapshot taken less than a")
    assert (wording.is_stale(report), wording.is_stale(young)) == (True, False)
    assert wording.age(scenarios.dry_run()) == ""


def test_what_cannot_be_seen_is_written_out() -> None:
    assert visible("a\x1b[31m\n\u202e\x9b\ud800\U000e0041") == "a\\x1b[31m\\n\\u202e\\x9b\\ud800\\U000e0041"
    assert visible("Grüße, 👩‍👩‍👧 日本") == "Grüße, 👩‍👩‍👧 日本"


def test_what_is_long_is_cut() -> None:
    assert shown("abcdef", 6) == "abcdef"
    assert shown("abcdefg", 6) == "abcde…"


def test_a_command_to_a_runner_is_made_inert_wherever_it_stands() -> None:
    assert inert("::error::x\n  ::error::x\n\x1b[1m::error::x\na ::b") == (
        "\\:error::x\n  \\:error::x\n\x1b[1m\\:error::x\na ::b"
    )
    assert inert("a ##[error]x") == "a #\\[error]x"
