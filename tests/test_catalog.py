from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from personas.catalog import Catalog, parse_catalog
from personas.errors import CatalogError, Problem
from personas.jsonsource import json_path

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "zod-cases.json").read_text("utf-8")
)

# Where a catalog is refused that the other programs' loader accepts: the case's index and the rule.
STRICTER: dict[int, str] = {}


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return caught.value.problems


def read(text: str) -> Catalog | tuple[Problem, ...]:
    try:
        return parse_catalog(text)
    except CatalogError as error:
        return error.problems


def test_there_are_400_agreed_cases() -> None:
    assert len(CASES) == 400


@pytest.mark.parametrize("index", range(400))
def test_the_verdict_and_the_places_are_those_of_the_other_programs(index: int) -> None:
    case = CASES[index]
    result = read(case["text"])
    if index in STRICTER:
        assert case["valid"]
        assert isinstance(result, tuple)
        assert any(STRICTER[index] in problem.message for problem in result)
    elif isinstance(result, Catalog):
        assert case["valid"]
        found = [
            (p.name, p.email, p.archetype, p.system_prompt, p.module_mix, p.tick_cadence)
            for p in result.personas
        ]
        keys = ("name", "email", "archetype", "systemPrompt", "moduleMix", "tickCadence")
        assert [tuple(persona[key] for key in keys) for persona in case["data"]["personas"]] == found
    else:
        assert not case["valid"]
        if case["json"]:
            assert {problem.path for problem in result} == {json_path(tuple(path)) for path in case["paths"]}
        else:
            assert len(result) == 1
