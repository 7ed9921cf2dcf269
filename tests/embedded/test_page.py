"""The page that a browser shows."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from .client import ANNA, PASSWORD, Client, Clock
from .conftest import SERVICE_KEY

if TYPE_CHECKING:
    from personas.embedded import Embedded

NASTY = "<script>alert(1)</script>\"'&"


def _run(client: Client, user_id: str, field: str, **row: Any) -> None:
    path = f"/api/v1/internal/personas/{user_id}/{field}"
    headers = {"x-service-key": SERVICE_KEY}
    answer = client.call("POST", path, json={field: [{"tickId": "t", **row}]}, headers=headers)
    assert answer.status_code == 200, answer.text


def _from_another_machine(embedded: Embedded, cookie: str = "") -> str:
    async def run() -> str:
        transport = httpx.ASGITransport(embedded.app, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url=embedded.base_url) as client:
            return (await client.get("/", headers={"cookie": cookie} if cookie else {})).text

    return anyio.run(run)


def test_the_page_shows_personas_their_state_their_actions_and_their_feedback(
    client: Client, clock: Clock
) -> None:
    user_id = client.seed()
    client.seed("persona.bo@mana.test", name="Bo")
    _run(client, user_id, "actions", toolName="calendar.list", result="error", errorMessage="no calendar")
    _run(client, user_id, "feedback", module="calendar", rating=4)
    clock.advance(hours=3)
    answer = client.call("GET", "/")
    page = answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "2, 1 due" in page
    assert page.count('class="state due"') == page.count('class="state resting"') == 1
    for shown in (ANNA, "researcher", "calendar.list", "no calendar", "3 h ago", "never"):
        assert shown in page
    assert 'aria-label="4.0 of 5"' in page
    assert '<rect class="value" width="80.0"' in page


def test_a_fresh_service_says_what_to_do(small: Client) -> None:
    page = small.call("GET", "/").text
    assert "Nobody is signed in" in page
    assert "personas seed --auth" in page


def test_nothing_that_is_stored_becomes_markup(client: Client) -> None:
    user_id = client.seed(name=NASTY, archetype=NASTY)
    _run(client, user_id, "actions", toolName=NASTY, result="ok", errorMessage=NASTY)
    _run(client, user_id, "feedback", module=NASTY, rating=1)
    page = client.as_user(client.cookie(), "GET", "/").text
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;") == 7


def test_the_page_lets_the_browser_run_and_load_nothing(small: Client) -> None:
    answer = small.call("GET", "/")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'")
    assert not re.search(r"https?://|<script|style=|<link|<img", answer.text)


def test_somebody_signs_in_and_out_with_the_page_alone(client: Client) -> None:
    client.seed()
    origin = {"origin": client.embedded.base_url}
    form = {"email": ANNA, "password": PASSWORD}
    signed_in = client.call("POST", "/sign-in", data=form, headers=origin)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    cookie = signed_in.headers["set-cookie"].partition(";")[0]
    page = client.as_user(cookie, "GET", "/").text
    assert f'Signed in as <strong>Anna</strong> <span class="soft">{ANNA}, a persona</span>' in page
    signed_out = client.as_user(cookie, "POST", "/sign-out")
    assert (signed_out.status_code, "Max-Age=0" in signed_out.headers["set-cookie"]) == (303, True)
    assert "Nobody is signed in" in client.as_user(cookie, "GET", "/").text


def test_a_wrong_password_is_told_on_the_page(small: Client) -> None:
    small.seed()
    origin = {"origin": small.embedded.base_url}
    for form in ({"email": ANNA, "password": "wrong"}, {"email": "x", "password": "\x00"}, {}):
        answer = small.call("POST", "/sign-in", data=form, headers=origin)
        assert answer.status_code == 401
        assert '<p class="wrong" role="alert">Invalid email or password</p>' in answer.text
        assert "set-cookie" not in answer.headers


def test_another_sites_form_signs_nobody_in_or_out(small: Client) -> None:
    small.seed()
    cookie = small.cookie()
    form = {"email": ANNA, "password": PASSWORD}
    for headers in ({}, {"origin": "https://evil.example"}):
        assert small.call("POST", "/sign-in", data=form, headers=headers).status_code == 403
    evil = {"cookie": cookie, "origin": "https://evil.example"}
    assert small.call("POST", "/sign-out", headers=evil).status_code == 403
    assert "Signed in as" in small.as_user(cookie, "GET", "/").text


def test_from_another_machine_only_an_admin_sees_the_personas(small: Client) -> None:
    small.seed()
    admin = small.embedded.admin
    assert admin is not None
    assert ANNA not in _from_another_machine(small.embedded)
    page = _from_another_machine(small.embedded, small.cookie())
    assert page.count(ANNA) == 1
    assert "researcher" not in page
    page = _from_another_machine(small.embedded, small.cookie(admin.email, admin.password))
    assert "researcher" in page


def test_a_page_of_very_many_personas_stays_short(small: Client) -> None:
    from .test_load import PERSONAS_LISTED, fill

    fill(small)
    page = small.call("GET", "/").text
    assert f"{PERSONAS_LISTED:,}, {PERSONAS_LISTED:,} due; the newest 100 shown" in page
    assert len(page) < 100_000
