"""A service where people and personas sign in, on both of its forms: what is asked, and what is at risk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from personas.embedded import schema as tables

from .faultserver import Answer, Fault, FaultServer, Seen, fault_server
from .world import World, both_worlds, email_of, entry, environment, run, world, write_catalog

PERSONAS = "/api/v1/admin/personas"
LOOK_UP = "/api/v1/admin/users"
SIGN_IN = "/api/auth/sign-in/email"
FIVE = [f"persona.p{number}" for number in range(5)]
TEN = [f"persona.p{number}" for number in range(10)]
LATER = 60.0


class Clock:
    """The time as those who watch between look-up and write see it."""

    def __init__(self) -> None:
        self.later = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.later


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("personas.reconcile.watch.time", made)
    monkeypatch.setattr("personas.reconcile.owners.time", made)
    return made


def all_of(locals_: list[str]) -> set[str]:
    return {email_of(local) for local in locals_}


def before_the_write(of: str, act: Callable[[], object]) -> Callable[[Seen], Fault | None]:
    """A script that acts once, when the write for somebody arrives, and forwards everything."""
    todo = [act]

    def script(seen: Seen) -> Fault | None:
        is_write = seen.method == "POST" and seen.path == PERSONAS
        if is_write and seen.json()["email"] == email_of(of) and todo:
            todo.pop()()
        return None

    return script


def rename(real: World, local: str, name: str) -> None:
    users = tables.users
    real.write(
        lambda c: c.execute(sa.update(users).where(users.c.email == email_of(local)).values(name=name))
    )


def user_of(real: World, local: str) -> dict[str, Any]:
    return next(row for row in real.rows(tables.users) if row["email"] == email_of(local))


# Looking up


@both_worlds
@pytest.mark.parametrize("signed_in", [[], FIVE[:1], FIVE])
def test_a_catalog_that_grows_from_five_to_ten_is_seeded_whoever_is_signed_in(
    real: World, tmp_path: Path, signed_in: list[str]
) -> None:
    env = environment(real.url, real.token)
    assert run("seed", "-c", write_catalog(tmp_path, FIVE), env=env).code == 0
    real.add_sessions(*signed_in)
    catalog = write_catalog(tmp_path, TEN)
    with fault_server(upstream=real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
        asked = len(proxy.to(LOOK_UP))
    assert ended.code == 0, ended
    assert ended.results() == {"done": 5}
    assert real.personas == all_of(TEN)
    assert asked == 1


@both_worlds
@pytest.mark.parametrize("signed_in", [False, True], ids=["never", "signed-in"])
def test_a_human_is_found_as_surely_when_signed_in_as_when_not(
    real: World, tmp_path: Path, signed_in: bool
) -> None:
    real.add_personas(*FIVE)
    real.add_humans("persona.p7")
    real.add_sessions(*FIVE, *(["persona.p7"] if signed_in else []))
    before = real.humans()
    catalog = write_catalog(tmp_path, TEN)
    with fault_server(upstream=real.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, real.token))
        assert proxy.to("POST", PERSONAS) == []
        assert len(proxy.to(LOOK_UP)) < 12
    assert ended.code == 5, ended
    assert "one catalog email belongs to somebody who is not one of ours: persona.p7@mana.test" in ended.err
    assert real.humans() == before


@both_worlds
def test_colleagues_with_accounts_of_the_domain_who_are_signed_in_are_in_nobodys_way(
    real: World, tmp_path: Path
) -> None:
    real.add_personas(*FIVE)
    real.add_humans("till", "vera", "dev.persona")
    real.add_sessions(*FIVE, "till", "vera", "dev.persona")
    before = real.humans()
    with fault_server(upstream=real.url) as proxy:
        catalog = write_catalog(tmp_path, TEN)
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
        assert len(proxy.to(LOOK_UP)) == 2
    assert ended.code == 0, ended
    assert real.personas == all_of(TEN)
    assert real.humans() == before


@both_worlds
def test_a_half_created_persona_is_healed_among_personas_that_are_signed_in(
    real: World, tmp_path: Path
) -> None:
    real.add_personas(*FIVE)
    real.add_half_created("persona.p8")
    real.add_sessions(*FIVE, "persona.p8")
    ended = run("seed", "-c", write_catalog(tmp_path, TEN), env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert real.personas == all_of(TEN)


@both_worlds
def test_what_is_not_known_says_which_call_failed_and_how(real: World, tmp_path: Path) -> None:
    real.add_personas(*FIVE)
    real.add_humans("persona.p7")
    real.add_sessions("persona.p7")
    limited = Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "1800"),))
    catalog = write_catalog(tmp_path, TEN)
    with fault_server(lambda s: limited if s.path == SIGN_IN else None, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    told = {change["email"]: change["reason"] for change in ended.document()["plan"]["changes"]}
    assert "signing in as" in told["persona.p7@mana.test"]
    assert "1800 s (HTTP 429)" in told["persona.p7@mana.test"]
    assert real.personas == all_of(TEN) - {"persona.p7@mana.test"}


# The last moment


@both_worlds
def test_a_human_who_signs_up_while_personas_are_written_is_not_turned_into_one(
    real: World, tmp_path: Path, clock: Clock
) -> None:
    catalog = write_catalog(tmp_path, TEN)

    def sign_up() -> None:
        real.add_humans("persona.p9")
        real.add_sessions("persona.p9")
        clock.later += LATER

    with fault_server(before_the_write("persona.p2", sign_up), real.url) as proxy:
        env = environment(proxy.url, real.token)
        ended = run("seed", "-c", catalog, "-o", "json", "--concurrency", "2", env=env)
        sent = {seen.json()["email"] for seen in proxy.to("POST", PERSONAS)}
    assert ended.code == 6, ended
    assert ended.results() == {"done": 9, "failed": 1}
    assert "persona.p9@mana.test belongs by now to somebody who is not one of ours" in ended.out
    assert sent == real.personas == all_of(TEN) - {"persona.p9@mana.test"}
    assert user_of(real, "persona.p9")["kind"] == "human"


@both_worlds
def test_a_human_who_signs_up_in_the_very_last_moment_is_told_by_email_and_id_and_deleted_by_nothing(
    real: World, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path, TEN)

    def sign_up() -> None:
        real.add_humans("persona.p9")
        rename(real, "persona.p9", "Erin the Human")

    with fault_server(before_the_write("persona.p9", sign_up), real.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    human = user_of(real, "persona.p9")
    env = environment(real.url, real.token)
    flat = " ".join(ended.out.split())
    if human["kind"] == "human":  # the embedded service refuses by itself
        assert "1 failed" in flat
        return
    who = f"persona.p9@mana.test (user {human['id']})"
    assert f"{who} had existed before, with another name, and is a persona now" in flat
    assert "look at it before anything is deleted" in flat
    for command in (("cleanup", "--yes"), ("seed", "--recreate", "--prune", "--yes")):
        after = run(*command, "-c", catalog, env=env)
        assert after.code == 0, after
        assert f"{who} may be somebody else's account, left alone without --force" in " ".join(
            after.out.split()
        )
        assert user_of(real, "persona.p9") == human
    assert run("cleanup", "--yes", "--force", "-c", catalog, env=env).code == 0
    assert real.personas == set()


@both_worlds
def test_without_a_secret_the_question_and_the_report_name_who_may_be_somebody_else(
    real: World, tmp_path: Path
) -> None:
    real.add_personas("a", "b")
    rename(real, "b", "Erin the Human")
    catalog = write_catalog(tmp_path, ["a", "b"])
    env = environment(real.url, real.token, PERSONA_SEED_SECRET=None, NODE_ENV="production")
    asked = run("cleanup", "-c", catalog, "--force", env=env)
    assert asked.code == 5, asked
    assert "cleanup would delete 2 personas" in asked.err
    assert "maybe somebody else's: b@mana.test" in asked.err
    preview = run("cleanup", "-c", catalog, "--dry-run", env=env)
    user_id = user_of(real, "b")["id"]
    assert f"b@mana.test (user {user_id}) may be somebody else's account" in " ".join(preview.out.split())


@both_worlds
def test_a_persona_of_ours_with_another_name_is_deleted_and_created_again(
    real: World, tmp_path: Path
) -> None:
    real.add_personas("a", "b")
    catalog = write_catalog(tmp_path, ["a", entry("b", name="Another Name")])
    env = environment(real.url, real.token)
    assert "1 recreated" in run("seed", "--recreate", "--yes", "-c", catalog, env=env).out
    assert user_of(real, "b")["name"] == "Another Name"
    rename(real, "b", "Yet another")
    assert "2 deleted" in run("cleanup", "--yes", "-c", catalog, env=env).out


# A secret that does not fit


@both_worlds
@pytest.mark.parametrize("command", ["dry-run", "seed"])
def test_another_secret_is_noticed_by_two_sign_ins_before_anything_is_written(
    real: World, tmp_path: Path, command: str
) -> None:
    real.add_personas(*FIVE)
    catalog = write_catalog(tmp_path, TEN)
    with fault_server(upstream=real.url) as proxy:
        env = environment(proxy.url, real.token, PERSONA_SEED_SECRET="another-secret-than-before")
        ended = run(command, "-c", catalog, env=env)
        tried = [seen.json()["email"] for seen in proxy.to("POST", SIGN_IN)]
        assert proxy.to("POST", PERSONAS) == []
    assert ended.code == 5, ended
    assert ended.err.count("the secret differs from the one these personas were seeded with") == 1
    assert "personas seed --recreate" in ended.err
    assert len(set(tried)) == len(tried) == 2
    assert real.personas == all_of(FIVE)


@both_worlds
def test_the_named_cure_for_another_secret_cures(real: World, tmp_path: Path) -> None:
    real.add_personas(*FIVE)
    catalog = write_catalog(tmp_path, TEN)
    env = environment(real.url, real.token, PERSONA_SEED_SECRET="another-secret-than-before")
    assert run("login", "persona.p3", "-c", catalog, env=env).code != 0
    ended = run("seed", "--recreate", "-c", catalog, env=env)
    assert ended.code == 5, ended
    assert f"--recreate would delete 5 personas and create them again at {real.url}" in ended.err
    assert "actions, feedback and spaces are lost" in ended.err
    assert real.personas == all_of(FIVE)
    with fault_server(upstream=real.url) as proxy:
        through = {**env, "MANA_AUTH_URL": proxy.url}
        ended = run("seed", "--recreate", "--yes", "-c", catalog, "-o", "json", env=through)
        wrong = [one.json()["email"] for one in proxy.to("POST", SIGN_IN) if one.status == 401]
    assert ended.code == 0, ended
    assert sorted(wrong) == sorted(all_of(FIVE))
    assert real.personas == all_of(TEN)
    assert run("login", "persona.p3", "-c", catalog, env=env).code == 0
    assert run("seed", "-c", catalog, "--check-login", "--fail-on-drift", env=env).code == 0


@both_worlds
def test_one_locked_out_persona_is_its_own_drift_and_no_word_about_the_secret(
    real: World, tmp_path: Path
) -> None:
    real.add_personas(*FIVE[1:])
    real.add_personas(FIVE[0], password="a-password-of-before")
    catalog = write_catalog(tmp_path, FIVE)
    env = environment(real.url, real.token)
    ended = run("seed", "-c", catalog, "--check-login", env=env)
    assert ended.code == 0, ended
    assert "locked out" in ended.out
    assert run("seed", "--recreate", "--yes", "-c", catalog, env=env).code == 0
    assert run("seed", "-c", catalog, "--check-login", "--fail-on-drift", env=env).code == 0


def test_a_service_that_limits_sign_ins_makes_the_secret_not_known_which_is_a_note(
    real: World, tmp_path: Path
) -> None:
    real.add_personas(*FIVE)
    limited = Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "1800"),))
    catalog = write_catalog(tmp_path, FIVE)
    with fault_server(lambda s: limited if s.path == SIGN_IN else None, real.url) as proxy:
        env = environment(proxy.url, real.token)
        ended = run("seed", "-c", catalog, "-o", "json", "--fail-on-drift", env=env)
        assert len(proxy.to(SIGN_IN)) == 1
    assert ended.code == 0, ended
    (note,) = ended.document()["notes"]
    assert note.startswith("Whether the seed secret fits is not known: ")


# What it costs


def requests(proxy: FaultServer) -> int:
    found = len(proxy.seen)
    proxy.seen.clear()
    return found


@pytest.mark.parametrize(
    ("_one_world", "number"), [("original", 200), ("embedded", 25)], indirect=["_one_world"], scope="session"
)
def test_what_safety_costs_is_a_few_requests_however_many_personas_there_are(
    real: World, tmp_path: Path, number: int
) -> None:
    everybody = [f"persona.n{each:03}" for each in range(number)]
    catalog = write_catalog(tmp_path, everybody)
    with fault_server(upstream=real.url) as proxy:
        env = environment(proxy.url, real.token)
        first = run("seed", "-c", catalog, "-o", "json", env=env)
        assert first.results() == {"done": number}, first
        assert requests(proxy) <= number + 5
        again = run("seed", "-c", catalog, "-o", "json", env=env)
        assert again.document()["plan"]["inSync"], again
        assert requests(proxy) <= 1 + number + 5
        real.add_sessions(*everybody)
        write_catalog(tmp_path, [entry(local, archetype="new") for local in everybody])
        changed = run("seed", "-c", catalog, "-o", "json", env=env)
        assert changed.results() == {"done": number}, changed
        assert requests(proxy) <= 1 + number + number + 5
        deleted = run("cleanup", "-c", catalog, "--yes", "-o", "json", env=env)
        assert deleted.results() == {"done": number}, deleted
        assert requests(proxy) == 1 + number


def test_cleanup_warns_of_drift_by_what_the_list_tells_and_reads_no_details(
    real: World, tmp_path: Path
) -> None:
    real.add_personas("a", "b", "c", "d", "stray")
    rename(real, "d", "Dee")
    changed = [entry("b", archetype="other"), entry("c", tickCadence="hourly"), entry("d"), entry("missing")]
    catalog = write_catalog(tmp_path, [entry("a", systemPrompt="Another prompt altogether."), *changed])
    with fault_server(upstream=real.url) as proxy:
        ended = run("cleanup", "-c", catalog, "--dry-run", env=environment(proxy.url, real.token))
        assert [seen.target for seen in proxy.to("GET", "/admin/")] == [f"GET {PERSONAS}"]
    assert ended.code == 0, ended
    flat = " ".join(ended.out.split())
    assert "Warning: there is drift" in flat
    assert "3 differ" in flat
    assert "1 not live" in flat
    assert "1 stray" in flat
    assert "prompts and weights were not compared" in flat


def test_a_later_deployment_without_names_has_each_name_read_before_it_is_deleted(tmp_path: Path) -> None:
    from functools import partial

    from original import LATER_MOUNT, Original

    with world(tmp_path, app=partial(Original, mount=LATER_MOUNT)) as later:
        later.add_personas("a", "b")
        rename(later, "b", "Erin the Human")
        users = {row["email"]: row["id"] for row in later.rows(tables.users)}
        accounts = tables.accounts
        foreign = sa.update(accounts).where(accounts.c.user_id == users["b@mana.test"])
        later.write(lambda c: c.execute(foreign.values(password="another:hash")))
        catalog = write_catalog(tmp_path, ["a", "b"])
        env = environment(later.url, later.token)
        args = ("-c", catalog, "--endpoint", LATER_MOUNT)
        ended = run("cleanup", "--yes", *args, env=env)
        assert "b@mana.test (user" in ended.out
        assert later.personas == {"b@mana.test"}
        assert run("cleanup", "--yes", "--force", *args, env=env).code == 0
        assert later.personas == set()


# A changed email


@both_worlds
def test_a_changed_email_is_told_with_what_becomes_of_the_old_account(real: World, tmp_path: Path) -> None:
    real.add_personas("persona.old", "persona.b")
    catalog = write_catalog(tmp_path, [entry("persona.new", name="Name of persona.old"), "persona.b"])
    env = environment(real.url, real.token)
    flat = " ".join(run("dry-run", "-c", catalog, env=env).out.split())
    assert "persona.new@mana.test looks like persona.old@mana.test with a changed email" in flat
    assert "the old one stays, with its actions and feedback" in flat
    flat = " ".join(run("dry-run", "--prune", "-c", catalog, env=env).out.split())
    assert "the old one is deleted, with its actions, feedback and spaces" in flat
