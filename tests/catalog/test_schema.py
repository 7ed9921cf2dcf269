"""The JSON Schema, its file, and the repository's own catalog."""

from __future__ import annotations

import json

import jsonschema
import pytest

from personas.catalog.loader import load_catalog
from personas.catalog.models import catalog_schema

from .making import CASES, REMOVED, ROOT, make_spaces, make_text

VALIDATOR = jsonschema.Draft202012Validator(catalog_schema())


def test_the_schema_file_is_up_to_date() -> None:
    dumped = json.dumps(catalog_schema(), indent=2, ensure_ascii=False) + "\n"
    assert (ROOT / "catalog.schema.json").read_text("utf-8") == dumped


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


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (make_text(), True),
        (make_text({"nmae": "x"}), False),
        (make_text(personsa=[]), False),
        (make_text({"email": "a@acme.test"}), False),
        (make_text({"email": "a@acme.test"}, scope="*@acme.test"), True),
        (make_text({"email": "A@acme.test"}, scope="*@acme.test"), False),
        (make_text(scope=["*@mana.test", "x.*@mana.test"]), True),
        (make_text(scope=[]), False),
        (make_text(scope="*@*.test"), False),
        (make_text(allowRealDomain=True), True),
        (make_text(allowRealDomain="yes"), False),
        (make_spaces({}), True),
        (make_spaces({"members": []}), True),
        (make_spaces({"slug": "A"}), False),
        (make_spaces({"slug": "x" * 61}), False),
        (make_spaces({"type": "personal"}), False),
        (make_spaces({"owner": REMOVED}), False),
        (make_spaces({"extra": 1}), False),
        (make_spaces({"members": [{"role": "admin"}]}), False),
        (make_spaces({"members": [{"email": "a@mana.test", "rolle": "admin"}]}), False),
    ],
)
def test_the_schema_checks_what_an_editor_can(text: str, valid: bool) -> None:
    assert VALIDATOR.is_valid(json.loads(text)) is valid


def test_the_own_catalog_is_valid_and_fits_the_schema_that_it_names() -> None:
    catalog = load_catalog(ROOT / "catalog.json")
    assert (len(catalog.personas), len(catalog.spaces), catalog.warnings) == (10, 5, ())
    document = json.loads((ROOT / "catalog.json").read_text("utf-8"))
    assert document["$schema"] == "./catalog.schema.json"
    VALIDATOR.validate(document)
