from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personas.catalog.reading import Cadence, Catalog, Persona, catalog_schema, load_catalog, parse_catalog
from personas.catalog.wording import json_path
from personas.errors import CatalogError, Problem

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "zod-cases.json").read_text("utf-8")
)

PROMPT = "You are a persona who writes short notes."
PERSONA = {
    "name": "Ida",
    "email": "persona.ida@mana.test",
    "archetype": "solo-dev",
    "systemPrompt": PROMPT,
    "moduleMix": {"todo": 1},
}


def catalog_of(*changes: dict[str, Any]) -> str:
    """A catalog with one persona for each of the changes; the change "<none>" removes the key."""
    entries = []
    for number, change in enumerate(changes or ({},)):
        entry = PERSONA | {"name": f"Ida {number}", "email": f"persona.ida{number}@mana.test"} | change
        entries.append({key: value for key, value in entry.items() if value != "<none>"})
    return json.dumps({"personas": entries}, indent=1)


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return caught.value.problems


def read(text: str) -> Catalog | tuple[Problem, ...]:
    try:
        return parse_catalog(text)
    except CatalogError as error:
        return error.problems


def test_there_are_400_agreed_cases() -> None:
    assert len(CASES) == 400


@pytest.mark.parametrize("index", range(400))
def test_the_verdict_and_the_places_are_those_of_the_other_programs(index: int) -> None:
    case = CASES[index]
    result = read(case["text"])
    if isinstance(result, Catalog):
        assert case["valid"]
        found = [
            (p.name, p.email, p.archetype, p.system_prompt, p.module_mix, p.tick_cadence)
            for p in result.personas
        ]
        keys = ("name", "email", "archetype", "systemPrompt", "moduleMix", "tickCadence")
        assert [tuple(persona[key] for key in keys) for persona in case["data"]["personas"]] == found
    else:
        assert not case["valid"]
        if case["json"]:
            assert {problem.path for problem in result} == {json_path(tuple(path)) for path in case["paths"]}
        else:
            assert len(result) == 1


def at(path: str) -> str:
    """The path of a place in the catalog, or in its first persona."""
    return path if path.startswith("$") else f"$.personas[0].{path}"


# What the stricter rules refuse and zod accepts: the change to a good persona, and where and what is told.
OWN_EXCEPTIONS: list[tuple[str, str, str]] = [
    (
        catalog_of({"email": "persona.a@mana.test"}, {"email": "persona.a@mana.test"}),
        "$.personas[1].email",
        'the persona on line 5 has the email "persona.a@mana.test" already',
    ),
    (
        '{"personas": ["x"],\n' + catalog_of({"name": "A"}, {"name": "B"})[1:],
        "$.personas",
        'the key "personas" is here twice, first on line 1; remove one of the two',
    ),
    (
        catalog_of().replace('"todo": 1', '"todo": 1, "todo": 1'),
        "moduleMix.todo",
        'the key "todo" is here twice, first on line 9; remove one of the two',
    ),
    (
        '{"other": [{"a": 1, "a": 1}],' + catalog_of()[1:],
        "$.other[0].a",
        'the key "a" is here twice, first on line 1; remove one of the two',
    ),
    (
        catalog_of({"email": "Persona.Anna@mana.test"}),
        "email",
        '"email" must be in lower case, as the service stores it: "persona.anna@mana.test"',
    ),
    (
        catalog_of().replace('"todo": 1', '"todo": 1e999'),
        "moduleMix.todo",
        "1e999 is too large: its value is not finite",
    ),
    (catalog_of({"name": "I\0da"}), "name", '"name" holds the character U+0000, which cannot be stored'),
    (
        catalog_of({"archetype": "\udc00"}),
        "archetype",
        '"archetype" holds the character U+DC00, which cannot be stored',
    ),
    (
        catalog_of({"systemPrompt": PROMPT + "\ud800"}),
        "systemPrompt",
        '"systemPrompt" holds the character U+D800, which cannot be stored',
    ),
    (
        catalog_of({"moduleMix": {"to\0do": 1}}),
        'moduleMix["to\\u0000do"]',
        "the name of a module holds the character U+0000, which cannot be stored",
    ),
    (
        catalog_of({"moduleMix": {"\udfff": 1}}),
        'moduleMix["\\udfff"]',
        "the name of a module holds the character U+DFFF, which cannot be stored",
    ),
]


