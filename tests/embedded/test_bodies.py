"""Bodies: read as JavaScript reads JSON, and refused in the words of the original."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from personas.embedded.answers import Refusal
from personas.embedded.bodies import Body, Filled, as_text, bad_json, is_falsy, parse_json


class Sample(Body):
    space_id: str
    name: Filled
    callback_url: str = Field(default="", alias="callbackURL")
    again: bool = False
    mix: dict[str, Any] = Field(default_factory=dict)


def _told(value: object) -> str:
    with pytest.raises(Refusal) as refused:
        Sample.check(value)
    assert (refused.value.status, refused.value.body["code"]) == (400, "VALIDATION_ERROR")
    message: str = refused.value.body["message"]
    return message


def _expected(place: str, kind: str, received: str) -> str:
    return f"[{place}] Invalid input: expected {kind}, received {received}"


def test_every_mistake_is_told_in_the_order_of_the_fields() -> None:
    wrong: dict[str, Any] = {"name": "", "callbackURL": None, "again": "yes", "mix": [], "more": 1}
    assert _told(wrong).split("; ") == [
        _expected("body.spaceId", "string", "undefined"),
        "[body.name] Too small: expected string to have >=1 characters",
        _expected("body.callbackURL", "string", "null"),
        _expected("body.again", "boolean", "string"),
        _expected("body.mix", "record", "array"),
    ]


def _parse(text: str | bytes) -> Any:
    return parse_json(text.encode() if isinstance(text, str) else text, bad=bad_json())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0", 1),
        ("-0.0", 0),
        ("0.1", 0.1),
        ("1e-7", 1e-7),
        ("1e300", 1e300),
        ("12345678901234567890", 12345678901234567000),
        ("1e999", None),
        ("9" * 5000, None),
        ("\ufeff{}", {}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        (r'"\ud83d\ude00 \ud800x\udc00"', "😀 x"),
        (r'"a \\u0000 b"', r"a \u0000 b"),
        (b'"\xff"', "\ufffd"),
    ],
)
def test_json_is_read_as_javascript_reads_it(text: str | bytes, value: object) -> None:
    parsed = _parse(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "{} x", "undefined", "'x'", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        _parse(text)
    assert refused.value.body["code"] == "INVALID_JSON"


@pytest.mark.parametrize("text", [r'"\u0000"', r'{"a\u0000": 1}', r'["\\\u0000"]', "[" * 501 + "]" * 501])
def test_what_no_database_could_take_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        _parse(text)
    assert (refused.value.status, refused.value.body["error"]) == (400, "ValidationError")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SIMPLE = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT


@given(st.recursive(SIMPLE, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8))
def test_what_json_can_hold_is_read_unchanged(value: Any) -> None:
    assert _parse(json.dumps(value)) == value
    assert _parse(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("value", "text", "falsy"),
    [
        (None, "", True),
        ("", "", True),
        (0, "0", True),
        (False, "false", True),
        (True, "true", False),
        (1.5, "1.5", False),
        ([], "", False),
        (["a", [1, None]], "a,1,", False),
        ({}, "[object Object]", False),
    ],
)
def test_values_are_taken_for_text_or_false_as_in_javascript(value: object, text: str, falsy: bool) -> None:
    assert (as_text(value), is_falsy(value)) == (text, falsy)
