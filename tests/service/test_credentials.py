from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import make_jwt

from personas.errors import CredentialsRefused
from personas.secret import Secret
from personas.service.credentials import Credentials, check_token, read_claims

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def token(**claims: object) -> Secret:
    return Secret(make_jwt(**{"exp": (NOW + timedelta(minutes=15)).timestamp(), **claims}))


def refusal(secret: Secret) -> CredentialsRefused:
    with pytest.raises(CredentialsRefused) as caught:
        check_token(secret, NOW)
    assert secret.reveal() not in caught.value.message + caught.value.hint
    return caught.value


def test_an_admins_token_tells_its_end_and_its_owner() -> None:
    claims = check_token(token(email="admin@example.com"), NOW)
    assert (claims.role, claims.email) == ("admin", "admin@example.com")
    assert claims.expires_at == NOW + timedelta(minutes=15)
    assert check_token(token(email=["admin@example.com"]), NOW).email is None


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7200, "2 hours ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_an_expired_token_is_told_with_its_age(age: int, text: str) -> None:
    error = refusal(token(exp=(NOW - timedelta(seconds=age)).timestamp()))
    assert f"expired {text}" in error.message
    assert "personas token" in error.hint


@pytest.mark.parametrize("role", ["user", "Admin", "", ["admin"], None])
def test_a_token_of_somebody_else_is_told(role: object) -> None:
    assert "not an admin's" in refusal(token(role=role)).message


def test_a_long_role_is_not_shown_whole() -> None:
    assert len(refusal(token(role="x" * 10_000)).message) < 200


@pytest.mark.parametrize("exp", [None, "soon", 1e300, float("nan"), -(10**30)])
def test_a_token_without_a_known_end_is_left_to_the_service(exp: object) -> None:
    assert check_token(token(exp=exp), NOW).expires_at is None


def _part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "..",
        "a.b.c",
        "a.b",
        make_jwt() + ".more",
        make_jwt().replace(".", "\x00.", 1),
        make_jwt() + "\x7f",
        f"{_part('{}')}.{_part('[]')}.sig",
        f"{_part('[]')}.{_part('{}')}.sig",
        f"{_part('{}')}.{_part('[' * 100_000)}.sig",
        f"{_part('{}')}.{_part('1' * 10_000)}.sig",
        f"{_part('{}')}.{_part('null')}.sig",
    ],
)
def test_what_is_no_jwt_is_told_so(text: str) -> None:
    assert refusal(Secret(text)).message == "the admin token is not a JWT"


@given(st.text())
def test_any_text_is_either_claims_or_a_refusal(text: str) -> None:
    with contextlib.suppress(CredentialsRefused):
        assert read_claims(Secret(text)).role != "superuser"


def test_credentials_are_a_token_or_a_source_or_both_halves_of_a_sign_in() -> None:
    assert not Credentials()
    assert not Credentials(email="admin@example.com")
    assert not Credentials(password=Secret("p"))
    assert Credentials(token=Secret("t"))
    assert Credentials(mint=lambda: "t")
    assert Credentials(email="admin@example.com", password=Secret("p"))
