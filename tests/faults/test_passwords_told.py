"""`--check-login` tells the truth about passwords, at the service's pace, and locks nobody out."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from personas.embedded import schema as tables
from personas.service.signing import SIGN_INS_AT_ONCE

from .faultserver import Answer, Fault, Reset, Seen, Then, fault_server
from .world import World, both_worlds, entry, environment, run, world, write_catalog

SIGN_IN = "/api/auth/sign-in/email"
LOG_IN = "/api/v1/auth/login"


def tries(seen: list[Seen], status: int) -> Counter[str]:
    """How often each email was tried with this answer."""
    return Counter(one.json()["email"] for one in seen if one.path == SIGN_IN and one.status == status)


@both_worlds
def test_a_locked_out_persona_is_found_by_one_wrong_try_and_mended_by_recreate(
    real: World, tmp_path: Path
) -> None:
    real.add_personas("fine", "well")
    real.add_personas("lost", password="a-password-of-before")
    catalog = write_catalog(tmp_path, ["fine", "lost", "well"])
    env = environment(real.url, real.token)
    with fault_server(upstream=real.url) as proxy:
        preview = run(
            "dry-run", "-c", catalog, "--check-login", "-o", "json", env={**env, "MANA_AUTH_URL": proxy.url}
        )
        assert tries(proxy.seen, 401) == {"lost@mana.test": 1}
        assert tries(proxy.seen, 200) == {"fine@mana.test": 1, "well@mana.test": 1}
        assert proxy.to(LOG_IN) == []
        # A session that was only a question is ended again.
        assert len(proxy.to("/api/auth/sign-out")) == 2
    states = {change["email"]: change["state"] for change in preview.document()["plan"]["changes"]}
    assert states == {
        "fine@mana.test": "in-sync",
        "lost@mana.test": "locked-out",
        "well@mana.test": "in-sync",
    }
    assert preview.document()["safetyRequests"] == 5

    seen_only = run("seed", "-c", catalog, "--check-login", env=env)
    assert seen_only.code == 0
    assert "--recreate" in seen_only.out
    assert run("seed", "-c", catalog, "--recreate", "--yes", env=env).code == 0
    calm = run("seed", "-c", catalog, "--check-login", env=env)
    assert "in sync" in calm.out


@both_worlds
@pytest.mark.parametrize("command", ["dry-run", "seed"])
def test_without_check_login_one_is_signed_in_and_out_again_and_that_is_counted_as_safety(
    real: World, tmp_path: Path, command: str
) -> None:
    real.add_personas("a", "b", "c")
    catalog = write_catalog(tmp_path, ["a", "b", "c"])
    with fault_server(upstream=real.url) as proxy:
        ended = run(command, "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
        assert [one.path for one in proxy.to("/api/auth/")] == [SIGN_IN, "/api/auth/sign-out"]
    assert ended.code == 0, ended
    assert ended.document()["safetyRequests"] == 2
    assert real.rows(tables.sessions) == []


@both_worlds
@pytest.mark.parametrize("command", ["dry-run", "seed"])
def test_a_seed_secret_that_fits_none_of_them_is_one_message_and_nothing_is_written(
    real: World, tmp_path: Path, command: str
) -> None:
    locals_ = [f"p{number:02d}" for number in range(40)]
    real.add_personas(*locals_, password="a-password-of-another-secret")
    catalog = write_catalog(tmp_path, [*locals_, "new"])
    before = real.rows(tables.users), real.rows(tables.personas)
    with fault_server(upstream=real.url) as proxy:
        ended = run(command, "-c", catalog, "--check-login", env=environment(proxy.url, real.token))
        assert set(tries(proxy.seen, 401).values()) == {1}
        assert proxy.to("POST", "/personas") == []
    assert ended.code == 5, ended
    assert "the secret differs from the one these personas were seeded with" in ended.err
    assert "none of 40" in ended.err
    assert "--recreate" in ended.err
    assert "p07" not in ended.everything
    assert before == (real.rows(tables.users), real.rows(tables.personas))


def test_a_secret_that_fits_none_of_them_is_mended_where_recreate_is_said(
    real: World, tmp_path: Path
) -> None:
    real.add_personas("a", "b", "c", password="a-password-of-another-secret")
    catalog = write_catalog(tmp_path, ["a", "b", "c"])
    env = environment(real.url, real.token)
    ended = run("seed", "-c", catalog, "--recreate", "--yes", env=env)
    assert ended.code == 0, ended
    assert "3 recreated" in ended.out
    assert run("seed", "-c", catalog, "--check-login", "--fail-on-drift", env=env).code == 0


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[World]:
    """A service in production, behind a proxy: three sign-ins in ten seconds for each address."""
    with world(tmp_path, behind_proxy=True) as made:
        yield made


def test_checking_passwords_keeps_to_the_services_limit_and_ends_with_the_truth_about_everyone(
    limited: World, tmp_path: Path
) -> None:
    locals_ = [f"p{number}" for number in range(9)]
    limited.add_personas(*locals_)
    limited.add_personas("lost", password="a-password-of-before")
    catalog = write_catalog(tmp_path, [*locals_, "lost"])

    # The service asks for ten seconds; for the test they pass at once.
    def pass_time(status: int, head: bytes, body: bytes) -> bytes:
        if status == 429:
            lines = head.split(b"\r\n")
            assert any(line.lower().startswith(b"x-retry-after:") for line in lines)
            assert not any(line.lower().startswith(b"retry-after:") for line in lines)
            limited.now_is_later_by += dt.timedelta(seconds=11)
            lines = [b"x-retry-after: 0" if b"retry-after" in line.lower() else line for line in lines]
            head = b"\r\n".join(lines)
        return head + body

    def script(seen: Seen) -> Fault | None:
        seen.headers["x-forwarded-for"] = "203.0.113.7"
        return Then(pass_time) if seen.path == SIGN_IN else None

    with fault_server(script, limited.url) as proxy:
        ended = run(
            "dry-run", "-c", catalog, "--check-login", "-o", "json", env=environment(proxy.url, limited.token)
        )
        assert tries(proxy.seen, 401) == {"lost@mana.test": 1}
        assert set(tries(proxy.seen, 200)) == {f"{p}@mana.test" for p in locals_}
        assert sum(tries(proxy.seen, 429).values()) >= 2
        assert proxy.to(LOG_IN) == []
    assert ended.code == 0, ended
    states = Counter(change["state"] for change in ended.document()["plan"]["changes"])
    assert states == {"in-sync": 9, "locked-out": 1}


def test_a_limit_that_does_not_end_is_told_as_not_known_and_not_as_a_wrong_password(
    real: World, tmp_path: Path
) -> None:
    locals_ = [f"p{number}" for number in range(30)]
    real.add_personas(*locals_)
    catalog = write_catalog(tmp_path, locals_)

    def never(seen: Seen) -> Fault | None:
        if seen.path == SIGN_IN and len(proxy.to(SIGN_IN)) > 5:
            return Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "3600"),))
        return None

    with fault_server(never, real.url) as proxy:
        ended = run(
            "dry-run", "-c", catalog, "--check-login", "-o", "json", env=environment(proxy.url, real.token)
        )
        # After the service has said for how long, it is not asked thirty times more.
        assert len(proxy.to(SIGN_IN)) <= 5 + SIGN_INS_AT_ONCE
    assert ended.code == 6, ended
    states = Counter(change["state"] for change in ended.document()["plan"]["changes"])
    assert states == {"in-sync": 5, "not-known": 25}


def test_a_sign_in_whose_answer_got_lost_is_not_tried_again(real: World, tmp_path: Path) -> None:
    real.add_personas("a", "b")
    real.add_personas("lost", password="a-password-of-before")
    catalog = write_catalog(tmp_path, ["a", "b", "lost"])

    def lose(seen: Seen) -> Fault | None:
        return Reset("lost") if seen.path == SIGN_IN and seen.json()["email"].startswith("lost") else None

    with fault_server(lose, real.url) as proxy:
        ended = run("dry-run", "-c", catalog, "--check-login", env=environment(proxy.url, real.token))
        assert len([s for s in proxy.to(SIGN_IN) if s.json()["email"].startswith("lost")]) == 1
    assert ended.code == 6, ended
    assert "not known" in ended.out


def test_a_wrong_admin_password_is_tried_once_and_not_by_every_worker(real: World, tmp_path: Path) -> None:
    email, password = real.set_admin_password()
    real.add_personas(*[f"p{number}" for number in range(20)])
    catalog = write_catalog(tmp_path, [entry(f"p{number}", archetype="new") for number in range(20)])

    def change_password(seen: Seen) -> Fault | None:
        # In the middle of the run every token ends, and the password is no longer the right one.
        if seen.method == "POST" and "/personas" in seen.path and not real.now_is_later_by:
            real.set_admin_password("another-one-by-now")
            real.write(lambda c: c.exec_driver_sql("DELETE FROM sessions"))
            real.now_is_later_by = dt.timedelta(minutes=16)
        return None

    with fault_server(change_password, real.url) as proxy:
        env = environment(proxy.url, MANA_ADMIN_EMAIL=email, MANA_ADMIN_PASSWORD=password)
        ended = run("seed", "-c", catalog, env=env)
        assert sum(tries(proxy.seen, 401).values()) == 1
    assert ended.code == 4, ended
    assert f"the service refused the admin {email}" in ended.err
