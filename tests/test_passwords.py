from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from personas import Secret, derive_password
from personas.passwords import DEVELOPMENT_SECRET, PasswordDeriver

storable = st.text(st.characters(exclude_categories=["Cs"]))


# Three other programs derive these; any difference locks every persona out.
@pytest.mark.parametrize(
    ("email", "secret", "password"),
    [
        ("persona.anna@mana.test", DEVELOPMENT_SECRET, "1FJ7w8KbjK5CWVa8NqfobexAFNuQKxiA"),
        ("persona.ada@mana.test", DEVELOPMENT_SECRET, "04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI"),
        ("persona.bo@mana.test", DEVELOPMENT_SECRET, "uC25VRAxTuaWwUO5QPX00bAO7j9xugzG"),
        ("persona.anna@mana.test", "geheim-äöü-🙂", "YenTRxTzAq6tqRkRHP6Gh0ULnUQ4kBIa"),
    ],
)
def test_derived_passwords_never_change(email: str, secret: str, password: str) -> None:
    assert derive_password(email, secret) == password


def test_development_secret_is_the_agreed_one() -> None:
    assert DEVELOPMENT_SECRET == "dev-persona-seed-secret-rotate-in-prod"
    assert PasswordDeriver(Secret(DEVELOPMENT_SECRET)).development
    assert not PasswordDeriver(Secret("another secret")).development


@given(storable, storable)
def test_password_is_letters_and_digits(email: str, secret: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{8,32}", derive_password(email, secret))


@pytest.mark.parametrize("email", [" persona.anna@mana.test", "persona.Anna@mana.test"])
def test_email_is_used_exactly_as_given(email: str) -> None:
    assert derive_password(email, "s") != derive_password("persona.anna@mana.test", "s")


def test_deriver_returns_the_same_password_as_a_secret() -> None:
    password = PasswordDeriver(Secret("s" * 9)).derive("persona.anna@mana.test")
    assert password.reveal() == derive_password("persona.anna@mana.test", "s" * 9)
    assert password.reveal() not in repr(password)
