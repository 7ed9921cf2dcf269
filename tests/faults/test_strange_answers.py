"""Answers that no good service gives, and texts that try to act on what shows them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from personas.embedded import schema

from .conftest import BY_PASSWORD, ENDPOINT, TEAM, World
from .proxy import Answer, Edit, Request, every

ANNA, BO = "persona.anna@mana.test", "persona.bo@mana.test"
SIGN_IN = "/api/auth/sign-in/email"


@pytest.mark.parametrize("status", [301, 302, 307])
@pytest.mark.parametrize("command", [("list",), ("seed",), ("login", "anna"), ("token",)])
def test_redirects_are_not_followed(world: World, status: int, command: tuple[str, ...]) -> None:
    world.catalog("anna")
    away = Answer(status, "Moved", (("location", f"{world.proxy.url}/elsewhere?secret=1"),))
    done = world.run(*command, script=every(away), **(BY_PASSWORD if command == ("token",) else {}))
    assert done.code == 4
    assert f"the service redirects (HTTP {status}), and redirects are not followed." in done.all
    assert "Give the final address with --auth" in done.all
    assert world.proxy.count("GET", "/elsewhere") + world.proxy.count("POST", "/elsewhere") == 0


JSON, PACKED = ("content-type", "application/json"), ("content-encoding", "gzip")
BAD_LISTS: Mapping[str, Answer] = {
    "list": Answer(200, []),
    "object in place of a list": Answer(200, {"personas": {}}),
    "empty persona": Answer(200, {"personas": [{}]}),
    "id is a number": Answer(200, {"personas": [{"userId": 5, "email": ANNA}]}),
    "null": Answer(200, b"null", (JSON,)),
    "nothing": Answer(200, b"", (JSON,)),
    "broken": Answer(200, b'{"personas": [', (JSON,)),
    "not UTF-8": Answer(200, b"\xff\xfe\x00", (JSON,)),
    "deep": Answer(200, b"[" * 100_000, (JSON,)),
    "broken gzip": Answer(200, b"not compressed", (JSON, PACKED)),
    "201": Answer(201, {"personas": []}),
    "418": Answer(418, {"error": {"code": 1}, "message": ["a", 2]}),
    "500": Answer(500, b"<h1>oops</h1>"),
    "huge": Answer(200, b"[" + b" " * 17 * 2**20 + b"]", (JSON,)),
    "huge when unpacked": Answer(200, gzip.compress(b" " * 17 * 2**20, 1), (JSON, PACKED)),
}


@pytest.mark.parametrize("kind", BAD_LISTS)
def test_list_of_another_shape_ends_the_run_with_one_error(world: World, kind: str) -> None:
    world.catalog("anna")
    done = world.run("seed", script=every(BAD_LISTS[kind], path=ENDPOINT))
    assert done.code == 4, done.all
    assert done.err.startswith("Error: listing the personas: ")
    assert len(done.err) < 500
    assert len(world.proxy.requests) == 1


@pytest.mark.parametrize(
    "user_id",
    ["../../../auth/sign-out", "a/b", "..", ".", "", "x?y=1", "x#y", "%2e%2e", "\\..\\", "é\r\nX: 1", " "],
)
def test_id_that_is_a_path_stays_one_part_of_the_path(world: World, user_id: str) -> None:
    world.catalog("anna")
    assert world.run("seed").code == 0

    def change(response: httpx.Response) -> Answer:
        body = response.json()
        body["personas"][0]["userId"] = user_id
        return Answer(200, body)

    listed = Edit(change)
    done = world.run("cleanup", "--yes", script=lambda request: listed if request.path == ENDPOINT else None)
    assert done.code in {0, 6}, done.all
    assert "bug" not in done.all
    for request in world.proxy.requests:
        rest = request.target.removeprefix(ENDPOINT)
        assert re.fullmatch(r"(/[^/?#\\\s]+)?", rest), request.target
        assert rest not in {"/.", "/.."}
    assert len(world.live()) == 1


HOSTILE = (
    "\x1b[2J\x1b]0;title\x07 \u202egnp.exe \u2066x \r\n::error file=x::pwned\n##[error]pwned "
    "[click](https://evil.example) ![x](https://evil.example/x.png) <img src=x onerror=y> @octocat #1 "
    "`$(touch PWNED)` | **bold** \x9b31m \u200b\ufeff %0A::warning::x"
)
FORMATS = ("text", "json", "markdown", "github")


def check_harmless(text: str, output: str) -> None:
    """Check that a text cannot act on a terminal or a runner, nor as markdown."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]", text), text
    assert not re.search(r"^\s*::(?!(error|warning|notice)( [a-z]+=|::))", text, re.MULTILINE), text
    assert not re.search(r"^\s*::[a-z]+( file=x)?::(pwned|x$)", text, re.MULTILINE), text
    assert not re.search(r"##\w*\[", text), text
    if output != "github":
        assert not re.search(r"^\s*::", text, re.MULTILINE), text
    if output == "markdown":
        outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        for markup in ("](http", "<img", "@octocat", "**bold**", "`$(", "\n#"):
            assert markup not in outside.replace("\n### ", "").replace("\n## ", ""), outside