@pytest.mark.parametrize(("text", "path", "message"), OWN_EXCEPTIONS)
def test_the_stricter_rules_refuse_what_the_other_programs_accept(text: str, path: str, message: str) -> None:
    found = [(problem.path, problem.message) for problem in problems_of(text)]
    if '["x"]' in text:
        assert found.pop(0) == ("$.personas[0]", 'a persona is an object, not the string "x"')
    assert found == [(at(path), message)]


RULES: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "<none>"}, "name", '"name" is missing'),
    ({"name": ""}, "name", '"name" must not be empty'),
    ({"name": None}, "name", '"name" must be a string, not null'),
    ({"archetype": 5}, "archetype", '"archetype" must be a string, not the number 5'),
    ({"archetype": True}, "archetype", '"archetype" must be a string, not true'),
    ({"email": []}, "email", '"email" must be a string, not a list'),
    ({"email": "<none>"}, "email", '"email" is missing'),
    ({"email": "anna@mana.com"}, "email", '"email" must end in "@mana.test", unlike "anna@mana.com"'),
    ({"email": "a..b@mana.test"}, "email", '"a..b@mana.test" is not an email address'),
    ({"email": "a@b@mana.test"}, "email", '"a@b@mana.test" is not an email address'),
    ({"email": "@mana.test"}, "email", '"@mana.test" is not an email address'),
    ({"systemPrompt": "x" * 19}, "systemPrompt", '"systemPrompt" must have at least 20 characters, not 19'),
    ({"systemPrompt": "🙂" * 9}, "systemPrompt", '"systemPrompt" must have at least 20 characters, not 18'),
    ({"moduleMix": "<none>"}, "moduleMix", '"moduleMix" is missing'),
    ({"moduleMix": [1]}, "moduleMix", '"moduleMix" must be an object with the weights of modules'),
    (
        {"moduleMix": {"todo": "1"}},
        "moduleMix.todo",
        'the weight of "todo" must be a number, not the string "1"',
    ),
    ({"moduleMix": {"todo": -0.5}}, "moduleMix.todo", 'the weight of "todo" must be 0 or more, not -0.5'),
    ({"moduleMix": {"todo": True}}, "moduleMix.todo", 'the weight of "todo" must be a number, not true'),
    (
        {"tickCadence": "Daily"},
        "tickCadence",
        'must be "daily", "weekdays" or "hourly", not the string "Daily"',
    ),
    ({"tickCadence": None}, "tickCadence", 'must be "daily", "weekdays" or "hourly", not null'),
    ({"name": "<none>", "NAME": "x"}, "name", '"name" is missing; is it the key "NAME"?'),
    ({"systemPrompt": "\ud800"}, "systemPrompt", '"systemPrompt" must have at least 20 characters, not 1'),
    ({"systemPrompt": "<none>", "system_prompt": "x"}, "systemPrompt", 'is it the key "system_prompt"?'),
    ({"systemPrompt": "<none>", "nmae": "x", "zzz": 1}, "systemPrompt", '"systemPrompt" is missing'),
]


@pytest.mark.parametrize(("change", "path", "message"), RULES)
def test_a_broken_rule_is_told_with_what_is_there_and_what_would_be_right(
    change: dict[str, Any], path: str, message: str
) -> None:
    (problem,) = problems_of(catalog_of(change))
    assert problem.path == at(path)
    assert message in problem.message
    assert problem.message.endswith(message) or "is it" not in problem.message
    assert len(problem.message) < 200


def test_ten_emojis_are_a_prompt_of_twenty_units() -> None:
    assert parse_catalog(catalog_of({"systemPrompt": "🙂" * 10})).personas[0].system_prompt == "🙂" * 10


ZOD_EMAIL = re.compile(
    r"(?!\.)(?!.*\.\.)([A-Z0-9_'+\-.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9-]*\.)+[A-Z]{2,}", re.IGNORECASE | re.ASCII
)


