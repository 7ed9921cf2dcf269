from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.errors import Refused, UsageError
from personas.passwords import DEVELOPMENT_SECRET, check_secret, derive_password

# What the other programs derive; a change here locks every persona out.
VECTORS = [
    ("persona.anna@mana.test", DEVELOPMENT_SECRET, "1FJ7w8KbjK5CWVa8NqfobexAFNuQKxiA"),
    ("persona.ada@mana.test", DEVELOPMENT_SECRET, "04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI"),
    ("persona.bo@mana.test", DEVELOPMENT_SECRET, "uC25VRAxTuaWwUO5QPX00bAO7j9xugzG"),
]

storable = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(("email", "secret", "password"), VECTORS)
def test_passwords_are_those_that_the_other_programs_derive(email: str, secret: str, password: str) -> None:
    assert derive_password(email, secret) == password


def test_the_development_secret_is_the_agreed_one() -> None:
    assert DEVELOPMENT_SECRET == "dev-persona-seed-secret-rotate-in-prod"


@given(storable, storable)
def test_a_password_has_at_most_32_letters_and_digits_and_suits_the_service(email: str, secret: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{8,32}", derive_password(email, secret))


@pytest.mark.parametrize(
    "other", [" persona.anna@mana.test", "persona.Anna@mana.test", "persona.anna@mana.test "]
)
def test_the_email_is_used_exactly_as_given(other: str) -> None:
    assert derive_password(other, "s") != derive_password("persona.anna@mana.test", "s")


@given(storable, storable, storable)
def test_another_secret_gives_another_password(email: str, one: str, two: str) -> None:
    # HMAC pads a short key with zeros, so keys that differ in trailing zeros only are one key.
    same = one.rstrip("\0") == two.rstrip("\0")
    assert same or derive_password(email, one) != derive_password(email, two)


def test_a_secret_outside_ascii_is_used_as_utf8() -> None:
    assert derive_password("persona.anna@mana.test", "geheim-äöü-🙂") == "YenTRxTzAq6tqRkRHP6Gh0ULnUQ4kBIa"


@pytest.mark.parametrize(
    ("email", "secret"), [("persona.anna@mana.test", "top-\udcff-secret"), ("\ud800", "s")]
)
def test_what_is_no_utf8_is_refused_without_quoting_it(email: str, secret: str) -> None:
    with pytest.raises(UsageError) as caught:
        derive_password(email, secret)
    assert "is not valid UTF-8" in caught.value.message
    assert "top" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("given_secret", [None, "", DEVELOPMENT_SECRET])
def test_on_loopback_the_development_secret_is_the_default(given_secret: str | None) -> None:
    assert check_secret(given_secret, loopback=True, production=False) == DEVELOPMENT_SECRET


@pytest.mark.parametrize("given_secret", [None, "", DEVELOPMENT_SECRET])
@pytest.mark.parametrize(("loopback", "production"), [(False, False), (False, True), (True, True)])
def test_the_development_secret_is_refused_elsewhere_and_under_production(
    given_secret: str | None, loopback: bool, production: bool
) -> None:
    with pytest.raises(Refused) as caught:
        check_secret(given_secret, loopback=loopback, production=production)
    assert ("production" in caught.value.message) == production
    assert "PERSONA_SEED_SECRET" in caught.value.hint
    assert DEVELOPMENT_SECRET not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("loopback", "production"), [(False, False), (False, True), (True, True), (True, False)]
)
def test_any_other_secret_is_used_as_given(loopback: bool, production: bool) -> None:
    assert check_secret(" mine ", loopback=loopback, production=production) == " mine "


def test_a_secret_that_is_no_utf8_is_refused_when_it_is_chosen() -> None:
    with pytest.raises(UsageError):
        check_secret("\udcff", loopback=True, production=False)
