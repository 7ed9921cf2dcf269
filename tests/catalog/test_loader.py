from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from personas import CatalogError, Persona, load_catalog, parse_catalog
from personas.catalog.loader import MAX_BYTES
from personas.catalog.problems import MAX_PROBLEMS, json_path
from tests.making import REMOVED, make_text

from .making import BO, CASES, make_spaces, only_problem_of, problems_of, source_at


def test_verdicts_and_places_are_those_of_zod() -> None:
    assert len(CASES) == 400
    for case in CASES:
        try:
            catalog = parse_catalog(case["text"])
        except CatalogError as error:
            errors = {problem.path for problem in error.problems if problem.severity == "error"}
            expected = {json_path(tuple(path)) for path in case["paths"]} if case["json"] else {"$"}
            assert not case["valid"], case["text"]
            assert errors == expected, case["text"]
        else:
            assert case["valid"], case["text"]
            dumped = [persona.model_dump(mode="json", by_alias=True) for persona in catalog.personas]
            assert dumped == case["data"]["personas"]


# A field of a persona, its value, and what is wrong with it.
RULES: list[tuple[str, object, str]] = [
    ("name", REMOVED, "is missing"),
    ("name", "", "must not be empty"),
    ("name", None, "must be a string, not null"),
    ("name", "I\0da", "contains the character U+0000, which cannot be stored"),
    ("archetype", 5, "must be a string, not 5"),
    ("archetype", True, "must be a string, not true"),
    ("archetype", "\udc00", "contains the character U+DC00, which cannot be stored"),
    ("email", REMOVED, "is missing"),
    ("email", [], "must be a string, not a list"),
    ("email", "anna", 'is not a valid email address: "anna"'),
    ("email", "\u212aim@mana.test", 'is not a valid email address: "\u212aim@mana.test"'),
    ("email", "a..b@mana.test", 'is not a valid email address: "a..b@mana.test"'),
    ("email", "a@b@mana.test", 'is not a valid email address: "a@b@mana.test"'),
    ("email", "Anna@mana.test", 'must be in lower case, as the service stores it: "anna@mana.test"'),
    ("systemPrompt", "x" * 19, "must have at least 20 characters, not 19"),
    ("systemPrompt", "🙂" * 9, "must have at least 20 characters, not 18"),
    ("systemPrompt", "x" * 20 + "\ud800", "contains the character U+D800, which cannot be stored"),
    ("moduleMix", REMOVED, "is missing"),
    ("moduleMix", [1], 'must be an object with weights, such as {"todo": 0.6}, not a list'),
    ("moduleMix", {"\udfff": 1}, "contains the character U+DFFF, which cannot be stored"),
    ("tickCadence", "Daily", "must be 'daily', 'weekdays' or 'hourly', not \"Daily\""),
    ("tickCadence", "x" * 5000, f"must be 'daily', 'weekdays' or 'hourly', not \"{'x' * 59}…\""),
]


# The same for a key of "moduleMix" and its weight, as the file has them.
WEIGHTS = [
    ("todo", '"1"', 'must be a number, not "1"'),
    ("todo", "true", "must be a number, not true"),
    ("todo", "-0.5", "must be 0 or more, not -0.5"),
    ("todo", "1e999", "must be a finite number, not inf"),
    ("todo", "-1e999", "must be a finite number, not -inf"),
    ("todo", "9" * 5000, "must be a finite number, not inf"),
    ("to\\u0000do", "1", "contains the character U+0000, which cannot be stored"),
]


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        *(
            (make_text({name: value}), f"$.personas[0].{name}", f'"{name}" {wrong}')
            for name, value, wrong in RULES
        ),
        *(
            (
                make_text().replace('"todo": 0.5', f'"{key}": {weight}'),
                "$.personas[0].moduleMix" + (".todo" if key == "todo" else f'["{key}"]'),
                f'"{key}" {wrong}',
            )
            for key, weight, wrong in WEIGHTS
        ),
        ("7", "$", "a catalog must be an object, not 7"),
        ('{"personas": {}}', "$.personas", '"personas" must be a list, not an object'),
        ('{"personas": []}', "$.personas", '"personas" must not be empty'),
        ('{"personas": ["x"]}', "$.personas[0]", 'personas[0] must be an object, not "x"'),
        ("{}", "$.personas", '"personas" is missing'),
        (make_text(description=5), "$.description", '"description" must be a string, not 5'),
        (make_text(allowRealDomain=1), "$.allowRealDomain", '"allowRealDomain" must be true or false, not 1'),
        (
            make_text({"email": "a@mana.test"}, {"email": "a@mana.test"}),
            "$.personas[1].email",
            'the email "a@mana.test" is already used on line 5',
        ),
    ],
)
def test_a_fault_is_one_error_at_its_place(text: str, path: str, message: str) -> None:
    problem = only_problem_of(text)
    assert (problem.path, problem.message) == (path, message)