@pytest.fixture
def hostile_server(world: World) -> Callable[[Request], Edit | None]:
    """A script in which every text of a persona but its email is hostile."""
    world.catalog("anna", "bo")
    assert world.run("seed").code == 0

    def change(response: httpx.Response) -> Answer:
        body = response.json()
        for persona in (*body.get("personas", ()), *([body["persona"]] if "persona" in body else ())):
            persona["name"] = persona["archetype"] = persona["tickCadence"] = HOSTILE
            if "systemPrompt" in persona:
                persona["systemPrompt"] = HOSTILE
                persona["moduleMix"] = {HOSTILE: 1.0}
        if "persona" in body:
            action = {"toolName": HOSTILE, "result": HOSTILE, "errorMessage": HOSTILE}
            body["recentActions"] = [action]
            body["feedbackByModule"] = [{"module": HOSTILE, "avgRating": 1}]
        return Answer(response.status_code, body)

    hostile = Edit(change)
    return lambda request: hostile if request.method == "GET" and ENDPOINT in request.path else None


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize(
    "command",
    [("dry-run",), ("seed", "--dry-run", "--replace"), ("list",), ("show", "anna"), ("cleanup", "--dry-run")],
    ids=" ".join,
)
def test_hostile_text_of_the_service_is_harmless(
    world: World,
    hostile_server: Callable[[Request], Edit | None],
    command: tuple[str, ...],
    output: str,
) -> None:
    done = world.run(*command, "-o", output, script=hostile_server)
    assert done.code == 0, done.all
    check_harmless(done.out, output)
    check_harmless(done.err, "text")


@pytest.mark.parametrize("output", FORMATS)
def test_hostile_text_of_the_catalog_is_harmless(world: World, output: str) -> None:
    fields = {"name": HOSTILE, "archetype": HOSTILE, "systemPrompt": HOSTILE, "moduleMix": {HOSTILE: 1}}
    unknown_key: dict[str, Any] = {HOSTILE: 1}
    world.catalog("anna", fields=fields, **unknown_key)
    for command in (("dry-run",), ("validate",), ("seed",), ("seed",), ("cleanup", "--yes")):
        done = world.run(*command, "-o", output)
        assert done.code == 0, done.all
        check_harmless(done.out, output)
        check_harmless(done.err, "text")


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("key", ["error", "message", "details", "hint", "warning"])
def test_hostile_errors_of_the_service_are_harmless(world: World, key: str, output: str) -> None:
    world.catalog("anna")
    text: object = [HOSTILE] if key == "details" else HOSTILE
    refused = Answer(400, {"error": "refused", key: text})
    for script in (every(refused, path=ENDPOINT), every(refused, method="POST", path=ENDPOINT)):
        done = world.run("seed", "-v", "-o", output, script=script)
        assert done.code in {4, 6}
        check_harmless(done.out, output)
        check_harmless(done.err, "text")


COOKIE = "mana.session_token"


def with_attributes(attributes: str, *, name: str = COOKIE) -> Edit:
    """Return a fault that changes the session cookie of a sign-in."""

    def change(response: httpx.Response) -> Answer:
        pair = response.headers["set-cookie"].partition(";")[0].replace(COOKIE, name, 1)
        return Answer(
            200, response.json(), (("set-cookie", "other=1; Path=/"), ("set-cookie", f"{pair}; {attributes}"))
        )

    return Edit(change)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("Path=/; HttpOnly; Secure; SameSite=None; Partitioned", {"secure": True, "sameSite": "None"}),
        ("Priority=High; Path=/; Max-Age=60; Unknown=x; Flag", {"httpOnly": False, "path": "/"}),
        ("Domain=.mana.how; Path=/app; HttpOnly; SameSite=Lax", {"domain": ".mana.how", "path": "/app"}),
        ("domain=mana.how; samesite=strict", {"domain": ".mana.how", "sameSite": "Strict"}),
        ("Expires=Wed, 01 Jan 2120 00:00:00 GMT; Path=/", {"expires": 4733510400, "domain": "127.0.0.1"}),
        ("Expires=rubbish; Max-Age=rubbish; SameSite=Odd", {"expires": -1, "sameSite": "Lax"}),
        ("", {"path": "/", "expires": -1}),
    ],
)
def test_cookie_keeps_what_the_service_set(
    world: World, attributes: str, expected: dict[str, object]
) -> None:
    world.catalog("anna")
    assert world.run("seed").code == 0
    script = every(with_attributes(attributes), path=SIGN_IN)
    done = world.run("login", "anna", "-o", "storage-state", script=script)
    assert done.code == 0, done.all
    (cookie,) = done.json["cookies"]
    assert {name: cookie[name] for name in expected} == expected
    assert cookie["name"] == COOKIE
    done = world.run("login", "anna", script=script)
    assert (done.code, done.out.count(".")) == (0, 2)


def count_sessions(world: World) -> int:
    with world.server.service.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(schema.sessions)) or 0


def test_address_that_is_not_the_base_url_works_with_cookies(world: World) -> None:
    """The proxy is at 127.0.0.1, and the service knows itself as localhost, as through a port-forward."""
    assert "127.0.0.1" in world.proxy.url
    assert "localhost" in world.server.service.base_url
    world.catalog("anna", "bo", spaces=[TEAM])
    for command in (("seed",), ("dry-run",), ("spaces",), ("spaces", "--dry-run"), ("cleanup", "--yes")):
        done = world.run(*command)
        assert done.code == 0, done.all
        assert "INVALID_ORIGIN" not in done.all
        assert count_sessions(world) == 0, command
    assert world.live() == {}
    origins = {r.headers["origin"] for r in world.proxy.requests if "origin" in r.headers}
    assert origins == {world.server.service.base_url}
