from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.catalog.wording import JsonPath, json_path, quote


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


@pytest.mark.parametrize(
    ("length", "shown"), [(60, '"' + "x" * 60 + '"'), (61, '"' + "x" * 59 + '…"'), (0, '""')]
)
def test_a_text_of_more_than_60_characters_is_shortened(length: int, shown: str) -> None:
    assert quote("x" * length) == shown
