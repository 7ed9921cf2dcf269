from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus

import pytest

from personas.redact import MASK, Secret, redact

TEXT = 'pass "word"/ü+% \\ end'


@pytest.mark.parametrize(
    "form",
    [
        TEXT,
        json.dumps(TEXT),
        json.dumps(TEXT, ensure_ascii=False),
        json.dumps(json.dumps(TEXT)),
        quote(TEXT),
        quote(TEXT, safe=""),
        quote(TEXT, safe="").lower(),
        quote_plus(TEXT),
    ],
)
def test_secret_is_masked_in_every_escaped_form(form: str) -> None:
    secret = Secret(TEXT)
    masked = redact(f"before {form} after")
    assert re.fullmatch(r'before [\\"]*' + re.escape(MASK) + r'[\\"]* after', masked)
    assert secret.reveal() == TEXT


def test_anything_like_a_jwt_is_masked() -> None:
    assert redact("token eyJhbGciOi.eyJzdWIi.c2ln, end") == f"token {MASK}, end"


def test_equal_secrets_stay_masked_while_one_lives() -> None:
    first, second = Secret("the same text"), Secret("the same text")
    del first
    assert redact("the same text") == MASK
    assert second == Secret("the same text")


def test_secret_shows_in_no_repr() -> None:
    secret = Secret("hidden text")
    assert "hidden text" not in f"{secret} {secret!r}"


def test_short_secrets_leave_words_alone() -> None:
    secret = Secret("is")
    assert redact("this is text") == "this is text"
    assert secret.reveal() == "is"
