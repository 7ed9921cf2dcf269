"""Sessions that are extended, forgotten and taken away, and the tokens that are had for them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from personas.embedded import schema

from .client import ANNA, PASSWORD, Client, Clock

if TYPE_CHECKING:
    import httpx

SESSION = "/api/auth/get-session"
V1 = "/api/v1/auth"


def _days_left(client: Client, clock: Clock) -> float:
    (row,) = client.rows(schema.sessions)
    left: dt.timedelta = row["expires_at"] - clock()
    return left / dt.timedelta(days=1)


def _names(answer: httpx.Response) -> list[str]:
    return [value.partition("=")[0] for value in answer.headers.get_list("set-cookie")]


@pytest.mark.parametrize("path", [SESSION, f"{V1}/session"])
def test_a_session_that_is_a_day_old_lasts_a_week_again(client: Client, clock: Clock, path: str) -> None:
    client.seed()
    cookie = client.cookie()
    clock.advance(hours=23, minutes=59)
    early = client.as_user(cookie, "GET", path)
    assert (_names(early), round(_days_left(client, clock))) == ([], 6)
    clock.advance(minutes=1)
    late = client.as_user(cookie, "GET", path)
    assert (_names(late), _days_left(client, clock)) == (["mana.session_token"], 7)
    assert late.json()["session"]["expiresAt"] == "2026-12-01T12:00:00.000Z"
    assert late.headers["set-cookie"].partition(";")[0] == cookie
    assert "Max-Age=604800" in late.headers["set-cookie"]


def test_a_session_that_is_not_to_be_remembered_lasts_a_day_and_is_never_extended(
    client: Client, clock: Clock
) -> None:
    client.seed()
    body = {"email": ANNA, "password": PASSWORD, "rememberMe": False}
    answer = client.call("POST", "/api/auth/sign-in/email", json=body)
    assert _names(answer) == ["mana.dont_remember", "mana.session_token"]
    assert "Max-Age" not in answer.headers["set-cookie"]
    cookies = "; ".join(value.partition(";")[0] for value in answer.headers.get_list("set-cookie"))
    assert _days_left(client, clock) == 1
    shown = client.as_user(cookies, "GET", SESSION)
    assert (_names(shown), _days_left(client, clock)) == ([], 1)
    forged = cookies.replace("dont_remember=true.", "dont_remember=true.x")
    assert _names(client.as_user(forged, "GET", SESSION)) == ["mana.session_token"]
    clock.advance(days=7)
    assert client.as_user(cookies, "GET", SESSION).json() is None


def test_whose_session_is_over_loses_the_cookies(client: Client, clock: Clock) -> None:
    client.seed()
    cookie = client.cookie()
    clock.advance(days=8)
    answer = client.as_user(cookie, "GET", SESSION)
    assert answer.json() is None
    assert _names(answer) == ["mana.session_token", "mana.session_data", "mana.dont_remember"]
    assert _names(client.as_user("mana.session_token=nonsense", "GET", SESSION)) == []


@pytest.mark.parametrize("path", [f"{V1}/session-to-token", f"{V1}/refresh"])
def test_tokens_are_had_for_a_session(client: Client, path: str) -> None:
    user_id = client.seed()
    cookie = client.cookie()
    answer = client.as_user(cookie, "POST", path).json()
    assert answer["refreshToken"] == client.rows(schema.sessions)[0]["token"]
    assert jwt.decode(answer["accessToken"], options={"verify_signature": False})["sub"] == user_id
    refused = client.call("POST", path)
    assert (refused.status_code, set(refused.json())) == (401, {"error"})


def test_a_logout_ends_the_session(client: Client) -> None:
    client.seed()
    cookie = client.cookie()
    foreign = client.as_user(cookie, "POST", f"{V1}/logout", headers={"origin": "https://evil.example"})
    assert (foreign.status_code, len(client.rows(schema.sessions))) == (403, 1)
    answer = client.as_user(cookie, "POST", f"{V1}/logout")
    assert (answer.json(), client.rows(schema.sessions)) == ({"success": True}, [])
    assert _names(answer) == ["mana.session_token", "mana.session_data", "mana.dont_remember"]


def test_a_token_is_validated_until_it_ends(client: Client, clock: Clock) -> None:
    user_id = client.seed()
    token = client.login().json()["accessToken"]

    def validate(token: Any) -> httpx.Response:
        return client.call("POST", f"{V1}/validate", json={"token": token})

    valid = validate(token)
    assert (valid.status_code, valid.json()["valid"], valid.json()["payload"]["sub"]) == (200, True, user_id)
    for nothing in (None, "", 0):
        assert (validate(nothing).status_code, validate(nothing).json()) == (400, {"valid": False})
    for wrong in ("x.y.z", ["x"], token[:-4], "x" * 1_000_000):
        assert (validate(wrong).status_code, validate(wrong).json()) == (401, {"valid": False})
    clock.advance(minutes=15)
    assert validate(token).status_code == 401


def test_the_keys_are_at_both_paths(small: Client) -> None:
    assert small.call("GET", f"{V1}/jwks").json() == small.call("GET", "/api/auth/jwks").json()
