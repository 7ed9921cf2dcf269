from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personas.catalog.jsonsource import (
    MAX_DEPTH,
    JsonPath,
    Lines,
    Malformed,
    Scanner,
    find_children,
    json_path,
    quote,
)

if TYPE_CHECKING:
    from personas.errors import Problem

scalars = (
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text()
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
spaces = st.text(" \t\n\r", max_size=3)
# Texts that are nearly JSON: its own signs and the usual mistakes, in any order.
fragments = st.lists(
    st.sampled_from(
        [*'{}[]:,"', '"a"', '"b"', "1", "-0", "01", "1.", "1e3", "1e999", "true", "nul", "NaN", "Infinity"]
    )
    | st.sampled_from(
        ['"\\u0041"', '"\\x"', '"\\ud800"', "'a'", "//", " ", "\n", "\t", "\r", "\xa0", "\0", '"\t"', "+"]
    )
    | st.characters(),
    max_size=12,
).map("".join)


def read(text: str) -> tuple[Any, list[Problem]]:
    scanner = Scanner(text)
    value = scanner.value()
    scanner.finish()
    return value, scanner.problems


def read_carefully(text: str) -> tuple[Any, list[Problem]]:
    scanner = Scanner(text)
    value = scanner._read_carefully()
    scanner.finish()
    return value, scanner.problems


def refusal(text: str) -> tuple[int, int, str]:
    with pytest.raises(Malformed) as caught:
        read(text)
    problem = caught.value.problem
    return problem.line, problem.column, problem.message


def no_constant(name: str) -> object:
    raise ValueError(name)


def read_by_library(text: str) -> Any:
    return json.loads(text, parse_int=float, parse_constant=no_constant)


@given(documents, st.booleans(), st.sampled_from([None, 0, 2, "\t"]))
def test_a_json_document_has_the_value_that_the_library_gives(
    document: Any, ascii_only: bool, indent: Any
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    value, problems = read(text)
    if not problems:
        assert value == read_by_library(text)
        assert read_carefully(text) == (value, [])
    else:
        # Whole numbers that no double can hold are the only thing that this strategy makes and we refuse.
        assert all("not finite" in problem.message for problem in problems)


@settings(max_examples=600)
@given(fragments)
def test_what_the_library_refuses_is_refused_and_nothing_else_but_the_stricter_rules(text: str) -> None:
    text = text.removeprefix("\ufeff")
    try:
        expected = read_by_library(text)
    except ValueError:
        for reader in (read, read_carefully):
            with pytest.raises(Malformed):
                reader(text)
    else:
        value, problems = read(text)
        assert read_carefully(text) == (value, problems)
        assert value == expected
        assert all("is here twice" in p.message or "not finite" in p.message for p in problems)


@given(fragments)
def test_a_problem_points_into_the_text(text: str) -> None:
    try:
        _, problems = read(text)
    except Malformed as error:
        problems = [error.problem]
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


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
    text: list[str] = []
    expected: dict[JsonPath, int] = {}
    write(data.draw(documents), data.draw, text, expected, ())
    whole = "".join(text)
    lines = Lines(whole)
    for path, offset in expected.items():
        if path:
            assert find_children(whole, expected[path[:-1]], lines)[path[-1]][0] == offset
        line, column = lines.position(offset)
        assert whole.split("\n")[line - 1][column - 1] == whole[offset]


def test_positions_are_right_across_blocks_of_a_long_text() -> None:
    text = ("x" * 5000 + "\n") * 3 + "\n" * 9000 + "y" * 9000
    lines = Lines(text)
    for offset in [
        0,
        4095,
        4096,
        4999,
        5000,
        5001,
        8191,
        8192,
        15003,
        24002,
        24003,
        len(text) - 1,
        len(text),
    ]:
        before = text[:offset]
        expected = (before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)
        assert lines.position(offset) == expected


def test_a_key_is_found_where_it_begins() -> None:
    text = '{"a": 1, "b": {"c": 2}, "d": [3]}'
    lines = Lines(text)
    assert find_children(text, text.index('{"c"'), lines) == {"c": (text.index("2"), text.index('"c"'))}
    assert find_children(text, text.index("[3"), lines) == {0: (text.index("3"), text.index("3"))}
    assert find_children(text, text.index("1"), lines) == {}


REFUSED = [
    (
        "{",
        1,
        2,
        "the file ends in the middle of an object, opened at line 1; expected a key in double quotes",
    ),
    ('{\n"a": [1,\n2', 3, 2, "the file ends in the middle of a list, opened at line 2; expected ',' or ']'"),
    ('{"a"', 1, 5, "opened at line 1; expected ':' after the key \"a\""),
    ('{"a": 1,}', 1, 8, "a trailing comma: remove it before the '}'"),
    ("[1,\n]", 1, 3, "a trailing comma: remove it before the ']'"),
    ("[,1]", 1, 2, 'expected a value, not ","'),
    ("{'a': 1}", 1, 2, "JSON knows no single quotes"),
    ("[“a”]", 1, 2, "JSON knows no quotes like “"),
    ("[1, // one\n2]", 1, 5, "a comment: JSON has none"),
    ("/* c */ 1", 1, 1, "a comment: JSON has none"),
    ("[1 # one\n]", 1, 4, "a comment: JSON has none; expected ',' or ']' after a value"),
    ('{"a" 1}', 1, 6, 'expected \':\' after the key "a", not "1"'),
    ('{"a": 1\n "b": 2}', 2, 2, "expected ',' or '}' after a value"),
    ("{a: 1}", 1, 2, 'expected a key in double quotes, not "a"'),
    ('["abc', 1, 2, "unterminated string"),
    ('[\n"abc\n]', 2, 5, "unterminated string, begun in column 1"),
    ('["a\tb"]', 1, 4, 'the control character U+0009 in a string is written "\\t"'),
    ('["a\\qb"]', 1, 4, 'a backslash and "q" are no JSON escape'),
    ('["a\\u12G4"]', 1, 4, 'a backslash and "u12G4" are no JSON escape'),
    ('["a\\u12', 1, 4, "are no JSON escape"),
    ("[NaN]", 1, 2, "NaN is no JSON value"),
    ("[-Infinity]", 1, 2, 'expected a value, not "-Infinity"'),
    ("[True]", 1, 2, "True is no JSON value; write true"),
    ("[undefined]", 1, 2, "write null"),
    ("[abc]", 1, 2, "text is written in double quotes"),
    ("[truex]", 1, 2, "text is written in double quotes"),
    ("[012]", 1, 2, '"012" is not written as a JSON number'),
    ("[1.]", 1, 2, '"1." is not written as a JSON number'),
    ("[0x1F]", 1, 2, '"0x1F" is not written as a JSON number'),
    ("[1,5.5.5]", 1, 4, '"5.5.5" is not written as a JSON number'),
    ("[+1]", 1, 2, 'expected a value, not "+1"'),
    ('{"a": [1}', 1, 9, "'}' closes the '[' of line 1"),
    ("[]]", 1, 3, 'expected the end of the file, not "]"'),
    ("1 2", 1, 3, 'expected the end of the file, not "2"'),
    ("[1,\xa02]", 1, 4, "the character U+00A0 is no JSON white space"),
    ("\r\n\r\n x", 3, 2, "expected a value"),
    ("", 1, 1, "the file ends where a value should be"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED)
def test_a_mistake_is_told_in_plain_words_at_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    assert refusal(text)[:2] == (line, column)
    assert message in refusal(text)[2]


def test_a_lone_carriage_return_is_an_ordinary_character() -> None:
    assert refusal("[1,\r\r x]")[:2] == (1, 7)


def test_columns_count_code_points() -> None:
    assert refusal('["🙂🙂", x]')[:2] == (1, 8)


def test_a_problem_names_the_path_of_the_innermost_value() -> None:
    with pytest.raises(Malformed) as caught:
        read('{"a b": [0, {"c": tru}]}')
    assert caught.value.problem.path == '$["a b"][1].c'


def test_every_key_that_is_there_twice_is_a_problem_at_the_second() -> None:
    value, problems = read('{"a": 1,\n "b": {"x": 1, "x": 2},\n "a": 3, "\\u0061": 4}')
    assert value == {"a": 4, "b": {"x": 2}}
    assert [(p.path, p.line, p.column) for p in problems] == [("$.b.x", 2, 16), ("$.a", 3, 2), ("$.a", 3, 10)]
    assert problems[2].message == 'the key "a" is here twice, first on line 1; remove one of the two'


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000, "1" + "0" * 400 + ".5"])
def test_a_number_that_is_not_finite_is_a_problem(number: str) -> None:
    value, problems = read(f'{{"a": [1, {number}]}}')
    assert math.isinf(value["a"][1])
    assert [(p.path, p.line, p.column) for p in problems] == [("$.a[1]", 1, 11)]
    assert "not finite" in problems[0].message
    assert len(problems[0].message) < 100


@pytest.mark.parametrize("opener", ["[", '{"a":', '[{"a":'])
def test_nesting_is_read_to_the_limit_and_refused_beyond_it(opener: str) -> None:
    closers = {"[": "]", '{"a":': "}", '[{"a":': "}]"}
    levels = len(closers[opener])
    deepest = MAX_DEPTH // levels
    read(opener * deepest + "1" + closers[opener] * deepest)
    for depth in (deepest + 1, 10_000):
        line, column, message = refusal(opener * depth + "1" + closers[opener] * depth)
        assert (line, column) == (1, deepest * len(opener) + 1)
        assert message == "nested more than 200 levels deep"


def test_nesting_is_counted_from_the_root_also_where_the_outer_levels_are_pulled() -> None:
    scanner = Scanner("[" * 201 + "]" * 201)
    with pytest.raises(Malformed, match="nested more than 200"):
        [scanner.value() for _ in scanner.items()]


def test_many_brackets_that_are_not_nested_are_no_problem() -> None:
    assert read("[" + "[]," * 500 + "[]]")[1] == []


def test_members_and_items_are_pulled_one_by_one() -> None:
    scanner = Scanner(' {"a": [10, 20], "b": null} ')
    seen: list[object] = []
    for key in scanner.members():
        if scanner.peek() == "[":
            seen += [(key, index, scanner.value()) for index in scanner.items()]
        else:
            seen.append((key, scanner.value()))
    scanner.finish()
    assert seen == [("a", 0, 10), ("a", 1, 20), ("b", None)]


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


@given(st.text(st.characters(), min_size=0, max_size=200))
def test_a_quoted_text_is_short_and_harmless_on_a_terminal(text: str) -> None:
    shown = quote(text)
    assert shown.isprintable()
    assert len(shown) <= 60 * 12 + 2
    shown.encode()
