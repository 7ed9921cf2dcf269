from __future__ import annotations

import json
import math
from collections.abc import Callable
from json.decoder import JSONDecodeError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personas.catalog.mistakes import Walk
from personas.catalog.positions import MAX_DEPTH, Cursor, Positions
from personas.errors import CatalogError, Problem

from .strategies import documents

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


def decode(cursor: Cursor) -> Any:
    return cursor.value()


def enter(cursor: Cursor) -> Any:
    """What `decode` gives, by entering every object and list."""
    match cursor.peek():
        case "{":
            return {key: enter(cursor) for key, _ in cursor.children()}
        case "[":
            return [enter(cursor) for _ in cursor.children()]
    return cursor.value()


def read(text: str, how: Callable[[Cursor], Any] = decode) -> tuple[Any, list[Problem]]:
    cursor = Cursor(text)
    try:
        value = how(cursor)
        cursor.finish()
    except JSONDecodeError as error:
        raise CatalogError((Walk(text, error.pos, Positions(text), "").explain(error),)) from None
    return value, Walk(text, cursor.at, Positions(text), "").problems if cursor.doubtful else []


def refusal(text: str) -> Problem:
    with pytest.raises(CatalogError) as caught:
        read(text)
    (problem,) = caught.value.problems
    return problem


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
    assert value == read_by_library(text)
    assert read(text, enter) == (value, problems)
    # Whole numbers that no double can hold are the only thing that this strategy makes and we refuse.
    assert all("not finite" in problem.message for problem in problems)


@settings(max_examples=100)
@given(fragments)
def test_what_the_library_refuses_is_refused_and_nothing_else_but_the_stricter_rules(text: str) -> None:
    text = text.removeprefix("\ufeff")
    try:
        expected = read_by_library(text)
    except ValueError:
        for how in (decode, enter):
            with pytest.raises(CatalogError):
                read(text, how)
    else:
        value, problems = read(text)
        assert read(text, enter) == (value, problems)
        assert value == expected
        assert all("is here twice" in p.message or "not finite" in p.message for p in problems)


@given(fragments)
def test_a_problem_points_into_the_text(text: str) -> None:
    try:
        _, problems = read(text)
    except CatalogError as error:
        problems = list(error.problems)
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


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
    ('["\\x\\y"]', 1, 3, 'a backslash and "x" are no JSON escape'),
    ('["\\u12\\y"]', 1, 3, 'a backslash and "u12'),
    ("[NaN]", 1, 2, "NaN is no JSON value"),
    ("[-Infinity]", 1, 2, "-Infinity is no JSON value; write a finite number"),
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
    ("[1,\r\r x]", 1, 7, "expected a value"),  # a lone carriage return is an ordinary character
    ('["🙂🙂", x]', 1, 8, "expected a value"),  # columns count code points
    ('{"a": 1,]', 1, 9, "']' closes the '{' of line 1; expected a key in double quotes"),
    ("[1é]", 1, 3, "expected ',' or ']' after a value, not \"é\""),
    ("[-]", 1, 2, 'expected a value, not "-"'),
    ("{1: 2}", 1, 2, 'expected a key in double quotes, not "1"'),
    ("", 1, 1, "the file ends where a value should be"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED)
def test_a_mistake_is_told_in_plain_words_at_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    problem = refusal(text)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_a_trailing_comma_is_told_as_the_decoder_of_python_3_13_tells_it() -> None:
    text = '{"a": 1 , }'
    error = JSONDecodeError("Illegal trailing comma before end of object", text, 8)
    problem = Walk(text, 8, Positions(text), "").explain(error)
    assert (problem.column, problem.message) == (9, "a trailing comma: remove it before the '}'")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"a b": [0, {"c": tru}]}', '$["a b"][1].c'),
        ('{"a": 1, "b": [{}, [], "x\ty"]}', "$.b[2]"),
        ('{"a": {"b": 1} "c": 2}', "$.a"),
        ("[[], [NaN]]", "$[1][0]"),
        ("[1] 2", "$"),
    ],
)
def test_a_mistake_names_the_path_of_the_innermost_value(text: str, path: str) -> None:
    assert refusal(text).path == path


def test_every_key_that_is_there_twice_is_a_problem_at_the_second() -> None:
    value, problems = read('{"a": 1,\n "b": {"x": 1, "x": 2},\n "a": 3, "\\u0061": 4}')
    assert value == {"a": 4, "b": {"x": 2}}
    assert [(p.path, p.line, p.column) for p in problems] == [("$.b.x", 2, 16), ("$.a", 3, 2), ("$.a", 3, 10)]
    assert problems[2].message == 'the key "a" is here twice, first on line 1; remove one of the two'


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000, "1" + "0" * 400 + ".5"])
def test_a_number_that_is_not_finite_is_a_problem(number: str) -> None:
    value, problems = read(f'{{"a": [1, {number}, "1e999"]}}')
    assert math.isinf(value["a"][1])
    assert [(p.path, p.line, p.column) for p in problems] == [("$.a[1]", 1, 11)]
    assert "not finite" in problems[0].message
    assert len(problems[0].message) < 100


@pytest.mark.parametrize("opener", ["[", '{"a":', '[{"a":'])
def test_nesting_is_read_to_the_limit_and_refused_beyond_it(opener: str) -> None:
    closers = {"[": "]", '{"a":': "}", '[{"a":': "}]"}
    levels = len(closers[opener])
    deepest = MAX_DEPTH // levels
    assert read(opener * deepest + "1" + closers[opener] * deepest)[1] == []
    for depth in (deepest + 1, 10_000):
        problem = refusal(opener * depth + "1" + closers[opener] * depth)
        assert (problem.line, problem.column) == (1, deepest * len(opener) + 1)
        assert problem.message == "nested more than 200 levels deep"


def test_many_brackets_that_are_not_nested_are_no_problem() -> None:
    assert read("[" + "[]," * 500 + "[]]")[1] == []
