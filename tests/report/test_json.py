from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from personas.report import Report, render, report_schema

from . import scenarios
from .scenarios import SCENARIOS
from .strategies import foreign_texts


def document(report: Report) -> Any:
    return json.loads(render(report, "json"), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def closed(schema: Any) -> Any:
    """The schema, such that a property it does not name is an error."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        kept["additionalProperties"] = False
    return kept


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_report_is_what_the_schema_says_and_nothing_more(name: str) -> None:
    Draft202012Validator(closed(report_schema())).validate(document(SCENARIOS[name]()))


def test_every_command_has_the_same_keys_in_the_same_order() -> None:
    assert len({tuple(document(make())) for make in SCENARIOS.values()}) == 1


def test_a_valid_catalog_says_so_and_an_invalid_one_has_its_problems() -> None:
    assert document(scenarios.valid())["valid"] is True
    invalid = document(scenarios.invalid())
    assert invalid["valid"] is False
    assert invalid["exitCode"] == 3
    assert [(problem["path"], problem["line"], problem["column"]) for problem in invalid["problems"]] == [
        ("$.personas[0].email", 5, 16),
        ("$.personas[0].tickCadence", 13, 22),
        ("$.personas[1].systemPrompt", 19, 23),
    ]


def test_a_plan_has_its_checksum_counts_and_every_old_and_new_value() -> None:
    report = scenarios.dry_run()
    assert report.plan is not None
    plan = document(report)["plan"]
    assert plan["checksum"] == report.plan.checksum
    assert plan["counts"] == {
        "collision": 1,
        "notKnown": 1,
        "lockedOut": 1,
        "recreate": 1,
        "create": 1,
        "update": 2,
        "stray": 1,
        "inSync": 3,
    }
    ben = next(change for change in plan["changes"] if change["email"] == "persona.ben@mana.test")
    assert ben["fields"] == [
        {"field": "archetype", "old": "ceo", "new": "ceo-busy", "mendable": True, "line": 18, "column": 20},
        {
            "field": "tickCadence",
            "old": "daily",
            "new": "weekdays",
            "mendable": True,
            "line": 24,
            "column": 22,
        },
    ]
    assert (ben["state"], ben["step"], ben["line"]) == ("update", "update", 15)


def test_an_error_has_its_kind_message_hint_and_exit_code() -> None:
    assert document(scenarios.unreachable())["error"] == {
        "kind": "Unreachable",
        "message": "nothing answers at http://localhost:3001",
        "hint": "to try without a service: personas seed --auth embedded",
        "exitCode": 4,
    }


def test_use_is_given_before_and_after() -> None:
    use = document(scenarios.dry_run())["usage"]
    assert use["before"]["modules"]["mail"] == pytest.approx(0.413, abs=0.001)
    assert sum(use["after"]["modules"].values()) == pytest.approx(1, abs=1e-4)
    assert document(scenarios.offline())["usage"]["before"] is None


@settings(max_examples=15, deadline=None)
@given(foreign_texts)
def test_any_foreign_text_gives_valid_json_in_valid_utf8(foreign: str) -> None:
    validator = Draft202012Validator(closed(report_schema()))
    for make in scenarios.HOSTILE_KINDS:
        rendered = render(make(foreign), "json")
        rendered.encode("utf-8")
        assert "##[" not in rendered
        validator.validate(json.loads(rendered))


def test_text_beyond_halves_of_pairs_is_given_as_it_is() -> None:
    text = "é \x1b[31m \u2028 日本語 \ud800 ##[error]"
    stray = document(scenarios.hostile(text))["plan"]["changes"][-1]
    assert stray["name"] == text.replace("\ud800", "\ufffd")
