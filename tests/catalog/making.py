"""Texts of catalogs with spaces, and what the loader says about a wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from personas import CatalogError, Problem, parse_catalog
from tests.making import REMOVED, email_of, make_text

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/data/zod-cases.json").read_text("utf-8"))
ADA, BO, CY = map(email_of, ("ada", "bo", "cy"))
SPACE: dict[str, Any] = {
    "slug": "flat",
    "name": "The flat",
    "type": "family",
    "owner": ADA,
    "members": [BO, {"email": CY, "role": "admin"}],
}


def make_spaces(*changes: dict[str, Any]) -> str:
    """A catalog of Ada, Bo and Cy with one space for each of the changes."""
    spaces = [
        {key: value for key, value in (SPACE | change).items() if value != REMOVED} for change in changes
    ]
    return make_text("ada", "bo", "cy", spaces=spaces)


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