def test_duplicate_keys_are_errors_at_the_last_one() -> None:
    text = '{"personas": ["x"],\n "other": [{"a": 1, "a": 2, "\\u0061": 3}],\n' + make_text()[1:]
    problems = [problem for problem in problems_of(text) if problem.severity == "error"]
    assert [(problem.path, problem.message) for problem in problems] == [
        ("$.other[0].a", 'the key "a" appears more than once; keep one'),
        ("$.personas", 'the key "personas" appears more than once; keep one'),
    ]
    assert source_at(text, problems[0]) == '"\\u0061": 3}]'
    assert source_at(text, problems[1]).startswith('"personas": [')


UNKNOWN = [
    (make_text({"tick_cadence": 1}), "$.personas[0]", "tick_cadence", '; do you mean "tickCadence"?'),
    (make_text({"NAME": 1}), "$.personas[0]", "NAME", '; do you mean "name"?'),
    (make_text({"zzz": 1}), "$.personas[0]", "zzz", ""),
    (make_text(descripton=1), "$", "descripton", '; do you mean "description"?'),
    (make_spaces({"tpye": 1}), "$.spaces[0]", "tpye", '; do you mean "type"?'),
    (
        make_spaces({"members": [{"email": BO, "rolle": 1}]}),
        "$.spaces[0].members[0]",
        "rolle",
        '; do you mean "role"?',
    ),
]
SAME_NAME = make_text({"name": "Bo"}, {"name": "Bo"})
NO_WEIGHT = '"moduleMix" has no weight above 0: the persona uses no module'


@pytest.mark.parametrize(
    ("text", "path", "source", "message"),
    [
        *(
            (text, f"{path}.{key}", f'"{key}": 1', f'unknown key "{key}" is ignored{near}')
            for text, path, key, near in UNKNOWN
        ),
        (SAME_NAME, "$.personas[1].name", '"Bo"', 'the name "Bo" is already used on line 4'),
        (make_text({"moduleMix": {"a": 0, "b": 0}}), "$.personas[0].moduleMix", "{", NO_WEIGHT),
        (make_text({"moduleMix": {}}), "$.personas[0].moduleMix", "{}", NO_WEIGHT),
    ],
)
def test_what_is_unknown_or_doubtful_is_a_warning(text: str, path: str, source: str, message: str) -> None:
    (warning,) = parse_catalog(text, file="c.json").warnings
    assert (warning.file, warning.severity, warning.path) == ("c.json", "warning", path)
    assert (source_at(text, warning), warning.message) == (source, message)


def test_errors_and_warnings_come_together_in_file_order() -> None:
    text = """{
 "$schema": 5,
 "personas": [
  {"tickCadence": "x", "nmae": "", "email": "a@mana.test", "email": "b@mana.test",
   "archetype": "solo-dev", "system_prompt": "short", "moduleMix": {"todo": 1e999, "mail": -1}},
  7
 ],
 "description": null
}"""
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, file="my.json")
    problems = caught.value.problems
    assert [(problem.line, problem.path, problem.severity) for problem in problems] == [
        (2, "$.$schema", "error"),
        (4, "$.personas[0].name", "error"),
        (4, "$.personas[0].systemPrompt", "error"),
        (4, "$.personas[0].tickCadence", "error"),
        (4, "$.personas[0].nmae", "warning"),
        (4, "$.personas[0].email", "error"),
        (5, "$.personas[0].system_prompt", "warning"),
        (5, "$.personas[0].moduleMix.todo", "error"),
        (5, "$.personas[0].moduleMix.mail", "error"),
        (6, "$.personas[1]", "error"),
        (8, "$.description", "error"),
    ]
    assert source_at(text, problems[9]) == "7"
    assert {problem.file for problem in problems} == {"my.json"}
    assert str(caught.value) == "my.json is invalid: 9 errors"