@settings(max_examples=100)
@given(st.text(st.sampled_from("aZ0._'+-@ \n!é"), max_size=8).map(lambda local: local + "@mana.test"))
def test_an_email_is_good_where_the_pattern_of_the_other_programs_says_so(email: str) -> None:
    refused = {p.path for p in problems_of(catalog_of({"email": email}, {"name": ""}))} - {
        "$.personas[1].name"
    }
    expected = ZOD_EMAIL.fullmatch(email) is not None and email == email.lower()
    assert refused == (set() if expected else {"$.personas[0].email"})


def test_a_long_prompt_is_never_quoted_whole() -> None:
    (problem,) = problems_of(catalog_of({"tickCadence": "x" * 5000}))
    assert len(problem.message) < 200


def test_all_problems_of_all_personas_are_told_in_the_order_of_the_file() -> None:
    text = """{
 "$schema": 5,
 "personas": [
  {"tickCadence": "x", "name": "", "email": "a@mana.test", "email": "b@mana.test",
   "archetype": "solo-dev", "systemPrompt": "short", "moduleMix": {"todo": 1e999, "mail": -1}},
  7
 ],
 "description": null
}"""
    found = problems_of(text)
    assert [(p.line, p.path) for p in found] == [
        (2, "$.$schema"),
        (4, "$.personas[0].tickCadence"),
        (4, "$.personas[0].name"),
        (4, "$.personas[0].email"),
        (5, "$.personas[0].systemPrompt"),
        (5, "$.personas[0].moduleMix.todo"),
        (5, "$.personas[0].moduleMix.mail"),
        (6, "$.personas[1]"),
        (8, "$.description"),
    ]
    lines = text.split("\n")
    assert lines[4][found[4].column - 1 :].startswith('"short"')
    assert lines[5][found[7].column - 1 :] == "7"


def test_endless_problems_are_told_up_to_a_number_and_then_reading_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("mistakes", "reading"):
        monkeypatch.setattr(f"personas.catalog.{module}.MAX_PROBLEMS", 5_000)
    found = problems_of('{"personas": [\n' + "1,\n" * 5_005 + "}")
    assert len(found) == 5_000
    assert [(problem.line, problem.path) for problem in found[-2:]] == [
        (5_000, "$.personas[4998]"),
        (5_001, "$"),
    ]
    assert found[-1].message == "these are 5,000 problems; any others are not told"


def test_many_problems_of_one_persona_are_located_in_linear_time() -> None:
    mix = {f"module{number}": -1 for number in range(3000)}
    found = problems_of(catalog_of({"moduleMix": mix} | {f"key{number}": 1 for number in range(3000)}))
    assert [problem.line for problem in found] == list(range(9, 3009))


def reading_takes(folder: Path) -> tuple[int, float]:
    """How many problems a catalog has, and how many MiB it takes to find them."""
    code = """
from pathlib import Path
from personas.catalog.reading import load_catalog
from personas.errors import CatalogError
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
before, problems = peak(), ()
try:
    load_catalog("c.json")
except CatalogError as error:
    problems = error.problems
print(len(problems), peak() - before)
"""
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    return int(told[0]), float(told[1])


def test_endless_problems_of_one_persona_are_told_up_to_a_number_in_little_memory(tmp_path: Path) -> None:
    mix = dict.fromkeys((f"m{number}" for number in range(110_000)), -1)
    (tmp_path / "c.json").write_text(catalog_of({"moduleMix": mix}))
    problems, mebibytes = reading_takes(tmp_path)
    assert problems == 100_000
    assert mebibytes < 200


