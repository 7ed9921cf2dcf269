from __future__ import annotations

import time

import pytest

from personas.reconcile.changes import FieldChange, Value
from personas.report.messages import field_lines, text_diff

from .scenarios import ANNA, JONAS

_WORDS = " ".join(f"word{number}" for number in range(60))


def _diff(old: str, new: str) -> list[str]:
    return ["".join(text for text, _ in line) for line in text_diff(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("I like tea.", "I like coffee.", ["- I like [-tea-].", "+ I like {+coffee+}."]),
        ("I like tea.", "I like green tea.", ["+ I like {+green +}tea."]),
        ("I like green tea.", "I like tea.", ["- I like [-green -]tea."]),
        ("A new day, now", "A bad day, now", ["- A [-new-] day, now", "+ A {+bad+} day, now"]),
        ("a b c d e f", "a x y d e f", ["- a [-b c-] d e f", "+ a {+x y+} d e f"]),
        ("one two", "one  two", ["- one[- -]two", "+ one{+  +}two"]),
        ("one\ntwo", "one\nthree", ["- one\\n[-two-]", "+ one\\n{+three+}"]),
        ("red", "blue", ["- red", "+ blue"]),
    ],
)
def test_changed_words_are_marked(old: str, new: str, lines: list[str]) -> None:
    assert _diff(old, new) == lines


def test_distant_changes_are_lines_of_their_own() -> None:
    lines = _diff(f"{_WORDS} red {_WORDS} up {_WORDS}", f"{_WORDS} blue {_WORDS} down {_WORDS}")
    assert [line[:3] for line in lines] == ["- …", "+ …", "- …", "+ …"]
    assert all(line.endswith(" …") and len(line) < 150 for line in lines)
    assert "[-red-]" in lines[0]
    assert "{+down+}" in lines[3]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a, b. " * 800, "b, a. " * 800),
        ((ANNA.system_prompt * 90), (JONAS.system_prompt * 90)),
        ("a" * 300_000, "b" * 300_000),
        ("a." * 60_000, "b." * 60_000),
    ],
)
def test_long_texts_are_compared_quickly(old: str, new: str) -> None:
    started = time.process_time()
    lines = _diff(old, new)
    assert time.process_time() - started < 5
    assert lines
    assert sum(map(len, lines)) < 100_000


@pytest.mark.parametrize(
    ("field", "old", "new", "line"),
    [
        ("tickCadence", "daily", "hourly", "daily → hourly"),
        ("archetype", None, "solo-dev", "not set → solo-dev"),
        ("moduleMix", {"photos": 0.25}, {"photos": 0.3}, "photos 0.25 → 0.3"),
        ("moduleMix", {"mail": 1.0, "todo": 0.5}, {"todo": 0.5, "notes": 2.0}, "+notes 2, -mail"),
        ("moduleMix", None, {"todo": 0.5, "mail": 1.0}, "not set → todo 0.5, mail 1"),
        ("members", {"a@x.test": "member"}, {"a@x.test": "admin"}, "a@x.test member → admin"),
        ("members", {"a@x.test": "member"}, {"b@x.test": "admin"}, "+b@x.test admin, -a@x.test"),
        ("password", None, None, "does not match the seed secret"),
        ("moduleMix", {"a\x1b": 1.0}, {}, "-a\\x1b"),
    ],
)
def test_short_values_are_one_line(field: str, old: Value, new: Value, line: str) -> None:
    (pieces,) = field_lines(FieldChange(field=field, old=old, new=new))
    assert "".join(text for text, _ in pieces) == line
