"""Credentials that expire, are wrong, or belong to another account; and addresses that are wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from personas.embedded.service import utc_now

from .conftest import BY_PASSWORD, SIGN_IN, World, results
from .proxy import Request, Script

FIVE = ("a1", "a2", "a3", "a4", "a5")
HUMAN, PASSWORD = "human@acme.test", "a password of their own"


@pytest.fixture
def expiring(world: World, monkeypatch: pytest.MonkeyPatch) -> Script:
    """A script in which 16 minutes pass at the third write."""

    def script(request: Request) -> None:
        if request.method == "POST" and len(world.proxy.writes) == 3:
            monkeypatch.setattr(world.server.service, "clock", lambda: utc_now() + dt.timedelta(minutes=16))

    return script


def test_given_token_that_expires_in_the_middle_stops_the_run(world: World, expiring: Script) -> None:
    world.catalog(*FIVE)
    done = world.run("seed", "--concurrency", "1", "-o", "json", script=expiring)
    assert done.code == 4
    assert results(done) == ["done", "done", "failed", "skipped", "skipped"]
    assert "The service refused the admin token: Invalid or expired token" in done.json["error"]["message"]
    assert len(world.proxy.writes) == 3
    done = world.run("seed", "-o", "json", MANA_ADMIN_JWT=world.server.admin_token())
    assert (done.code, results(done)) == (0, ["done"] * 3)


@pytest.mark.parametrize("given", [False, True])
def test_with_a_password_the_token_is_renewed_in_the_middle(
    world: World, expiring: Script, given: bool
) -> None:
    world.catalog(*FIVE)
    account = BY_PASSWORD | ({"MANA_ADMIN_JWT": world.server.admin_token()} if given else {})
    done = world.run("seed", "--concurrency", "1", "-o", "json", script=expiring, **account)
    assert (done.code, results(done)) == (0, ["done"] * 5)
    assert world.proxy.count("POST", SIGN_IN) == world.proxy.count("POST", "/api/auth/sign-out")
    assert len(world.live()) == 5


def test_with_a_password_an_expired_token_does_not_matter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.server.service, "clock", lambda: utc_now() - dt.timedelta(hours=1))
    old = world.server.admin_token()
    monkeypatch.undo()
    alone = world.run("list", MANA_ADMIN_JWT=old)
    assert (alone.code, "has expired" in alone.err, "MANA_ADMIN_EMAIL" in alone.err) == (4, True, True)
    account = BY_PASSWORD | {"MANA_ADMIN_JWT": old}
    assert world.run("list", **account).code == 0
    new = world.run("token", **account).out.strip()
    assert world.run("list", MANA_ADMIN_JWT=new).code == 0
    # Also a token that still works is not handed out again.
    assert world.run("token", **BY_PASSWORD | {"MANA_ADMIN_JWT": new}).out.strip() != new


def test_no_session_stays_open(world: World) -> None:
    world.catalog("anna", "bo")
    for command in (("seed",), ("seed",), ("dry-run",), ("list",), ("cleanup", "--yes")):
        done = world.run(*command, **BY_PASSWORD)
        assert done.code == 0, done.all
        assert world.count_sessions() == 0, command


@pytest.mark.parametrize(
    ("verified", "password", "cause"),
    [
        (False, PASSWORD, "this account is not verified"),
        (True, PASSWORD, f"{HUMAN} is not an admin: its role is 'user'."),
        (True, "a wrong password", "email or password is wrong"),
    ],
)
def test_account_that_cannot_be_the_admin_says_the_cause(
    world: World, verified: bool, password: str, cause: str
) -> None:
    world.sign_up(HUMAN, password=PASSWORD)
    if verified:
        world.verify(HUMAN)
    account = {**BY_PASSWORD, "MANA_ADMIN_EMAIL": HUMAN, "MANA_ADMIN_PASSWORD": password}
    for command in ("token", "list"):
        done = world.run(command, **account)
        assert (done.code, done.out) == (4, "")
        assert cause in done.all
        assert ("Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD." in done.err) is (password != PASSWORD)
        for misleading in ("personas token", "seed", "rate limit"):
            assert misleading not in done.err
        assert world.proxy.count("POST", SIGN_IN) == 1
        assert world.count_sessions() == 0


@pytest.mark.parametrize("path", ["/api", "/api/auth/"])
def test_address_with_a_wrong_path_says_the_cause(world: World, path: str) -> None:
    world.catalog("anna")
    for command in (("seed",), ("list",), ("login", "anna"), ("spaces",)):
        for more in (dict[str, Any](), BY_PASSWORD):
            done = world.run(*command, MANA_AUTH_URL=world.proxy.url + path, **more)
            assert done.code == 4, done.all
            assert "Check --auth " in done.all
            assert "ADMIN_PASSWORD" not in done.all
            assert "rate limit" not in done.all
