from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.catalog.positions import MAX_DEPTH, Cursor, Positions
from personas.catalog.wording import JsonPath

from .strategies import documents

spaces = st.text(" \t\n\r", max_size=3)


def write(value: Any, draw: Any, text: list[str], found: dict[JsonPath, int], path: JsonPath) -> None:
    """Write a document with arbitrary white space, and note where each value begins."""

    def blank() -> None:
        text.append(draw(spaces))

    blank()
    found[path] = sum(map(len, text))
    if isinstance(value, dict | list):
        text.append("{" if isinstance(value, dict) else "[")
        members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for number, (key, member) in enumerate(members):
            if number:
                text.append(",")
            if isinstance(value, dict):
                blank()
                text.append(json.dumps(key))
                blank()
                text.append(":")
            write(member, draw, text, found, (*path, key))
        blank()
        text.append("}" if isinstance(value, dict) else "]")
    else:
        text.append(json.dumps(value))
    blank()


@given(st.data())
def test_every_value_is_found_at_its_first_character(data: st.DataObject) -> None:
    parts: list[str] = []
    expected: dict[JsonPath, int] = {}
    write(data.draw(documents), data.draw, parts, expected, ())
    text = "".join(parts)
    positions = Positions(text)
    positions.root = expected[()]
    for path, offset in expected.items():
        line, column = positions.locate(path)
        assert (line, column) == positions.line_and_column(offset)
        assert text.split("\n")[line - 1][column - 1] == text[offset]


@pytest.mark.parametrize(
    "offset", [0, 4095, 4096, 4999, 5000, 5001, 15002, 15003, 15004, 24002, 24003, 33002, 33003]
)
def test_lines_and_columns_are_counted_from_line_feeds(offset: int) -> None:
    text = ("x" * 5000 + "\n") * 3 + "\n" * 9000 + "y" * 9000
    before = text[:offset]
    expected = (before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)
    assert Positions(text).line_and_column(offset) == expected


@pytest.mark.parametrize(
    ("path", "at", "key_at"),
    [
        (("a",), "1", '"a"'),
        (("b",), '{"c"', '"b"'),
        (("b", "c"), "2", '"c"'),
        (("d", 0), "3", "3"),
        (("d", 1), "[3", '"d"'),
        (("b", "x", "y"), '{"c"', '"b"'),
        (("a", "x"), "1", '"a"'),
        (("x",), '{"a"', '{"a"'),
    ],
)
def test_a_value_its_key_and_for_what_is_missing_the_nearest_parent_are_found(
    path: JsonPath, at: str, key_at: str
) -> None:
    text = '{"a": 1, "b": {"c": 2}, "d": [3]}'
    positions = Positions(text)
    assert positions.locate(path) == (1, text.index(at) + 1)
    assert positions.locate(path, at_key=True) == (1, text.index(key_at) + 1)


def test_children_are_passed_one_by_one() -> None:
    cursor = Cursor(' {"a": [10, 20], "b": null, "c": [], "d": {}} ')
    seen: list[object] = []
    for key, begin in cursor.children():
        assert cursor.text[begin : cursor.at].startswith(f'"{key}":')
        if cursor.peek() in {"[", "{"}:
            seen += [(key, index, cursor.value()) for index, _ in cursor.children()]
        else:
            seen.append((key, cursor.value()))
    cursor.finish()
    assert seen == [("a", 0, 10), ("a", 1, 20), ("b", None)]
    assert not cursor.doubtful


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_nesting_is_counted_from_the_root_also_where_the_outer_levels_are_entered(depth: int) -> None:
    cursor = Cursor("[[" + "[" * (depth - 2) + "]" * depth)
    for _ in cursor.children():
        for _ in cursor.children():
            cursor.value()
    assert cursor.doubtful == (depth > MAX_DEPTH)


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '[{"a": 1, "\\u0061": 2}]', "[1e999]", "-" + "9" * 5000, "[-1e999]"]
)
def test_what_a_catalog_may_not_hold_makes_the_cursor_doubtful(text: str) -> None:
    whole, entered = Cursor(text), Cursor(text)
    whole.value()
    if entered.peek() in {"{", "["}:
        for _ in entered.children():
            entered.value()
    else:
        entered.value()
    assert whole.doubtful
    assert entered.doubtful


@given(st.text("ab\n é", min_size=1, max_size=30), st.integers(1, 3000), st.data())
def test_the_excerpt_around_any_place_is_of_its_line_and_the_caret_is_at_the_place(
    piece: str, times: int, data: st.DataObject
) -> None:
    text = piece * times
    offset = data.draw(st.integers(0, len(text) - 1))
    line, column = Positions(text).line_and_column(offset)
    excerpt, caret = Positions(text).excerpt(line, column)
    whole = text.split("\n")[line - 1]
    assert excerpt == excerpt.strip()
    assert excerpt in whole
    if not text[offset].isspace():
        assert excerpt[caret] == text[offset]
        assert whole[: column - 1].strip().endswith(excerpt[:caret].strip())


def test_an_excerpt_of_a_very_long_line_is_short() -> None:
    text = json.dumps([{"name": "x" * 100_000}] * 3)
    excerpt, caret = Positions(text).excerpt(1, 150_000)
    assert (len(excerpt), excerpt[caret]) == (140, "x")
