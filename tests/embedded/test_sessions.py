from __future__ import annotations

import datetime as dt

import jwt

from personas.embedded.passwords import Hasher

from .conftest import ANNA, BASE_URL, Calls


def test_an_access_token_names_its_user_and_lasts_fifteen_minutes(calls: Calls) -> None:
    user = calls.sign_in(ANNA).json()["user"]
    token = calls.get("/api/auth/token").json()["token"]
    key = jwt.PyJWK(calls.get("/api/auth/jwks").json()["keys"][0])
    # The clock of the service stands still.
    claims = jwt.decode(token, key, audience="mana", options={"verify_exp": False, "verify_iat": False})
    assert claims.keys() == {"sub", "email", "role", "sid", "tier", "iat", "exp", "iss", "aud"}
    assert (claims["sub"], claims["email"], claims["tier"]) == (user["id"], ANNA, "founder")
    assert (claims["iss"], claims["aud"]) == (BASE_URL, "mana")
    assert claims["exp"] - claims["iat"] == 15 * 60
    headers = {"authorization": f"Bearer {calls.service.admin_token()}"}
    calls.now += dt.timedelta(minutes=14, seconds=59)
    assert calls.get("/api/v1/admin/personas", headers=headers).status_code == 200
    calls.now += dt.timedelta(seconds=1)
    assert calls.get("/api/v1/admin/personas", headers=headers).status_code == 401


def test_a_session_in_use_lasts_longer_and_an_unused_one_ends(calls: Calls) -> None:
    calls.sign_in(ANNA)
    first = calls.get("/api/auth/get-session")
    calls.now += dt.timedelta(days=1)
    extended = calls.get("/api/auth/get-session")
    assert "set-cookie" not in first.headers
    assert "Max-Age=604800" in extended.headers["set-cookie"]
    assert first.json()["session"]["expiresAt"] == "2026-11-30T09:00:00.000Z"
    assert extended.json()["session"]["expiresAt"] == "2026-12-01T09:00:00.000Z"
    calls.now += dt.timedelta(days=7)
    ended = calls.get("/api/auth/get-session")
    assert ended.json() is None
    assert ended.headers["set-cookie"].startswith("mana.session_token=; Max-Age=0")
    assert calls.get("/api/auth/token").status_code == 401


def test_an_address_signs_in_three_times_in_ten_seconds(calls: Calls) -> None:
    def sign_in(address: str) -> int:
        calls.cookies.clear()
        return calls.sign_in(ANNA, **{"x-forwarded-for": address}).status_code

    calls.sign_in(ANNA)  # not through a proxy: not counted
    assert [sign_in("203.0.113.9, 10.0.0.1") for _ in range(4)] == [200, 200, 200, 429]
    answer = calls.sign_in(ANNA, "wrong", **{"x-forwarded-for": "203.0.113.9"})
    assert (answer.status_code, answer.headers["x-retry-after"]) == (429, "10")
    assert sign_in("203.0.113.10") == 200
    calls.now += dt.timedelta(seconds=10)
    assert sign_in("203.0.113.9") == 200


def test_origin_is_compared_with_the_base_url(calls: Calls) -> None:
    calls.service.base_url = "https://auth.example.test"
    for origin, status in (
        ("https://auth.example.test", 200),
        (BASE_URL, 403),
        ("https://auth.example.test.evil.test", 403),
    ):
        calls.sign_in(ANNA)
        assert calls.post("/api/auth/sign-out", headers={"origin": origin}).status_code == status
        calls.cookies.clear()


def test_long_passwords_and_emails_are_refused_unhashed(calls: Calls) -> None:
    marks = "a" + "\u0315\u0300" * 45_000  # the NFKC form of this takes seconds
    email = "a" * 100_000 + "@mana.test"
    assert calls.sign_in(ANNA, marks).status_code == 401
    assert calls.sign_in(email).status_code == 400
    credentials = {"email": "new@mana.test", "password": marks, "name": "New"}
    answer = calls.post("/api/auth/sign-up/email", json=credentials)
    assert answer.json()["code"] == "PASSWORD_TOO_LONG"
    answer = calls.create("new@mana.test", password=marks)
    assert answer.json() == {"error": "Sign-up failed", "message": "Password too long"}
    answer = calls.create(email)
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
