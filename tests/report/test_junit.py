from __future__ import annotations

import pytest

from personas.reconcile.plan import Intent
from personas.report import Report

from . import scenarios
from .reading import verdicts
from .scenarios import DONE


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (scenarios.seeded(), {"passed"}),
        (scenarios.valid(), {"passed"}),
        (scenarios.doubtful(), {"passed"}),
        (scenarios.strict(), {"failure"}),
        (scenarios.unreachable(), {"error"}),
        (scenarios.offline(), {"skipped"}),
    ],
)
def test_where_all_is_of_one_kind_so_is_each_case(report: Report, expected: set[str]) -> None:
    assert set(verdicts(report).values()) == expected


def test_an_update_that_leaves_the_name_fails() -> None:
    assert verdicts(scenarios.half_mended())["Anna Becker <persona.anna@mana.test>"] == "failure"


def test_what_was_deleted_and_created_again_passes() -> None:
    told = verdicts(scenarios.planned("seed", scenarios.drifted(), Intent(recreate=True), results=DONE))
    assert told["Chloé Martin <persona.chloe@mana.test>"] == "passed"
    assert told["Daniel Weiß <persona.daniel@mana.test>"] == "passed"


def test_an_error_that_only_sums_up_is_no_case_of_its_own() -> None:
    assert set(verdicts(scenarios.drift_found())) == set(verdicts(scenarios.dry_run()))
