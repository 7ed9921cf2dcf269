from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from personas.catalog.loader import parse_catalog
from personas.catalog.positions import JsonPath, Positions, json_path

from .making import make_text

blanks = st.text(" \t\n\r", max_size=3)
documents = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def write(value: Any, draw: Any, parts: list[str], found: dict[JsonPath, int], path: JsonPath = ()) -> None:
    """Write a document with arbitrary white space, and note where each value begins."""
    parts.append(draw(blanks))
    found[path] = sum(map(len, parts))
    if not isinstance(value, dict | list):
        parts.append(json.dumps(value))
    else:
        items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        parts.append("{" if isinstance(value, dict) else "[")
        for number, (key, member) in enumerate(items):
            parts.append("," if number else "")
            if isinstance(value, dict):
                parts += [draw(blanks), json.dumps(key), draw(blanks), ":"]
            write(member, draw, parts, found, (*path, key))
        parts += [draw(blanks), "}" if isinstance(value, dict) else "]"]
    parts.append(draw(blanks))


@given(st.data())
def test_every_value_is_found_at_its_first_character(data: st.DataObject) -> None:
    parts: list[str] = []
    expected: dict[JsonPath, int] = {}
    write(data.draw(documents), data.draw, parts, expected)
    text = "".join(parts)
    positions = Positions(text)
    for path, offset in expected.items():
        line, column = positions.locate(path)
        assert sum(len(before) + 1 for before in text.split("\n")[: line - 1]) + column - 1 == offset


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (("personas", 1, "systemPrompt"), '"You are'),
        (("personas", 1, "moduleMix", "todo"), "1"),
        (("personas", 1, "moduleMix", "mail"), "{"),
        (("personas", 1, "tickCadence"), "{"),
        (("personas", 0), "{"),
        (("personas", 5, "name"), "["),
        (("other",), '{"description"'),
        ((), '{"description"'),
    ],
)
def test_a_missing_value_is_represented_by_its_nearest_parent(path: JsonPath, source: str) -> None:
    text = '\n \n{"description": "d",\n' + make_text({}, {})[1:]
    line, column = parse_catalog(text).locate(path)
    assert (line, column) == parse_catalog(text.replace("\n", "\r\n")).locate(path)
    assert text.split("\n")[line - 1][column - 1 :].startswith(source)


def test_an_excerpt_is_a_part_of_one_line() -> None:
    line = "x" * 300 + "HERE" + "y" * 300
    excerpt, caret = Positions(f"a\n  {line}\nb").excerpt(2, 303)
    assert excerpt[caret:].startswith("HERE")
    assert len(excerpt) == 140
    assert Positions('a\n  "b",\r\nc').excerpt(2, 3) == ('"b",', 0)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), "$"),
        (("personas", 3, "email"), "$.personas[3].email"),
        (("$schema",), "$.$schema"),
        (("a b", "é", "", "1a"), '$["a b"]["é"][""]["1a"]'),
        (('q"\n\x1b',), '$["q\\"\\n\\u001b"]'),
    ],
)
def test_paths_are_written_as_json_paths(path: JsonPath, expected: str) -> None:
    assert json_path(path) == expected
