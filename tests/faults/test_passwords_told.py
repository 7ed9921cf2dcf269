"""`--check-login` tells the truth about passwords, at the service's pace, and locks nobody out."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from personas.embedded import schema as tables
from personas.service.signing import SIGN_INS_AT_ONCE

from .faultserver import Answer, Requests, Reset, nothing, when
from .world import PERSONAS, SIGN_IN, SIGN_OUT, World, both_worlds, emails_of, entry, in_no_time

LOG_IN = "/api/v1/auth/login"


def tries(seen: Requests, status: int) -> Counter[str]:
    """How often each email was tried with this answer."""
    return Counter(one.email for one in seen.to(SIGN_IN) if one.status == status)


@both_worlds
def test_a_locked_out_persona_is_found_by_one_wrong_try_and_mended_by_recreate(real: World) -> None:
    real.add_personas("fine", "well")
    real.add_personas("lost", password="a-password-of-before")
    real.write_catalog("fine", "lost", "well")
    preview = real.run("dry-run", "--check-login", "-o", "json", through=nothing)
    assert tries(preview.seen, 401) == {"lost@mana.test": 1}
    assert tries(preview.seen, 200) == {"fine@mana.test": 1, "well@mana.test": 1}
    assert preview.seen.to(LOG_IN) == []
    # A session that was only a question is ended again.
    assert len(preview.seen.to(SIGN_OUT)) == 2
    assert preview.states() == {
        "fine@mana.test": "in-sync",
        "lost@mana.test": "locked-out",
        "well@mana.test": "in-sync",
    }
    assert preview.document()["safetyRequests"] == 5
    assert "--recreate" in real.run("seed", "--check-login").out
    real.run("seed", "--recreate", "--yes")
    real.run("seed", "--check-login", "--fail-on-drift")


@both_worlds
@pytest.mark.parametrize("command", ["dry-run", "seed"])
def test_without_check_login_one_is_signed_in_and_out_again_and_that_is_counted_as_safety(
    real: World, command: str
) -> None:
    real.add_personas("a", "b", "c")
    real.write_catalog("a", "b", "c")
    ended = real.run(command, "-o", "json", through=nothing)
    assert [seen.path for seen in ended.seen.to("/api/auth/")] == [SIGN_IN, SIGN_OUT]
    assert ended.document()["safetyRequests"] == 2
    assert real.rows(tables.sessions) == []


def test_checking_passwords_keeps_to_the_services_limit_and_ends_with_the_truth_about_everyone(
    limited: World,
) -> None:
    locals_ = [f"p{number}" for number in range(9)]
    limited.add_personas(*locals_)
    limited.add_personas("lost", password="a-password-of-before")
    limited.write_catalog(*locals_, "lost")
    ended = limited.run("dry-run", "--check-login", "-o", "json", through=in_no_time(limited))
    assert tries(ended.seen, 401) == {"lost@mana.test": 1}
    assert set(tries(ended.seen, 200)) == emails_of(locals_)
    assert sum(tries(ended.seen, 429).values()) >= 2
    assert ended.seen.to(LOG_IN) == []
    assert Counter(ended.states().values()) == {"in-sync": 9, "locked-out": 1}


def test_a_limit_that_does_not_end_is_told_as_not_known_and_not_as_a_wrong_password(real: World) -> None:
    locals_ = [f"p{number}" for number in range(30)]
    real.add_personas(*locals_)
    real.write_catalog(*locals_)
    limit = Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "3600"),))
    ended = real.run(
        *("dry-run", "--check-login", "-o", "json"), through=when(SIGN_IN, first=6, then=limit), exits=6
    )
    # After the service has said for how long, it is not asked thirty times more.
    assert len(ended.seen.to(SIGN_IN)) <= 5 + SIGN_INS_AT_ONCE
    assert Counter(ended.states().values()) == {"in-sync": 5, "not-known": 25}


def test_a_sign_in_whose_answer_got_lost_is_not_tried_again(real: World) -> None:
    real.add_personas("a", "b")
    real.add_personas("lost", password="a-password-of-before")
    real.write_catalog("a", "b", "lost")
    lose = when(SIGN_IN, email="lost@mana.test", then=Reset("lost"))
    ended = real.run("dry-run", "--check-login", through=lose, exits=6)
    assert [seen.email for seen in ended.seen.to(SIGN_IN)].count("lost@mana.test") == 1
    assert "not known" in ended.out


def test_a_wrong_admin_password_is_tried_once_and_not_by_every_worker(real: World) -> None:
    admin = real.set_admin_password()
    locals_ = [f"p{number}" for number in range(20)]
    real.add_personas(*locals_)
    real.write_catalog(*(entry(local, archetype="new") for local in locals_))

    def change_password() -> None:
        # In the middle of the run every token ends, and the password is no longer the right one.
        real.set_admin_password("another-one-by-now")
        real.write(lambda c: c.exec_driver_sql("DELETE FROM sessions"))
        real.now_is_later_by = dt.timedelta(minutes=16)

    script = when(f"POST {PERSONAS}", times=1, then=change_password)
    ended = real.run("seed", through=script, exits=4, env=admin)
    assert sum(tries(ended.seen, 401).values()) == 1
    assert f"the service refused the admin {admin['MANA_ADMIN_EMAIL']}" in ended.err
