from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.report.diffs import Line, text_diff

from .strategies import foreign_texts


def marked(lines: list[Line]) -> list[str]:
    """A diff as short text: changed words between brackets."""
    starts = {"same": "  ", "old": "- ", "new": "+ "}
    return [
        line.left_out
        or starts[line.kind] + "".join(f"[{text}]" if changed else text for text, changed in line.parts)
        for line in lines
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a b c.", "a b c.", []),
        ("One. Two. Three.", "One. Zwei. Three.", ["  One.", "- Two.", "+ Zwei.", "  Three."]),
        (
            "I am 34 and run. I swim.",
            "I am 35 and run. I swim.",
            ["- I am [34] and run.", "+ I am [35] and run.", "  I swim."],
        ),
        ("A cat sits here.", "A fat cat sits here.", ["- A cat sits here.", "+ A[ fat] cat sits here."]),
        ("I run far.", "I run far. You go.", ["- I run far.", "+ I run far.[·]", "+ You go."]),
        (
            "I run far. You go.",
            "I run far.\nYou go.",
            ["- I run far.[·]", "+ I run far.[⏎]", "  You go."],
        ),
        ("I run  far away.", "I run far away.", ["- I run[··]far away.", "+ I run[·]far away."]),
        ("1. 2. 3. 4. 5. 6.", "1. 2. 3. 4. 5. 7.", ["… 4 unchanged", "  5.", "- 6.", "+ 7."]),
        ("", "New.", ["+ New."]),
        ("Old.", "", ["- Old."]),
    ],
)
def test_texts_are_compared_by_sentences_and_words(old: str, new: str, expected: list[str]) -> None:
    assert marked(text_diff(old, new)) == expected


def test_lines_with_hardly_a_word_in_common_are_not_marked() -> None:
    (old, new) = text_diff("You paint in the morning.", "Du schläfst bis zum Mittag!")
    assert not any(changed for _, changed in (*old.parts, *new.parts))


def test_a_long_diff_is_cut_and_says_how_much_is_missing() -> None:
    lines = text_diff(
        "\n".join(f"old {n}" for n in range(50)), "\n".join(f"new {n}" for n in range(50)), most=10
    )
    assert len(lines) == 11
    assert lines[-1].left_out == "… 90 more not shown"


def test_very_long_texts_are_compared_around_their_difference() -> None:
    shared = "The same sentence again and again. " * 50_000
    lines = text_diff(f"{shared}He is 34. {shared}", f"{shared}He is 35. {shared}")
    assert "- He is [34]." in marked(lines)
    assert "+ He is [35]." in marked(lines)


@given(foreign_texts, foreign_texts)
def test_a_diff_is_empty_only_for_equal_texts_and_has_no_invisible_characters(old: str, new: str) -> None:
    lines = text_diff(old, new)
    assert bool(lines) == (old != new)
    for line in lines:
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line.text)


@given(st.text("ab. \n", max_size=60), st.text("ab. \n", max_size=60))
def test_the_new_lines_and_the_same_lines_are_the_new_text(old: str, new: str) -> None:
    lines = text_diff(old, new, context=100, most=1_000)
    told = "".join(line.text for line in lines if line.kind in {"same", "new"})
    if old != new:
        assert [c for c in told if c in "ab."] == [c for c in new if c in "ab."]