def test_a_problem_as_json() -> None:
    problems = problems_of('{"personas": [\n    {"name": 7}]}')
    named = next(problem for problem in problems if problem.path.endswith("name"))
    place = {"file": "catalog.json", "line": 2, "column": 14, "path": "$.personas[0].name"}
    expected = place | {"severity": "error", "message": '"name" must be a string, not 7'}
    assert json.loads(named.model_dump_json()) == expected


@pytest.mark.parametrize(
    ("text", "error", "warnings"),
    [
        ('{"personas": [' + "1, " * 20_000 + "1]}", "more than 1000 errors", 1),
        ('{"personas": [' + "{}, " * 20_000 + "{}]}", "more than 1000 errors", 1),
        (make_text({"moduleMix": dict.fromkeys(map(str, range(2000)), -1)}), "more than 1000 errors", 1),
        (make_text({str(key): 1 for key in range(2000)}, {"name": ""}), "1 error", MAX_PROBLEMS + 1),
    ],
)
def test_of_very_many_problems_the_first_are_listed(text: str, error: str, warnings: int) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    problems = caught.value.problems
    assert str(caught.value) == f"catalog.json is invalid: {error}"
    assert len(problems) == MAX_PROBLEMS + (1 if warnings == 1 else 2)
    assert sum(problem.severity == "warning" for problem in problems) == warnings
    expected = "there are more problems; only 1000 errors and 1000 warnings are listed"
    assert problems[-1].message == expected


# Broken JSON, its possible places (Python versions differ about trailing commas), and the end of the message.
BROKEN = [
    ("", {(1, 1)}, "the file is empty"),
    (" \n\t\n", {(1, 1)}, "the file is empty"),
    ('{\n"a": 1,\n}', {(2, 7), (3, 1)}, "remove the comma before the closing bracket"),
    ("[1,]", {(1, 3), (1, 4)}, "remove the comma before the closing bracket"),
    ("[1, // one\n2]", {(1, 5)}, "JSON has no comments"),
    ("[1 # one\n]", {(1, 4)}, "JSON has no comments"),
    ("/* c */ 1", {(1, 1)}, "JSON has no comments"),
    ("{'a': 1}", {(1, 2)}, "JSON uses double quotes, not single quotes"),
    ("['a']", {(1, 2)}, "JSON uses double quotes, not single quotes"),
    ('{"a": 1\n "b": 2}', {(2, 2)}, "Expecting ',' delimiter"),
    ('["🙂🙂", x]', {(1, 8)}, "Expecting value"),
    ('{"personas": [', {(1, 15)}, "the file ends too early"),
    ('["abc', {(1, 2)}, "Unterminated string: the closing quote is missing"),
    ("1 2", {(1, 3)}, "Extra data"),
    ("[\n NaN, tru]", {(2, 2)}, "NaN is not a JSON value"),
    ('{"NaN": {"b": [1, -Infinity]}}', {(1, 19)}, "-Infinity is not a JSON value"),
    ("[NaN, " * 60, {(1, 2)}, "NaN is not a JSON value"),
    ("[" * 60 + "NaN", {(1, 61)}, "NaN is not a JSON value"),
    ("[" * 200_000, {(1, 1)}, "the JSON is nested too deeply"),
    ('{"a":' * 200_000, {(1, 1)}, "the JSON is nested too deeply"),
]


@pytest.mark.parametrize(("text", "places", "message"), BROKEN)
def test_broken_json_is_one_error_at_its_place(text: str, places: set[tuple[int, int]], message: str) -> None:
    problem = only_problem_of(text)
    assert (problem.line, problem.column) in places
    assert problem.path == "$"
    assert problem.message.endswith(message)


