from __future__ import annotations

import gc
import time

import pytest

from personas.report import Format, Report, render

from . import scenarios

FORMATS: tuple[Format, ...] = ("text", "json", "markdown", "github", "junit")


@pytest.fixture(scope="module")
def reports() -> dict[int, Report]:
    return {number: scenarios.large(number) for number in (500, 4_000)}


def seconds(report: Report, fmt: Format) -> float:
    """The best of three, so that a busy machine does not matter."""
    gc.collect()
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        render(report, fmt)
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("fmt", FORMATS)
def test_eight_times_the_changes_take_nowhere_near_the_square_of_the_time(
    reports: dict[int, Report], fmt: Format
) -> None:
    small, large = seconds(reports[500], fmt), seconds(reports[4_000], fmt)
    assert large < 24 * max(small, 0.01)
    assert small < 1