def test_a_large_mix_is_taken_whole() -> None:
    mix = {f"m{number}": 0.5 for number in range(2500)}
    assert parse_catalog(catalog_of({"moduleMix": mix})).personas[0].module_mix == mix
    (problem,) = problems_of(catalog_of({"moduleMix": mix | {"m2400": "x"}}))
    assert problem.path == "$.personas[0].moduleMix.m2400"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{"personas": [{"name": ""}, {"name": "" "email": 1}]}', 1, 41, "expected ',' or '}' after a value"),
        ('{"personas": [\n01]}', 2, 1, '"01" is not written as a JSON number'),
        ("[] []", 1, 4, 'expected the end of the file, not "["'),
    ],
)
def test_a_syntax_error_is_told_rather_than_what_the_rest_would_mean(
    text: str, line: int, column: int, message: str
) -> None:
    (problem,) = problems_of(text)
    assert (problem.line, problem.column) == (line, column)
    assert problem.message.startswith(message)


def test_a_second_list_of_personas_has_positions_of_its_own() -> None:
    found = problems_of('{"personas": [\n1, 2],\n"personas": [3,\n4]}')
    assert [(p.line, p.column, p.path) for p in found] == [
        (2, 1, "$.personas[0]"),
        (2, 4, "$.personas[1]"),
        (3, 1, "$.personas"),
        (3, 14, "$.personas[0]"),
        (4, 1, "$.personas[1]"),
    ]


def test_an_email_is_taken_also_when_its_case_differs() -> None:
    found = problems_of(catalog_of({"email": "a@mana.test"}, {"email": "A@mana.test"}))
    assert [problem.path for problem in found] == ["$.personas[1].email"] * 2


def test_warnings_are_in_the_order_of_the_file() -> None:
    text = catalog_of({"name": "Bo", "z": 1, "y": 2, "x": 3, "moduleMix": {}}, {"name": "Bo", "w": 1})
    found = [(warning.line, warning.column) for warning in parse_catalog(text).warnings]
    assert len(found) == 6
    assert found == sorted(found)


def test_a_catalog_error_says_the_first_problem_and_how_many_there_are() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog('{"personas": [1, 2, 3]}', file="my.json")
    assert str(caught.value) == "my.json:1:15: a persona is an object, not the number 1 (and 2 more)"
    assert {problem.file for problem in caught.value.problems} == {"my.json"}


def test_a_good_catalog_is_read_with_the_position_of_each_persona() -> None:
    text = catalog_of({"tickCadence": "hourly", "moduleMix": {"todo": 1, "notes": 0.25}}, {})
    catalog = parse_catalog(text)
    first, second = catalog.personas
    assert first == Persona(
        name="Ida 0",
        email="persona.ida0@mana.test",
        archetype="solo-dev",
        system_prompt=PROMPT,
        module_mix={"todo": 1.0, "notes": 0.25},
        tick_cadence=Cadence.HOURLY,
    )
    assert second.tick_cadence is Cadence.DAILY
    assert [catalog.locate(("personas", index)) for index in (0, 1)] == [(3, 3), (14, 3)]
    assert parse_catalog(text) == parse_catalog(text)
    assert len({first, second, first}) == 2


def test_a_catalog_locates_its_values_and_the_nearest_parent_of_what_is_missing() -> None:
    text = '\n \n{"description": "d",\n' + catalog_of({}, {})[1:]
    catalog = parse_catalog(text)
    lines = text.split("\n")
    for parts, start in [
        (("personas", 1, "systemPrompt"), '"You are'),
        (("personas", 1, "moduleMix", "todo"), "1"),
        (("personas", 1, "moduleMix", "mail"), "{"),
        (("personas", 1, "tickCadence"), "{"),
        (("personas", 0), "{"),
        (("personas", 5, "name"), "["),
        (("personas", -1), "["),
        (("personas",), "["),
        (("description",), '"d"'),
        (("other",), '{"description"'),
        ((), '{"description"'),
    ]:
        line, column = catalog.locate(parts)
        assert lines[line - 1][column - 1 :].startswith(start), parts