def test_a_good_catalog_has_its_personas() -> None:
    changes = {"tickCadence": "hourly", "moduleMix": {"todo": 1, "notes": 0.25}, "systemPrompt": "🙂" * 10}
    text = make_text(changes, {"tickCadence": REMOVED}, **{"$schema": "./s.json", "description": "d"})
    catalog = parse_catalog(text)
    first, second = catalog.personas
    assert first == Persona(
        name="Ida0",
        email="persona.ida0@mana.test",
        archetype="researcher",
        system_prompt="🙂" * 10,
        module_mix={"todo": 1.0, "notes": 0.25},
        tick_cadence="hourly",
    )
    assert (second.tick_cadence, catalog.description, catalog.warnings) == ("daily", "d", ())
    assert catalog == parse_catalog(text)
    assert len({*catalog.personas, *parse_catalog(text).personas}) == 2
    assert (catalog.file, catalog.spaces, catalog.allow_real_domain) == ("catalog.json", (), False)
    assert catalog.persona("Persona.Ida1@MANA.test") is second
    assert catalog.persona("persona.ida9@mana.test") is None


def error_of(file: Path | str) -> CatalogError:
    with pytest.raises(CatalogError) as caught:
        load_catalog(file)
    return caught.value


def test_file_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = make_text().encode()
    file = tmp_path / "c.json"
    file.write_bytes(good)
    plain = load_catalog(file)
    file.write_bytes(b"\xef\xbb\xbf" + good)
    marked = load_catalog(str(file))
    assert plain == marked
    assert parse_catalog("\ufeff" + make_text()).personas == plain.personas
    assert (marked.file, marked.locate(())) == (str(file), (1, 1))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(make_text().encode())))
    catalog = load_catalog("-")
    assert (catalog.file, len(catalog.personas)) == ("<stdin>", 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.json", "No such file or directory"),
        ("", "Is a directory"),
        ("x" * 5000, "File name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path, name: str, reason: str) -> None:
    error = error_of(f"{tmp_path}/{name}")
    assert (str(error), error.problems) == (f"{tmp_path}/{name} cannot be read: {reason}.", ())
    assert "personas init" in error.hint


@pytest.mark.parametrize(
    ("data", "place", "byte"),
    [
        (b'{\n "\xc3\xa4\xfc": 1}', (2, 4), "0xFC"),
        (b'\xef\xbb\xbf{"\xff', (1, 3), "0xFF"),
        (make_text().encode("utf-16"), (1, 1), "0xFF"),
    ],
)
def test_a_file_that_is_not_utf8_is_one_error(
    tmp_path: Path, data: bytes, place: tuple[int, int], byte: str
) -> None:
    (tmp_path / "c.json").write_bytes(data)
    (problem,) = error_of(tmp_path / "c.json").problems
    assert (problem.line, problem.column) == place
    assert problem.message == f"the byte {byte} is not UTF-8; save the file as UTF-8"


def test_a_file_over_10_mb_is_refused(tmp_path: Path) -> None:
    good = make_text().encode()
    file = tmp_path / "c.json"
    file.write_bytes(good.ljust(MAX_BYTES))
    assert load_catalog(file).personas
    file.write_bytes(good.ljust(MAX_BYTES + 1))
    assert str(error_of(file)) == f"{file} is larger than 10 MB, too large for a catalog."


@given(st.data())
def test_a_damaged_catalog_has_printable_problems(data: st.DataObject) -> None:
    text = make_text(spaces=[])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        pieces = ["{", "}", "[", "]", ",", '"', ":", "null", "-1", "\\u0000", "\\ud800", "1e999", "\x1b", "é"]
        text = text[:at] + data.draw(st.sampled_from(pieces)) + text[at + data.draw(st.integers(0, 6)) :]
    try:
        problems = parse_catalog(text).warnings
    except CatalogError as error:
        problems = error.problems
        assert problems
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert (problem.message + problem.path).isprintable()


def test_ten_thousand_personas_are_loaded_whole() -> None:
    catalog = parse_catalog(make_text(*(f"p{number}" for number in range(10_000))))
    assert (len(catalog.personas), catalog.personas[9999].email) == (10_000, "persona.p9999@mana.test")
    assert all(persona.module_mix == {"todo": 0.5, "notes": 1.0} for persona in catalog.personas)
