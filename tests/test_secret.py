from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.secret import MASK, Secret, masked, without_tokens


def test_a_secret_is_shown_by_reveal_alone() -> None:
    secret = Secret("hush")
    assert secret.reveal() == "hush"
    assert "hush" not in f"{secret} {secret!r} {[secret]} {secret:}"


def test_a_secret_stays_one_in_a_traceback_with_locals() -> None:
    secret = Secret("hush")
    with pytest.raises(ValueError, match="Secret") as caught:
        raise ValueError(secret)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "hush" not in "".join(trace.format())


def test_secrets_compare_by_their_text_and_an_empty_one_is_false() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")


def in_capitals(text: str) -> str:
    return re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda digits: digits[0].upper(), text)


def in_small_digits(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda digits: digits[0].lower(), text)


WAYS: dict[str, Callable[[str], str]] = {
    "bare": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with capital digits": lambda text: in_capitals(json.dumps(text)[1:-1]),
    "JSON beyond ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON beyond ASCII in JSON": lambda text: json.dumps(json.dumps(text, ensure_ascii=False)[1:-1])[1:-1],
    "a URL": quote,
    "a URL without a slash": lambda text: quote(text, safe=""),
    "a URL in small digits": lambda text: in_small_digits(quote(text, safe="")),
    "a URL as a browser writes it": lambda text: quote(text, safe="!'()*"),
    "a form": quote_plus,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "secret",
    [
        'quote"inside-it',
        "back\\slash-in-it",
        "mit-ümlaut-9",
        "with space+plus",
        "100%/slash!'(*)",
        'smile-😀-\\"ü',
    ],
)
def test_a_secret_is_hidden_in_whatever_way_it_is_written(secret: str, way: str) -> None:
    written = WAYS[way](secret)
    assert masked(f"before {written} after", [Secret(secret)]) == f"before {MASK} after"


@given(st.text(min_size=8), st.sampled_from([way for name, way in WAYS.items() if "URL" not in name]))
def test_no_secret_is_too_strange_to_be_hidden(secret: str, way: Callable[[str], str]) -> None:
    try:
        written = way(secret)
    except UnicodeEncodeError:  # half of a pair, which no form can carry
        written = secret
    assert MASK in masked(f"<{written}>", [Secret(secret)])


def test_an_innocent_text_stays_as_it_is() -> None:
    text = 'a \\ "quote" of 100 % and a+b'
    assert masked(text, [Secret("quote-of-100"), Secret("short"), Secret("")]) == text


def test_many_escapes_take_no_longer_than_their_length() -> None:
    secret = Secret("\\" * 40 + "ü")
    assert masked("\\" * 2_000_000, [secret]).replace(MASK, "").strip("\\") == ""


def test_what_looks_like_a_token_is_hidden_whether_it_is_known_or_not() -> None:
    assert without_tokens("no file 'eyJhbGciOiJFZERTQSJ9.eyJzdWIi.c2ln' here") == f"no file '{MASK}' here"
    assert without_tokens("eyJ and eye") == "eyJ and eye"
