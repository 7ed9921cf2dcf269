"""Texts of catalogs, and what the loader makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from personas.catalog.loader import parse_catalog
from personas.catalog.problems import Problem
from personas.errors import CatalogError

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/data/zod-cases.json").read_text("utf-8"))
REMOVED = "<removed>"
PROMPT = "You are a persona who writes short notes."
ANNA, BO, CY = (f"persona.{who}@mana.test" for who in ("anna", "bo", "cy"))
SPACE: dict[str, Any] = {
    "slug": "flat",
    "name": "The flat",
    "type": "family",
    "owner": ANNA,
    "members": [BO, {"email": CY, "role": "admin"}],
}


def make_persona(**changes: Any) -> dict[str, Any]:
    whole = {
        "name": "Ida",
        "email": "persona.ida@mana.test",
        "archetype": "solo-dev",
        "systemPrompt": PROMPT,
        "moduleMix": {"todo": 1},
    } | changes
    return {key: value for key, value in whole.items() if value != REMOVED}


def make_text(*changes: dict[str, Any], **root: Any) -> str:
    """A catalog with one persona for each of the changes; the value REMOVED removes a key."""
    personas = [
        make_persona(**{"name": f"Ida {number}", "email": f"persona.ida{number}@mana.test"} | change)
        for number, change in enumerate(changes or ({},))
    ]
    return json.dumps({"personas": personas} | root, indent=1)


def make_spaces(*changes: dict[str, Any] | object) -> str:
    """A catalog of Anna, Bo and Cy with one space for each of the changes."""
    spaces = [
        {key: value for key, value in (SPACE | change).items() if value != REMOVED}
        if isinstance(change, dict)
        else change
        for change in changes
    ]
    return make_text({"email": ANNA}, {"email": BO}, {"email": CY}, spaces=spaces)


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return caught.value.problems


def only_problem_of(text: str) -> Problem:
    (problem,) = problems_of(text)
    return problem


def source_at(text: str, problem: Problem) -> str:
    """The rest of the line from the problem on."""
    return text.split("\n")[problem.line - 1][problem.column - 1 :].rstrip(",")
