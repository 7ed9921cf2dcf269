"""Front ends that a browser lets in, and foreign pages that neither use a cookie nor get one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from personas.embedded import Embedded, schema, serving

from .client import ANNA, PASSWORD, PERSONAS, Client

if TYPE_CHECKING:
    from pathlib import Path

FRONT_END = "http://localhost:5173"
EVIL = "https://evil.example"
CREDENTIALS = {"email": ANNA, "password": PASSWORD}
SIGN_IN, SIGN_UP = "/api/auth/sign-in/email", "/api/auth/sign-up/email"
ALLOWS = "access-control-allow-"


def test_a_preflight_lets_the_front_end_send_what_it_needs(small: Client) -> None:
    asked = {"origin": FRONT_END, "access-control-request-method": "POST"}
    for path in (PERSONAS, SIGN_IN, "/nowhere"):
        answer = small.call("OPTIONS", path, headers=asked)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers[ALLOWS + "origin"] == FRONT_END
        assert answer.headers[ALLOWS + "methods"] == "GET,HEAD,PUT,POST,DELETE,PATCH"
        assert "Authorization" in answer.headers[ALLOWS + "headers"]


def test_a_preflight_gives_a_foreign_page_nothing(small: Client) -> None:
    for origin in (EVIL, "null", FRONT_END + ".evil.example", "http://localhost:5174"):
        answer = small.call("OPTIONS", SIGN_IN, headers={"origin": origin})
        assert ALLOWS + "origin" not in answer.headers


@pytest.mark.parametrize("path", ["/health", PERSONAS, "/nowhere", "/api/auth/nowhere"])
def test_every_answer_may_be_read_by_the_front_end_and_varies_by_origin(small: Client, path: str) -> None:
    answer = small.call("GET", path, headers={"origin": FRONT_END})
    assert answer.headers[ALLOWS + "origin"] == FRONT_END
    assert answer.headers[ALLOWS + "credentials"] == "true"
    assert answer.headers["vary"] == "Origin"
    assert ALLOWS + "origin" not in small.call("GET", path, headers={"origin": EVIL}).headers


def test_another_front_end_can_be_named(tmp_path: Path) -> None:
    own = "http://localhost:4321"
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2, allow_origins=[own]) as embedded:
        client = Client(embedded)
        client.seed()
        assert client.call("GET", "/health", headers={"origin": own}).headers[ALLOWS + "origin"] == own
        assert ALLOWS + "origin" not in client.call("GET", "/health", headers={"origin": FRONT_END}).headers
        out = "/api/auth/sign-out"
        assert client.as_user(client.cookie(), "POST", out, headers={"origin": own}).status_code == 200
        assert client.as_user(client.cookie(), "POST", out, headers={"origin": FRONT_END}).status_code == 403


def _from_a_page(origin: str, site: str, mode: str) -> dict[str, str]:
    """What a browser adds to what a page sends."""
    return {"origin": origin, "sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": "empty"}


def test_a_foreign_page_signs_nobody_in_on_any_path(tmp_path: Path) -> None:
    evil: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    for path in (SIGN_IN, "/sign-in", SIGN_UP):
        for fields in ({"data": CREDENTIALS}, {"content": "{}", "headers": {"content-type": "text/plain"}}):
            evil += [
                (path, fields, {"origin": EVIL}),
                (path, fields, {"origin": "null"}),
                (path, fields, _from_a_page(EVIL, "cross-site", "navigate")),
                (path, fields, _from_a_page("null", "cross-site", "no-cors")),
            ]
        evil.append((path, {"json": CREDENTIALS}, _from_a_page(EVIL, "cross-site", "cors")))
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as embedded, serving(embedded) as url:
        Client(embedded).seed()
        with httpx.Client(base_url=url) as browser:
            for path, options, headers in evil:
                given = {**options.get("headers", {}), **headers}
                answer = browser.post(path, **{**options, "headers": given})
                assert answer.status_code in (403, 415), (path, options, headers)
                assert "set-cookie" not in answer.headers
            assert Client(embedded).rows(schema.sessions) == []
            own = browser.post(
                SIGN_IN, data=CREDENTIALS, headers=_from_a_page(url, "same-origin", "navigate")
            )
            assert (own.status_code, "set-cookie" in own.headers) == (200, True)


def test_a_program_without_an_origin_signs_in_as_before(small: Client) -> None:
    small.seed()
    assert small.sign_in().status_code == 200
    assert small.call("POST", SIGN_IN, data=CREDENTIALS).status_code == 200


def test_whoever_has_a_cookie_already_is_signed_in_anew_by_a_trusted_page_alone(small: Client) -> None:
    small.seed()
    cookie = small.cookie()
    for origin, status in ((FRONT_END, 200), (EVIL, 403), ("null", 403), ("", 403)):
        headers = {"cookie": cookie, "origin": origin}
        assert small.sign_in(headers=headers).status_code == status, origin


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example",
        "/\\evil.example",
        "/%2fevil.example",
        "https://evil.example/x",
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_to_a_foreign_page(small: Client, url: str) -> None:
    small.seed()
    for path in (SIGN_IN, SIGN_UP):
        answer = small.call("POST", path, json={**CREDENTIALS, "name": "X", "callbackURL": url})
        assert (answer.status_code, answer.json()["code"]) == (403, "INVALID_CALLBACK_URL")
    inside = small.call("POST", SIGN_IN, json={**CREDENTIALS, "callbackURL": f"{FRONT_END}/home?x=1"})
    assert inside.headers["location"] == f"{FRONT_END}/home?x=1"
