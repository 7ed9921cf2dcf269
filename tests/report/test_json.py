from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from personas.report import report_schema

from . import scenarios
from .reading import document


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(report_schema())


def test_a_title_in_the_schema_is_the_name_in_the_document() -> None:
    schema: Any = report_schema()
    for shape in (schema, *schema["$defs"].values()):
        for name, told in shape.get("properties", {}).items():
            assert told.get("title", name) == name


def test_a_valid_catalog_says_so() -> None:
    assert document(scenarios.valid())["valid"] is True
    assert document(scenarios.unreachable())["valid"] is True


def test_a_plan_has_its_checksum_and_every_old_and_new_value() -> None:
    report = scenarios.dry_run()
    assert report.plan is not None
    plan = document(report)["plan"]
    assert plan["checksum"] == report.plan.checksum
    ben = next(change for change in plan["changes"] if change["email"] == "persona.ben@mana.test")
    archetype, cadence = ben["fields"]
    assert (archetype["field"], archetype["old"], archetype["new"]) == ("archetype", "ceo", "ceo-busy")
    assert (archetype["mendable"], archetype["line"], archetype["column"]) == (True, 18, 20)
    assert (cadence["field"], cadence["old"], cadence["new"]) == ("tickCadence", "daily", "weekdays")
    assert (ben["state"], ben["step"], ben["line"]) == ("update", "update", 15)


def test_use_is_given_before_and_after() -> None:
    use = document(scenarios.dry_run())["usage"]
    assert use["before"]["modules"]["mail"] == pytest.approx(0.413, abs=0.001)
    assert sum(use["after"]["modules"].values()) == pytest.approx(1, abs=1e-4)
    assert document(scenarios.offline())["usage"]["before"] is None


def test_text_beyond_halves_of_pairs_is_given_as_it_is() -> None:
    text = "é \x1b[31m \u2028 日本語 \ud800 ##[error]"
    stray = document(scenarios.hostile(text))["plan"]["changes"][-1]
    assert stray["name"] == text.replace("\ud800", "\ufffd")
