"""Sessions that are extended, forgotten and taken away, and the tokens that are had for them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from personas.embedded import schema

from .client import ANNA, PASSWORD, SIGN_IN, Client, Clock

if TYPE_CHECKING:
    import httpx

SESSION = "/api/auth/get-session"
V1 = "/api/v1/auth"
COOKIES = ["mana.session_token", "mana.session_data", "mana.dont_remember"]


def _days_left(client: Client, clock: Clock) -> float:
    (row,) = client.rows(schema.sessions)
    left: dt.timedelta = row["expires_at"] - clock()
    return left / dt.timedelta(days=1)


def _names(answer: httpx.Response) -> list[str]:
    return [value.partition("=")[0] for value in answer.headers.get_list("set-cookie")]


@pytest.mark.parametrize("path", [SESSION, f"{V1}/session"])
def test_a_session_that_is_a_day_old_lasts_a_week_again(small: Client, clock: Clock, path: str) -> None:
    small.seed()
    cookie = small.cookie()
    clock.advance(hours=23, minutes=59)
    early = small.as_user(cookie, "GET", path)
    assert (_names(early), round(_days_left(small, clock))) == ([], 6)
    clock.advance(minutes=1)
    late = small.as_user(cookie, "GET", path)
    assert (_names(late), _days_left(small, clock)) == (["mana.session_token"], 7)
    assert late.json()["session"]["expiresAt"] == "2026-12-01T12:00:00.000Z"
    assert late.headers["set-cookie"].partition(";")[0] == cookie
    assert "Max-Age=604800" in late.headers["set-cookie"]


def test_a_session_not_to_be_remembered_lasts_a_day_and_is_never_extended(
    small: Client, clock: Clock
) -> None:
    small.seed()
    body = {"email": ANNA, "password": PASSWORD, "rememberMe": False}
    answer = small.call("POST", SIGN_IN, json=body)
    assert _names(answer) == ["mana.dont_remember", "mana.session_token"]
    cookies = "; ".join(value.partition(";")[0] for value in answer.headers.get_list("set-cookie"))
    assert _days_left(small, clock) == 1
    shown = small.as_user(cookies, "GET", SESSION)
    assert (_names(shown), _days_left(small, clock)) == ([], 1)
    forged = cookies.replace("dont_remember=true.", "dont_remember=true.x")
    assert _names(small.as_user(forged, "GET", SESSION)) == ["mana.session_token"]
    clock.advance(days=7)
    assert small.as_user(cookies, "GET", SESSION).json() is None


def test_a_session_ends_after_seven_days_and_takes_the_cookies_along(client: Client, clock: Clock) -> None:
    client.seed()
    cookie = client.cookie()
    clock.advance(days=6, hours=23)
    assert client.as_user(cookie, "GET", "/api/auth/token").status_code == 200
    clock.advance(hours=1)
    assert client.as_user(cookie, "GET", "/api/auth/token").status_code == 401
    over = client.as_user(cookie, "GET", SESSION)
    assert (over.json(), _names(over)) == (None, COOKIES)
    assert _names(client.as_user("mana.session_token=nonsense", "GET", SESSION)) == []
    client.cookie()
    assert len(client.rows(schema.sessions)) == 1  # the one that is over is gone


@pytest.mark.parametrize("path", [f"{V1}/session-to-token", f"{V1}/refresh"])
def test_tokens_are_had_for_a_session(small: Client, path: str) -> None:
    user_id = small.seed()
    answer = small.as_user(small.cookie(), "POST", path).json()
    assert answer["refreshToken"] == small.rows(schema.sessions)[0]["token"]
    assert jwt.decode(answer["accessToken"], options={"verify_signature": False})["sub"] == user_id
    refused = small.call("POST", path)
    assert (refused.status_code, set(refused.json())) == (401, {"error"})


def test_a_logout_ends_the_session(small: Client) -> None:
    small.seed()
    cookie = small.cookie()
    foreign = small.as_user(cookie, "POST", f"{V1}/logout", headers={"origin": "https://evil.example"})
    assert (foreign.status_code, len(small.rows(schema.sessions))) == (403, 1)
    answer = small.as_user(cookie, "POST", f"{V1}/logout")
    assert (answer.json(), small.rows(schema.sessions)) == ({"success": True}, [])
    assert _names(answer) == COOKIES


def test_a_token_is_validated_until_it_ends(small: Client, clock: Clock) -> None:
    user_id = small.seed()
    token = small.login().json()["accessToken"]

    def validate(token: Any) -> tuple[int, Any]:
        answer = small.call("POST", f"{V1}/validate", json={"token": token})
        return answer.status_code, answer.json()

    status, told = validate(token)
    assert (status, told["valid"], told["payload"]["sub"]) == (200, True, user_id)
    for nothing in (None, "", 0):
        assert validate(nothing) == (400, {"valid": False})
    for wrong in ("x.y.z", ["x"], token[:-4], "x" * 1_000_000):
        assert validate(wrong) == (401, {"valid": False})
    clock.advance(minutes=15)
    assert validate(token) == (401, {"valid": False})
