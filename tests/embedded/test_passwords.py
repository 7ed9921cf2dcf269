from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from personas.embedded.passwords import MAX_PASSWORD, Hasher

# Made by hashPassword of the npm package better-auth, 1.7.25; its verifyPassword accepts ours likewise.
VECTOR_PASSWORD = "Pässwörter-½-ﬁ-𝟙𝟚"
VECTOR = (
    "7fd6477b6a97f22b58fcfca5be55224a:"
    "5446a9be590e001df8de036b185ed66640b95c2f1d4c73dc2df7215d6b0ea949"
    "5c7c22f39c259538a407c5efc460584554d8fda71280123e14bc1e8e4c3cfeea"
)
cheap = Hasher(cost=2)


def test_a_hash_that_better_auth_made_is_verified() -> None:
    assert Hasher().verify(VECTOR, VECTOR_PASSWORD)
    assert not Hasher().verify(VECTOR, "Passworter")


def test_the_compatible_form_of_a_password_is_the_same_password() -> None:
    assert Hasher().verify(VECTOR, "Pässwörter-1⁄2-fi-12")


def test_a_hash_is_a_hexadecimal_salt_and_a_key_of_64_bytes() -> None:
    salt, _, key = cheap.hash("password").partition(":")
    assert (len(bytes.fromhex(salt)), len(bytes.fromhex(key))) == (16, 64)


CHARACTERS = st.characters(exclude_categories=["Cs"])


def as_a_key(password: str) -> bytes:
    """What scrypt's HMAC makes of a password: a short one ends in zeros, whether they are its own or not."""
    return unicodedata.normalize("NFKC", password).encode("utf-8").ljust(64, b"\0")


# A character has two units at the most.
@given(st.text(CHARACTERS, max_size=MAX_PASSWORD // 2), st.text(CHARACTERS))
@example("", "\0")
def test_only_the_password_itself_is_right(password: str, other: str) -> None:
    same = as_a_key(password) == as_a_key(other)
    assert cheap.verify(cheap.hash(password), other) is same


def test_every_hash_has_its_own_salt() -> None:
    assert cheap.hash("password") != cheap.hash("password")


@pytest.mark.parametrize("password", ["", "password", "0" * 64])
def test_nobody_without_a_stored_hash_has_a_right_password(password: str) -> None:
    assert not cheap.verify(None, password)
