"""A token that ends in the middle of a long run costs no work."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path
from typing import Any

import pytest

from .faultserver import Answer, Fault, Seen, Then, fault_server
from .world import World, both_worlds, entry, environment, run, write_catalog

LOCALS = [f"p{number:03d}" for number in range(500)]


class Quick:
    """A service that only remembers who was seeded: hashing 500 passwords is not what this is about."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Any]] = {}
        self.token_ended = False

    def __call__(self, seen: Seen) -> Fault:
        if self.token_ended:
            return Answer(401, {"statusCode": 401, "message": "Invalid or expired token"})
        if seen.path == "/api/auth/sign-in/email":
            return Answer(403, {"code": "EMAIL_NOT_VERIFIED"})
        if seen.method == "POST":
            body = seen.json()
            del body["password"]
            self.there[body["email"]] = {**body, "userId": f"id-{body['email'].partition('@')[0]}"}
            self.token_ended = len(self.there) == 250
            return Answer(
                200, {"ok": True, "userId": self.there[body["email"]]["userId"], "email": body["email"]}
            )
        if "/personas/" in seen.path:
            local = seen.path.rpartition("id-")[2]
            return Answer(200, {"persona": self.there[f"{local}@mana.test"], "recentActions": []})
        if seen.path.endswith("/users"):
            return Answer(200, {"users": [], "total": len(self.there), "page": 1, "limit": 100})
        return Answer(200, {"personas": list(self.there.values())})


def test_a_token_that_ends_in_the_middle_of_500_personas_stops_the_run_at_once_and_the_next_completes_it(
    real: World, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    service = Quick()
    with fault_server(service) as server:
        env = environment(server.url, real.token)
        ended = run("seed", "-c", catalog, "-o", "json", env=env)
        sent = len(server.to("POST"))
        # With a fresh token:
        service.token_ended = False
        again = run("seed", "-c", catalog, "-o", "json", env=env)
    assert ended.code == 4, ended.err
    assert "the service refused the admin token: Invalid or expired token" in ended.err
    assert ended.results() == {"done": 250, "not-done": 250}
    # Only what was under way has still been sent.
    assert sent <= 250 + 8
    assert again.code == 0, again.err
    assert again.results() == {"done": 250}
    assert len(service.there) == 500


@both_worlds
def test_a_token_that_ends_in_the_middle_is_renewed_once_when_email_and_password_are_known(
    real: World, tmp_path: Path
) -> None:
    email, password = real.set_admin_password()
    locals_ = LOCALS[:60]
    catalog = write_catalog(tmp_path, locals_)

    def expire(_: Seen) -> Fault | None:
        if len(proxy.to("POST", "/personas")) == 30:
            real.now_is_later_by = dt.timedelta(minutes=16)
        return None

    with fault_server(expire, real.url) as proxy:
        env = environment(proxy.url, MANA_ADMIN_EMAIL=email, MANA_ADMIN_PASSWORD=password)
        ended = run("seed", "-c", catalog, "-o", "json", env=env)
        refused = [seen for seen in proxy.seen if seen.status == 401]
        # One renewal for all workers, from the session; nobody signs in anew for it.
        assert len(proxy.to("GET", "/api/auth/token")) == 2
        assert len(proxy.to("POST", "/api/auth/sign-in/email")) == 1
    assert ended.code == 0, ended.err
    assert ended.results() == {"done": 60}
    assert 1 <= len(refused) <= 8
    assert len(real.personas) == 60


def test_a_token_is_renewed_before_it_ends_when_it_says_when(real: World, tmp_path: Path) -> None:
    # The service's clock is behind, so that by ours its tokens live for three seconds.
    email, password = real.set_admin_password()
    real.now_is_later_by = -dt.timedelta(minutes=15) + dt.timedelta(seconds=3)
    real.add_personas("a", "b", "c")
    catalog = write_catalog(tmp_path, [entry(local, archetype="new") for local in "abc"])
    tokens: set[str] = set()

    def take_long(_: int, head: bytes, body: bytes) -> bytes:
        threading.Event().wait(1.6)
        return head + body

    def script(seen: Seen) -> Fault | None:
        if "authorization" in seen.headers:
            tokens.add(seen.headers["authorization"])
        return Then(take_long) if "/personas/" in seen.path and len(proxy.to("/personas/")) == 1 else None

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, MANA_ADMIN_EMAIL=email, MANA_ADMIN_PASSWORD=password)
        ended = run("seed", "-c", catalog, "-o", "json", "--concurrency", "1", env=env)
        assert [seen for seen in proxy.seen if seen.status == 401] == []
    assert ended.code == 0, ended
    assert len(tokens) >= 2


@pytest.mark.parametrize("command", ["seed", "dry-run", "cleanup", "list", "show"])
def test_a_service_that_refuses_the_token_from_the_start_is_exit_4_and_nothing_is_done(
    real: World, tmp_path: Path, command: str
) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    refusal = Answer(401, {"statusCode": 401, "message": "Invalid or expired token"})
    with fault_server(lambda _: refusal, real.url) as proxy:
        who = ("a",) if command == "show" else ()
        ended = run(command, *who, "-c", catalog, env=environment(proxy.url, real.token))
        assert len(proxy.seen) == 1
    assert ended.code == 4, ended
    assert "refused the admin token" in ended.err
    assert "personas token" in ended.err


def test_with_email_and_password_a_token_that_is_never_accepted_is_renewed_once_and_then_told(
    real: World, tmp_path: Path
) -> None:
    email, password = real.set_admin_password()
    catalog = write_catalog(tmp_path, ["a"])

    def refuse(seen: Seen) -> Fault | None:
        return Answer(401, {"message": "no"}) if "/admin/" in seen.path else None

    with fault_server(refuse, real.url) as proxy:
        env = environment(proxy.url, MANA_ADMIN_EMAIL=email, MANA_ADMIN_PASSWORD=password)
        ended = run("seed", "-c", catalog, env=env)
        assert len(proxy.to("/admin/personas")) == 2
        assert len(proxy.to("/api/auth/sign-in/email")) == 1
    assert ended.code == 4, ended
