from __future__ import annotations

import traceback

import pytest

from personas.secret import Secret


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
