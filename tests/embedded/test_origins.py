"""Front ends that a browser lets in, and foreign pages that neither use a cookie nor get one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from conftest import as_new

from personas.embedded import schema, serving

from .client import ANNA, PASSWORD, PERSONAS, SIGN_IN, SIGN_UP, Client

if TYPE_CHECKING:
    from personas.embedded import Embedded

FRONT_END = "http://localhost:5173"
EVIL = "https://evil.example"
CREDENTIALS = {"email": ANNA, "password": PASSWORD}
ALLOWS = "access-control-allow-"


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


def test_another_front_end_can_be_named(standing_sqlite: Embedded) -> None:
    own = "http://localhost:4321"
    client = Client(as_new(standing_sqlite, allow_origins=(own,)))
    client.seed()
    for origin, status, allowed in ((own, 200, own), (FRONT_END, 403, None)):
        health = client.call("GET", "/health", headers={"origin": origin})
        assert health.headers.get(ALLOWS + "origin") == allowed
        out = client.as_user(client.cookie(), "POST", "/api/auth/sign-out", headers={"origin": origin})
        assert out.status_code == status


def test_a_page_that_only_looks_like_one_of_ours_cannot_act_with_the_cookie(small: Client) -> None:
    small.seed()
    cookie = small.cookie()
    for origin in ("http://embedded.localhost.evil.example", "http://[", "ftp://embedded.localhost", ""):
        out = small.as_user(cookie, "POST", "/api/auth/sign-out", headers={"origin": origin})
        assert out.status_code == 403
    assert len(small.rows(schema.sessions)) == 1


def _from_a_page(origin: str, site: str, mode: str) -> dict[str, str]:
    """What a browser adds to what a page sends."""
    return {"origin": origin, "sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": "empty"}


def test_a_foreign_page_signs_nobody_in_on_any_path(small: Client) -> None:
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
    small.seed()
    with serving(small.embedded) as url, httpx.Client(base_url=url) as browser:
        for path, options, headers in evil:
            answer = browser.post(path, **{**options, "headers": {**options.get("headers", {}), **headers}})
            assert answer.status_code in (403, 415), (path, options, headers)
            assert "set-cookie" not in answer.headers
        assert small.rows(schema.sessions) == []
        own = browser.post(SIGN_IN, data=CREDENTIALS, headers=_from_a_page(url, "same-origin", "navigate"))
        assert (own.status_code, "set-cookie" in own.headers) == (200, True)


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
