"""The JSON Schema, its file, and the repository's own catalog."""

from __future__ import annotations

import json

import jsonschema
import pytest

from personas.catalog.loader import load_catalog
from personas.catalog.models import catalog_schema
from tests.making import REMOVED, make_text

from .making import CASES, ROOT, make_spaces

VALIDATOR = jsonschema.Draft202012Validator(catalog_schema())


def test_the_schema_agrees_with_zod_but_for_unknown_keys_and_units() -> None:
    jsonschema.Draft202012Validator.check_schema(catalog_schema())
    for case in CASES:
        if not case["json"]:
            continue
        errors = list(VALIDATOR.iter_errors(json.loads(case["text"])))
        # JSON Schema counts code points: ten emojis are too short for it.
        if not errors and not case["valid"]:
            pytest.fail(case["text"])
        if errors and case["valid"] and "🙂" * 10 not in case["text"]:
            assert {error.validator for error in errors} == {"additionalProperties"}, case["text"]


GOOD = [
    make_text(),
    make_text({"email": "a@acme.test"}, scope="*@acme.test"),
    make_text(scope=["*@mana.test", "x.*@mana.test"]),
    make_text(allowRealDomain=True),
    make_spaces({}),
    make_spaces({"members": []}),
]
BAD = [
    make_text({"nmae": "x"}),
    make_text(personsa=[]),
    make_text({"email": "a@acme.test"}),
    make_text({"email": "A@acme.test"}, scope="*@acme.test"),
    make_text(scope=[]),
    make_text(scope="*@*.test"),
    make_text(allowRealDomain="yes"),
    make_spaces({"slug": "A"}),
    make_spaces({"slug": "x" * 61}),
    make_spaces({"type": "personal"}),
    make_spaces({"owner": REMOVED}),
    make_spaces({"extra": 1}),
    make_spaces({"members": [{"role": "admin"}]}),
    make_spaces({"members": [{"email": "a@mana.test", "rolle": "admin"}]}),
]


@pytest.mark.parametrize("text", GOOD + BAD)
def test_the_schema_checks_what_an_editor_can(text: str) -> None:
    assert VALIDATOR.is_valid(json.loads(text)) == (text in GOOD)


def test_the_own_catalog_is_valid_and_names_the_schema_file_that_is_up_to_date() -> None:
    dumped = json.dumps(catalog_schema(), indent=2, ensure_ascii=False) + "\n"
    assert (ROOT / "catalog.schema.json").read_text("utf-8") == dumped
    catalog = load_catalog(ROOT / "catalog.json")
    assert (len(catalog.personas), len(catalog.spaces), catalog.warnings) == (10, 5, ())
    document = json.loads((ROOT / "catalog.json").read_text("utf-8"))
    assert document["$schema"] == "./catalog.schema.json"
    VALIDATOR.validate(document)
