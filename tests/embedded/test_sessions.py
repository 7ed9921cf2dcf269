from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import jwt
import pytest

from personas.embedded import ServerThread
from personas.embedded.passwords import Hasher

from .conftest import Client

ADA = "ada@mana.test"


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a service with one persona, on a Monday; its time stands still until it is moved."""
    monday = dt.datetime(2026, 11, 23, 8, 28, tzinfo=dt.UTC)
    with ServerThread(scrypt_n=2, clock=lambda: monday) as server, Client(server) as client:
        assert client.create(ADA).status_code == 200
        yield client


def _move(client: Client, **time: float) -> None:
    later = client.server.service.clock() + dt.timedelta(**time)
    client.server.service.clock = lambda: later


def test_an_access_token_names_its_user_and_lasts_fifteen_minutes(client: Client) -> None:
    user = client.sign_in(ADA).json()["user"]
    token = client.get("/api/auth/token").json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims.keys() == {"sub", "email", "role", "sid", "tier", "iat", "exp", "iss", "aud"}
    assert (claims["sub"], claims["email"], claims["tier"]) == (user["id"], ADA, "founder")
    assert (claims["iss"], claims["aud"]) == (client.server.url, "mana")
    assert claims["exp"] - claims["iat"] == 15 * 60
    headers = {"authorization": f"Bearer {client.server.admin_token()}"}
    _move(client, minutes=14, seconds=59)
    assert client.get("/api/v1/admin/personas", headers=headers).status_code == 200
    _move(client, seconds=1)
    assert client.get("/api/v1/admin/personas", headers=headers).status_code == 401


def test_the_jwks_verifies_tokens(client: Client) -> None:
    key = jwt.PyJWK(client.get("/api/auth/jwks").json()["keys"][0])
    claims = jwt.decode(
        client.server.admin_token(), key, audience="mana", options={"verify_exp": False, "verify_iat": False}
    )
    assert claims["role"] == "admin"


def test_a_session_in_use_lasts_longer_and_an_unused_one_ends(client: Client) -> None:
    client.sign_in(ADA)
    first = client.get("/api/auth/get-session")
    _move(client, days=1)
    extended = client.get("/api/auth/get-session")
    assert "set-cookie" not in first.headers
    assert "Max-Age=604800" in extended.headers["set-cookie"]
    assert first.json()["session"]["expiresAt"] == "2026-11-30T08:28:00.000Z"
    assert extended.json()["session"]["expiresAt"] == "2026-12-01T08:28:00.000Z"
    _move(client, days=7)
    ended = client.get("/api/auth/get-session")
    assert ended.json() is None
    assert ended.headers["set-cookie"].startswith("mana.session_token=; Max-Age=0")
    assert client.get("/api/auth/token").status_code == 401


def test_an_address_signs_in_three_times_in_ten_seconds(client: Client) -> None:
    def sign_in(address: str) -> int:
        client.cookies.clear()
        return client.sign_in(ADA, **{"x-forwarded-for": address}).status_code

    client.sign_in(ADA)  # not through a proxy: not counted
    assert [sign_in("203.0.113.9, 10.0.0.1") for _ in range(4)] == [200, 200, 200, 429]
    answer = client.sign_in(ADA, "wrong", **{"x-forwarded-for": "203.0.113.9"})
    assert (answer.status_code, answer.headers["x-retry-after"]) == (429, "10")
    assert sign_in("203.0.113.10") == 200
    _move(client, seconds=10)
    assert sign_in("203.0.113.9") == 200


def test_origin_is_compared_with_the_base_url() -> None:
    with ServerThread(scrypt_n=2, base_url="https://auth.example.test") as server, Client(server) as client:
        client.create(ADA)
        for origin, status in (
            ("https://auth.example.test", 200),
            ("http://localhost:5173", 200),
            (server.url, 403),
            ("https://auth.example.test.evil.test", 403),
            (None, 403),
        ):
            client.sign_in(ADA)
            headers = {"origin": origin} if origin else {}
            assert client.post("/api/auth/sign-out", headers=headers).status_code == status, origin
            client.cookies.clear()


def test_long_passwords_and_emails_are_refused_unhashed(client: Client) -> None:
    marks = "a" + "\u0315\u0300" * 45_000  # the NFKC form of this takes seconds
    email = "a" * 100_000 + "@mana.test"
    assert client.sign_in(ADA, marks).status_code == 401
    assert client.sign_in(email).status_code == 400
    credentials = {"email": "new@mana.test", "password": marks, "name": "New"}
    answer = client.post("/api/auth/sign-up/email", json=credentials)
    assert answer.json()["code"] == "PASSWORD_TOO_LONG"
    answer = client.create("new@mana.test", password=marks)
    assert answer.json() == {"error": "Sign-up failed", "message": "Password too long"}
    answer = client.create(email)
    assert answer.json()["message"] == "[body.email] Invalid email address"


def test_passwords_are_hashed_as_better_auth_does() -> None:
    # Made by hashPassword of the npm package better-auth, 1.7.25.
    stored = (
        "7fd6477b6a97f22b58fcfca5be55224a:"
        "5446a9be590e001df8de036b185ed66640b95c2f1d4c73dc2df7215d6b0ea949"
        "5c7c22f39c259538a407c5efc460584554d8fda71280123e14bc1e8e4c3cfeea"
    )
    assert Hasher().verify(stored, "Pässwörter-½-ﬁ-𝟙𝟚")
    assert Hasher().verify(stored, "Pässwörter-1⁄2-fi-12")  # the same in NFKC
    assert not Hasher().verify(stored, "Passworter")
    assert not Hasher().verify(None, "Pässwörter-½-ﬁ-𝟙𝟚")
