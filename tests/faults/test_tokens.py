"""A token that ends in the middle of a long run costs no work."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from .faultserver import Answer, Fault, Seen, when
from .world import PERSONAS, SIGN_IN, World, both_worlds

MANY = [f"p{number:03d}" for number in range(100)]
REFUSED = Answer(401, {"statusCode": 401, "message": "Invalid or expired token"})


class Quick:
    """A service that only remembers who was seeded: hashing passwords is not what this is about."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Any]] = {}
        self.token_ended = False

    def __call__(self, seen: Seen) -> Fault:
        if self.token_ended:
            return REFUSED
        if seen.path == SIGN_IN:
            return Answer(403, {"code": "EMAIL_NOT_VERIFIED"})
        if seen.method == "POST":
            user_id = f"id-{seen.email.partition('@')[0]}"
            self.there[user_id] = {**json.loads(seen.body), "userId": user_id}
            self.token_ended = len(self.there) == len(MANY) // 2
            return Answer(200, {"ok": True, "userId": user_id, "email": seen.email})
        if "/personas/" in seen.path:
            return Answer(200, {"persona": self.there[seen.path.rpartition("/")[2]], "recentActions": []})
        if seen.path.endswith("/users"):
            return Answer(200, {"users": [], "total": len(self.there), "page": 1, "limit": 100})
        return Answer(200, {"personas": list(self.there.values())})


def test_a_token_that_ends_in_the_middle_of_many_personas_stops_the_run_at_once_and_the_next_completes_it(
    real: World,
) -> None:
    real.write_catalog(*MANY)
    service = Quick()
    ended = real.run("seed", "-o", "json", through=service, exits=4)
    assert "the service refused the admin token: Invalid or expired token" in ended.err
    assert ended.results() == {"done": 50, "not-done": 50}
    # Only what was under way has still been sent.
    assert len(ended.seen.to(f"POST {PERSONAS}")) <= 50 + 8
    # With a fresh token:
    service.token_ended = False
    again = real.run("seed", "-o", "json", through=service)
    assert again.results() == {"done": 50}
    assert len(service.there) == len(MANY)


@both_worlds
def test_a_token_that_ends_in_the_middle_is_renewed_once_when_email_and_password_are_known(
    real: World,
) -> None:
    admin = real.set_admin_password()
    real.write_catalog(*MANY[:30])

    def expire() -> None:
        real.now_is_later_by = dt.timedelta(minutes=16)

    script = when(f"POST {PERSONAS}", first=15, times=1, then=expire)
    ended = real.run("seed", "-o", "json", through=script, env=admin)
    # One renewal for all workers, from the session; nobody signs in anew for it.
    assert len(ended.seen.to("GET /api/auth/token")) == 2
    assert len(ended.seen.to(f"POST {SIGN_IN}")) == 1
    assert ended.results() == {"done": 30}
    assert 1 <= len([seen for seen in ended.seen if seen.status == 401]) <= 8
    assert len(real.personas) == 30


@pytest.mark.parametrize(
    "command", [("seed",), ("dry-run",), ("cleanup",), ("list",), ("show", "a")], ids=lambda args: args[0]
)
def test_a_service_that_refuses_the_token_from_the_start_is_exit_4_and_nothing_is_done(
    real: World, command: tuple[str, ...]
) -> None:
    real.write_catalog("a")
    ended = real.run(*command, through=lambda _: REFUSED, exits=4)
    assert len(ended.seen) == 1
    assert "refused the admin token" in ended.err
    assert "personas token" in ended.err
