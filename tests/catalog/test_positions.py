from __future__ import annotations

import json

import pytest

from personas.catalog.loader import parse_catalog
from personas.catalog.problems import JsonPath, Positions, json_path
from tests.making import REMOVED, make_text

DOCUMENT = {'a"]{:,': [10, {"": 11, "é\\": [[], 12]}], "🙂": {"x": {"y": "13 ]}"}}, "\n": True}
VALUES: dict[JsonPath, object] = {
    (): DOCUMENT,
    ('a"]{:,',): DOCUMENT['a"]{:,'],
    ('a"]{:,', 0): 10,
    ('a"]{:,', 1, ""): 11,
    ('a"]{:,', 1, "é\\", 1): 12,
    ("🙂", "x", "y"): "13 ]}",
    ("\n",): True,
}


@pytest.mark.parametrize("indent", [None, 1, "\t"])
def test_every_value_is_found_at_its_first_character(indent: int | str | None) -> None:
    text = "\n " + json.dumps(DOCUMENT, indent=indent, ensure_ascii=indent is None) + "\n"
    positions = Positions(text)
    for path, value in VALUES.items():
        line, column = positions.locate(path)
        rest = text.split("\n", line - 1)[-1][column - 1 :]
        assert json.JSONDecoder().raw_decode(rest)[0] == value


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (("personas", 1, "systemPrompt"), '"You are'),
        (("personas", 1, "moduleMix", "todo"), "0.5"),
        (("personas", 1, "moduleMix", "mail"), "{"),
        (("personas", 1, "tickCadence"), "{"),
        (("personas", 0), "{"),
        (("personas", 5, "name"), "["),
        (("other",), '{"description"'),
        ((), '{"description"'),
    ],
)
def test_a_missing_value_is_represented_by_its_nearest_parent(path: JsonPath, source: str) -> None:
    text = '\n \n{"description": "d",\n' + make_text({}, {"tickCadence": REMOVED})[1:]
    line, column = parse_catalog(text).locate(path)
    assert (line, column) == parse_catalog(text.replace("\n", "\r\n")).locate(path)
    assert text.split("\n")[line - 1][column - 1 :].startswith(source)


def test_paths_are_written_as_json_paths() -> None:
    assert json_path(()) == "$"
    assert json_path(("personas", 3, "email")) == "$.personas[3].email"
    assert json_path(("$schema",)) == "$.$schema"
    assert json_path(("a b", "é", "", "1a")) == '$["a b"]["é"][""]["1a"]'
    assert json_path(('q"\n\x1b\ud800',)) == '$["q\\"\\n\\u001b\\ud800"]'