WARNINGS: list[tuple[str, str, str]] = [
    (
        catalog_of({"tick_cadence": "daily"}),
        "tick_cadence",
        'the key "tick_cadence" is not known and has no effect; do you mean "tickCadence"?',
    ),
    (catalog_of({"zzz": 1}), "zzz", 'the key "zzz" is not known and has no effect'),
    (
        '{"descripton": 1, ' + catalog_of()[1:],
        "$.descripton",
        'the key "descripton" is not known and has no effect; do you mean "description"?',
    ),
    (
        catalog_of({"name": "Bo"}, {"name": "Bo"}, {"name": "Bo"}),
        "$.personas[1].name",
        '3 personas have the name "Bo", the first on line 4; only their emails tell them apart',
    ),
    (catalog_of({"name": " Bo"}), "name", '"name" " Bo" has white space around it'),
    (catalog_of({"archetype": "x\n"}), "archetype", '"archetype" "x\\n" has white space around it'),
    (catalog_of({"systemPrompt": " \n" * 10}), "systemPrompt", '"systemPrompt" is blank'),
    (catalog_of({"moduleMix": {}}), "moduleMix", "is empty: this persona would use no module"),
    (catalog_of({"moduleMix": {"a": 0, "b": 0}}), "moduleMix", "only has weights of 0"),
]


@pytest.mark.parametrize(("text", "path", "message"), WARNINGS)
def test_what_is_doubtful_is_a_warning_at_its_place(text: str, path: str, message: str) -> None:
    (warning,) = parse_catalog(text, file="c.json").warnings
    assert (warning.path, warning.file) == (at(path), "c.json")
    assert message in warning.message
    key = re.findall(r"\w+", path)[-1]
    rest = "\n".join(text.split("\n")[warning.line - 1 :])[warning.column - 1 :]
    assert rest.startswith(f'"{key}"' if "not known" in message else ('"', "{"))


def test_schema_and_description_are_known_at_the_root() -> None:
    assert parse_catalog('{"$schema": "s", "description": "d", ' + catalog_of()[1:]).warnings == ()


GOOD = catalog_of().encode()

UNREADABLE: list[tuple[bytes, int, int, str]] = [
    (b"", 1, 1, "the file is empty"),
    (b" \n\t\r\n ", 1, 1, "the file is empty"),
    (b"\xef\xbb\xbf", 1, 1, "the file is empty"),
    (catalog_of().encode("utf-16"), 1, 1, "the file is in UTF-16; save it as UTF-8"),
    (catalog_of().encode("utf-16-be"), 1, 1, "the file is in UTF-16; save it as UTF-8"),
    (catalog_of().encode("utf-16-le"), 1, 1, "the file is in UTF-16; save it as UTF-8"),
    (catalog_of().encode("utf-32"), 1, 1, "the file is in UTF-32; save it as UTF-8"),
    (catalog_of().encode("utf-32-be"), 1, 1, "the file is in UTF-32; save it as UTF-8"),
    (catalog_of().encode("utf-32-le"), 1, 1, "the file is in UTF-32; save it as UTF-8"),
    (b'{\n "\xc3\xa4\xfc": 1}', 2, 4, "the byte 0xFC at offset 6 is not UTF-8; save the file as UTF-8"),
    (b'\xef\xbb\xbf{"\xff', 1, 3, "the byte 0xFF at offset 5 is not UTF-8"),
    (b'{"a": "\xed\xa0\x80"}', 1, 8, "the byte 0xED at offset 7 is not UTF-8"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1, 1, "this is a binary file, not a JSON text"),
    (b"\x7fELF\x02\x01\x01\0\0\0", 1, 1, "expected a value"),
    (b"{\0}", 1, 2, "the character U+0000 is no JSON white space"),
    (b"[" * 10_000, 1, 201, "nested more than 200 levels deep"),
    (b'{"a":' * 10_000, 1, 1001, "nested more than 200 levels deep"),
    (b'{"personas": ' + b"9" * 5000 + b"}", 1, 14, "a number of 5000 characters is too large"),
]


@pytest.mark.parametrize(("data", "line", "column", "message"), UNREADABLE)
def test_what_is_no_catalog_at_all_is_told_at_its_place(
    tmp_path: Path, data: bytes, line: int, column: int, message: str
) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(data)
    with pytest.raises(CatalogError) as caught:
        load_catalog(file)
    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_a_byte_order_mark_is_accepted_and_no_column() -> None:
    for text in (b"\xef\xbb\xbf" + GOOD, "\ufeff" + GOOD.decode()):
        assert parse_catalog(text) == parse_catalog(GOOD)
        assert parse_catalog(text).locate(()) == (1, 1)


