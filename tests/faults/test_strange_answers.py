"""Answers that no good service gives, and texts that try to act on what shows them."""

from __future__ import annotations

import gzip
import re
from typing import Any

import httpx
import pytest

from tests.commands import Done

from .conftest import ENDPOINT, SIGN_IN, TEAM, World, rewrite
from .proxy import Answer, Script, every


def test_answer_that_is_huge_when_unpacked_is_refused(world: World) -> None:
    world.catalog("anna")
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    bomb = Answer(200, gzip.compress(b" " * 17 * 2**20, 1), headers)
    done = world.run("seed", script=every(bomb, path=ENDPOINT))
    assert done.code == 4, done.all
    assert done.err.startswith("Error: listing the personas: the answer is longer than ")
    assert len(world.proxy.requests) == 1


def test_id_that_is_a_path_stays_one_part_of_the_path(world: World) -> None:
    world.seed("anna")

    def list_id(user_id: str) -> Script:
        def change(response: httpx.Response) -> Answer:
            (persona,) = response.json()["personas"]
            return Answer(200, {"personas": [{**persona, "userId": user_id}]})

        return lambda request: change if request.path == ENDPOINT else None

    paths = ("../../../auth/sign-out", "a/b", "..", ".", "x?y=1#z", "%2e%2e", "\\..\\")
    for user_id in (*paths, "", " ", "é\r\nX: 1", "\ud800"):
        done = world.run("cleanup", "--yes", script=list_id(user_id))
        assert done.code in {0, 6}, done.all
        assert "bug" not in done.all
        for request in world.proxy.requests:
            rest = request.target.removeprefix(ENDPOINT)
            assert re.fullmatch(r"(/[^/?#\\\s]+)?", rest), request.target
            assert rest not in {"/.", "/.."}
        assert len(world.live()) == 1


@pytest.mark.parametrize("names", [("anna", "bo"), ("bo",)], ids=["create", "update"])
def test_warning_of_a_write_is_reported(world: World, names: tuple[str, ...]) -> None:
    world.seed("bo")
    world.catalog(*names, fields={} if "anna" in names else {"archetype": "another"})
    warns = Answer(200, {"ok": True, "userId": "x", "warning": "only a half"})
    done = world.run("seed", script=every(warns, method="POST", path=ENDPOINT))
    assert (done.code, "the service warns: only a half" in done.all) == (6, True), done.all


HOSTILE = (
    "\x1b[2J\x1b]0;title\x07 \u202egnp.exe \u2066x \r\n::error file=x::pwned\n##[error]pwned "
    "[click](https://evil.example) ![x](https://evil.example/x.png) <img src=x onerror=y> @octocat #1 "
    "`$(touch PWNED)` | **bold** \x9b31m \u200b\ufeff %0A::warning::x"
)
# All formats in one run.
EVERY_FORMAT = ("-o", "github", "--report=r.txt", "--report=r.json", "--report=r.md")


def check_run(world: World, done: Done) -> None:
    """Check what a run with `EVERY_FORMAT` printed and wrote."""
    check_harmless(done.out, "github")
    check_harmless(done.err, "text")
    for suffix in ("txt", "json", "md"):
        report = world.folder / f"r.{suffix}"
        check_harmless(report.read_text(encoding="utf-8"), suffix)
        report.unlink()


def check_harmless(text: str, output: str) -> None:
    """Check that a text cannot act on a terminal or a runner, nor as markdown."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]", text), text
    assert not re.search(r"^\s*::(?!(error|warning|notice)( [a-z]+=|::))", text, re.MULTILINE), text
    assert not re.search(r"^\s*::[a-z]+( file=x)?::(pwned|x$)", text, re.MULTILINE), text
    assert not re.search(r"##\w*\[", text), text
    if output != "github":
        assert not re.search(r"^\s*::", text, re.MULTILINE), text
    if output == "md":
        outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        for markup in ("](http", "<img", "@octocat", "**bold**", "`$(", "\n#"):
            assert markup not in outside.replace("\n### ", "").replace("\n## ", ""), outside


def test_hostile_text_of_the_service_is_harmless(world: World) -> None:
    world.seed("anna", "bo")
    hostile = every(rewrite(HOSTILE), method="GET", path=ENDPOINT)
    for command in ("dry-run", "seed --dry-run --replace", "list", "show anna", "cleanup --dry-run"):
        done = world.run(*command.split(), *EVERY_FORMAT, script=hostile)
        assert done.code == 0, done.all
        check_run(world, done)


def test_hostile_text_of_the_catalog_is_harmless(world: World) -> None:
    fields = {"name": HOSTILE, "archetype": HOSTILE, "systemPrompt": HOSTILE, "moduleMix": {HOSTILE: 1}}
    unknown_key: dict[str, Any] = {HOSTILE: 1}
    world.catalog("anna", fields=fields, **unknown_key)
    for command in (("dry-run",), ("validate",), ("seed",), ("seed",), ("cleanup", "--yes")):
        done = world.run(*command, *EVERY_FORMAT)
        assert done.code == 0, done.all
        check_run(world, done)


@pytest.mark.parametrize("key", ["error", "message", "details", "hint", "warning"])
def test_hostile_errors_of_the_service_are_harmless(world: World, key: str) -> None:
    world.catalog("anna")
    refused = Answer(400, {"error": "refused", key: [HOSTILE] if key == "details" else HOSTILE})
    for method, code in (("", 4), ("POST", 6)):
        script = every(refused, method=method, path=ENDPOINT)
        done = world.run("seed", "-v", *EVERY_FORMAT, script=script)
        assert done.code == code
        check_run(world, done)


def test_cookie_keeps_what_the_service_set(world: World) -> None:
    world.seed("anna")

    def change(response: httpx.Response) -> Answer:
        cookie = response.headers["set-cookie"].partition(";")[0]
        attributes = "Domain=.mana.how; Path=/app; Secure; SameSite=None; Partitioned; Max-Age=rubbish"
        headers = (("set-cookie", "other=1; Path=/"), ("set-cookie", f"{cookie}; {attributes}"))
        return Answer(200, response.json(), headers)

    script = every(change, path=SIGN_IN)
    done = world.run("login", "anna", "-o", "storage-state", script=script)
    assert done.code == 0, done.all
    (cookie,) = done.json["cookies"]
    assert (cookie["name"], cookie["domain"], cookie["path"]) == ("mana.session_token", ".mana.how", "/app")
    assert (cookie["secure"], cookie["sameSite"]) == (True, "None")
    done = world.run("login", "anna", script=script)
    assert (done.code, done.out.count(".")) == (0, 2)


def test_address_that_is_not_the_base_url_works_with_cookies(world: World) -> None:
    """The proxy is at 127.0.0.1, and the service knows itself as localhost, as through a port-forward."""
    assert "127.0.0.1" in world.proxy.url
    assert "localhost" in world.server.service.base_url
    world.catalog("anna", "bo", spaces=[TEAM])
    for command in (("seed",), ("dry-run",), ("spaces",), ("spaces", "--dry-run"), ("cleanup", "--yes")):
        done = world.run(*command)
        assert done.code == 0, done.all
        assert "INVALID_ORIGIN" not in done.all
        assert world.count_sessions() == 0, command
    assert world.live() == {}
    origins = {r.headers["origin"] for r in world.proxy.requests if "origin" in r.headers}
    assert origins == {world.server.service.base_url}
