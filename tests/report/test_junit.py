from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings

from personas.report import Report, render

from . import scenarios
from .scenarios import SCENARIOS
from .strategies import foreign_texts


def suite(report: Report) -> ET.Element:
    root = ET.fromstring(render(report, "junit").encode("utf-8"))
    assert root.tag == "testsuites"
    (found,) = root
    return found


def verdicts(report: Report) -> dict[str, str]:
    return {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in suite(report)}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_counts_are_those_of_the_cases(name: str) -> None:
    found = suite(SCENARIOS[name]())
    assert int(found.attrib["tests"]) == len(found)
    for kind in ("failure", "error", "skipped"):
        number = sum(1 for case in found if len(case) and case[0].tag == kind)
        assert int(found.attrib[{"failure": "failures", "error": "errors"}.get(kind, kind)]) == number


def test_in_sync_passes_drift_fails_and_not_known_is_skipped() -> None:
    told = verdicts(scenarios.dry_run())
    assert told["Elif Yılmaz <persona.elif@mana.test>"] == "passed"
    assert told["Anna Becker <persona.anna@mana.test>"] == "failure"
    assert told["Old Otto <persona.otto@mana.test>"] == "failure"
    assert told["Jonas Falk <persona.jonas@mana.test>"] == "skipped"


def test_after_a_run_each_step_has_the_verdict_of_its_outcome() -> None:
    assert set(verdicts(scenarios.seeded()).values()) == {"passed"}
    told = verdicts(scenarios.partly_failed())
    assert told["田中 由美 <persona.yumi@mana.test>"] == "passed"
    assert told["Anna Becker <persona.anna@mana.test>"] == "failure"
    assert told["Ben Okafor <persona.ben@mana.test>"] == "error"
    assert told["Old Otto <persona.otto@mana.test>"] == "skipped"


def test_an_update_that_leaves_the_name_fails() -> None:
    assert verdicts(scenarios.half_mended())["Anna Becker <persona.anna@mana.test>"] == "failure"


def test_problems_are_failures_and_a_valid_catalog_passes() -> None:
    assert set(verdicts(scenarios.invalid()).values()) == {"failure"}
    assert len(verdicts(scenarios.invalid())) == 3
    assert verdicts(scenarios.valid()) == {"catalog.json is valid": "passed"}


def test_a_warning_is_a_failure_where_it_fails_the_command() -> None:
    assert list(verdicts(scenarios.strict()).values()) == ["failure"]
    assert list(verdicts(scenarios.doubtful()).values()) == ["passed"]


def test_what_stopped_a_run_is_an_error() -> None:
    assert set(verdicts(scenarios.unreachable()).values()) == {"error"}


def test_an_error_that_only_sums_up_is_no_case_of_its_own() -> None:
    assert set(verdicts(scenarios.drift_found())) == set(verdicts(scenarios.dry_run()))


def test_an_offline_preview_passes_nothing() -> None:
    assert set(verdicts(scenarios.offline()).values()) == {"skipped"}


@settings(max_examples=30, deadline=None)
@given(foreign_texts)
def test_any_foreign_text_gives_valid_xml(foreign: str) -> None:
    for make in scenarios.HOSTILE_KINDS:
        suite(make(foreign))
        assert "##[" not in render(make(foreign), "junit")