def test_windows_line_ends_count_once() -> None:
    unix, windows = parse_catalog(GOOD), parse_catalog(GOOD.replace(b"\n", b"\r\n"))
    place = ("personas", 0, "moduleMix", "todo")
    assert (unix, unix.locate(place)) == (windows, windows.locate(place))


def refusal_of(path: Any) -> str:
    with pytest.raises(CatalogError) as caught:
        load_catalog(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.file) == (1, 1, os.fspath(path))
    return problem.message


def test_a_file_that_was_named_wrongly_is_told_with_the_next_step(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(GOOD)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, message in [
        (tmp_path / "missing.json", "there is no such file"),
        (file / "below", "there is no such file"),
        (tmp_path, "this is a directory"),
        (str(tmp_path) + "/" + "x" * 5000, "the file cannot be read"),
        (loop, "the file cannot be read"),
        ("a\0b", "no file can have this name"),
        ("/dev/zero", "this is not a regular file"),
        ("/proc/self/mem", "the file cannot be read (Input/output error)"),
    ]:
        told = refusal_of(path)
        assert told.startswith(message)
        assert told.endswith("; name the catalog with --catalog FILE")


def test_a_pipe_or_a_socket_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "this is not a regular file" in refusal_of(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "this is not a regular file" in refusal_of(tmp_path / "s")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.json").touch(mode=0o200)
    assert "Permission denied" in refusal_of(tmp_path / "c.json")


def test_a_file_of_50_million_bytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    with file.open("wb") as stream:
        stream.truncate(50_000_000)
    assert refusal_of(file) == "the file has 50,000,000 bytes; a catalog has less than 50,000,000"
    file.write_bytes(GOOD)
    os.truncate(file, 49_999_999)
    with pytest.raises(CatalogError, match="U\\+0000 is no JSON white space"):
        load_catalog(file)


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_catalog_gives_a_catalog_or_its_problems_and_nothing_else(data: st.DataObject) -> None:
    text = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 6))
        text[at : at + gone] = data.draw(
            st.binary(max_size=3)
            | st.sampled_from(
                [b"{", b"}", b"[", b"]", b",", b'"', b":", b"null", b"-1", b"\\u0000", b"\\ud800", b"1e999"]
            )
        )
    try:
        found = parse_catalog(bytes(text)).warnings
    except CatalogError as error:
        found = error.problems or (Problem("", 0, 0, "an error without a problem"),)
    for problem in found:
        assert problem.line >= 1
        assert problem.column >= 1
        assert (problem.message + problem.path).isprintable()


def test_the_schema_agrees_with_the_cases_but_for_lengths_in_units() -> None:
    validator = jsonschema.Draft202012Validator(catalog_schema())
    jsonschema.Draft202012Validator.check_schema(catalog_schema())
    differing = {
        index
        for index, case in enumerate(CASES)
        if case["json"] and validator.is_valid(json.loads(case["text"])) != case["valid"]
    }
    # JSON Schema counts code points: ten emojis are too short for it.
    assert all("🙂" * 10 in CASES[index]["text"] for index in differing)


def test_a_large_catalog_is_read_in_little_memory(tmp_path: Path) -> None:
    prompt = "x" * 300
    changes = ({"email": f"p{i}@mana.test", "systemPrompt": prompt} for i in range(20_000))
    (tmp_path / "c.json").write_text(catalog_of(*changes))
    problems, mebibytes = reading_takes(tmp_path)
    assert problems == 0
    # 100,000 personas take five times that, and the whole process has to stay under 400 MiB.
    assert 5 < mebibytes < 50


def test_a_problem_carries_its_source_and_where_in_it_the_place_is() -> None:
    text = '{"personas": [\n    {"name": 7}\n]}'
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    named = next(item for item in caught.value.problems if item.path.endswith("name"))
    assert (named.line, named.column, named.excerpt, named.caret) == (2, 14, '{"name": 7}', 9)
