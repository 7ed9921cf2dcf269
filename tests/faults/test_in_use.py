"""A service where people and personas sign in, on both of its forms: what is asked, and what is at risk."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from original import LATER_MOUNT, Original

from personas.embedded import schema as tables

from .faultserver import Answer, nothing, when
from .world import LOOK_UP, PERSONAS, SIGN_IN, World, both_worlds, emails_of, entry, world

FIVE = [f"persona.p{number}" for number in range(5)]
TEN = [f"persona.p{number}" for number in range(10)]
MANY = [f"persona.n{number:03}" for number in range(200)]
LATER = 60.0
LIMITED = when(SIGN_IN, then=Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "1800"),)))
OTHER_SECRET = {"PERSONA_SEED_SECRET": "another-secret-than-before"}


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


# Looking up


@both_worlds
@pytest.mark.parametrize("signed_in", [[], FIVE[:1], FIVE])
def test_a_catalog_that_grows_from_five_to_ten_is_seeded_whoever_is_signed_in(
    real: World, signed_in: list[str]
) -> None:
    real.add_personas(*FIVE)
    real.add_sessions(*signed_in)
    real.write_catalog(*TEN)
    ended = real.run("seed", "-o", "json", through=nothing)
    assert ended.results() == {"done": 5}
    assert real.personas == emails_of(TEN)
    assert len(ended.seen.to(LOOK_UP)) == 1


@both_worlds
@pytest.mark.parametrize("signed_in", [False, True], ids=["never", "signed-in"])
def test_a_human_is_found_as_surely_when_signed_in_as_when_not(real: World, signed_in: bool) -> None:
    real.add_personas(*FIVE)
    real.add_humans("persona.p7")
    real.add_sessions(*FIVE, *(["persona.p7"] if signed_in else []))
    before = real.humans()
    real.write_catalog(*TEN)
    ended = real.run("seed", through=nothing, exits=5)
    assert ended.seen.to("POST", PERSONAS) == []
    assert len(ended.seen.to(LOOK_UP)) < 12
    assert "one catalog email belongs to somebody who is not one of ours: persona.p7@mana.test" in ended.err
    assert real.humans() == before


@both_worlds
def test_colleagues_with_accounts_of_the_domain_who_are_signed_in_are_in_nobodys_way(real: World) -> None:
    real.add_personas(*FIVE)
    real.add_humans("till", "vera", "dev.persona")
    real.add_sessions(*FIVE, "till", "vera", "dev.persona")
    before = real.humans()
    real.write_catalog(*TEN)
    ended = real.run("seed", through=nothing)
    assert len(ended.seen.to(LOOK_UP)) == 2
    assert real.personas == emails_of(TEN)
    assert real.humans() == before


@both_worlds
def test_a_half_created_persona_is_healed_among_personas_that_are_signed_in(real: World) -> None:
    real.add_personas(*FIVE)
    real.add_half_created("persona.p8")
    real.add_sessions(*FIVE, "persona.p8")
    real.write_catalog(*TEN)
    assert "heals a half-created persona" in real.run("dry-run").out
    real.run("seed")
    assert real.personas == emails_of(TEN)
    real.run("seed", "--check-login", "--fail-on-drift")


@both_worlds
def test_what_is_not_known_says_which_call_failed_and_how(real: World) -> None:
    real.add_personas(*FIVE)
    real.add_humans("persona.p7")
    real.add_sessions("persona.p7")
    real.write_catalog(*TEN)
    ended = real.run("seed", "-o", "json", through=LIMITED, exits=6)
    [reason] = [one["reason"] for one in ended.plan()["changes"] if one["email"] == "persona.p7@mana.test"]
    assert "signing in as" in reason
    assert "1800 s (HTTP 429)" in reason
    assert real.personas == emails_of(TEN) - {"persona.p7@mana.test"}


# The last moment


@both_worlds
def test_a_human_who_signs_up_while_personas_are_written_is_not_turned_into_one(
    real: World, clock: Clock
) -> None:
    real.write_catalog(*TEN)

    def sign_up() -> None:
        real.add_humans("persona.p9")
        real.add_sessions("persona.p9")
        clock.later += LATER

    script = when(f"POST {PERSONAS}", email="persona.p2@mana.test", then=sign_up, times=1)
    ended = real.run("seed", "-o", "json", "--concurrency", "2", through=script, exits=6)
    assert ended.results() == {"done": 9, "failed": 1}
    assert "persona.p9@mana.test belongs by now to somebody who is not one of ours" in ended.out
    sent = {seen.email for seen in ended.seen.to(f"POST {PERSONAS}")}
    assert sent == real.personas == emails_of(TEN) - {"persona.p9@mana.test"}
    assert real.user("persona.p9")["kind"] == "human"


@both_worlds
def test_a_human_who_signs_up_in_the_very_last_moment_is_told_by_email_and_id_and_deleted_by_nothing(
    real: World,
) -> None:
    real.write_catalog(*TEN)
    script = when(
        f"POST {PERSONAS}",
        email="persona.p9@mana.test",
        then=lambda: real.add_users("persona.p9", name="Erin the Human"),
        times=1,
    )
    ended = real.run("seed", through=script, exits=6)
    human = real.user("persona.p9")
    if human["kind"] == "human":  # the embedded service refuses by itself
        assert "9 created, 1 failed" in ended.flat
        return
    who = f"persona.p9@mana.test (user {human['id']})"
    assert f"{who} had existed before, with another name, and is a persona now" in ended.flat
    assert "look at it before anything is deleted" in ended.flat
    for command in (("cleanup", "--yes"), ("seed", "--recreate", "--prune", "--yes")):
        after = real.run(*command)
        assert f"{who} may be somebody else's account, left alone without --force" in after.flat
        assert real.user("persona.p9") == human
    real.run("cleanup", "--yes", "--force")
    assert real.personas == set()


@both_worlds
def test_without_a_secret_the_question_and_the_report_name_who_may_be_somebody_else(real: World) -> None:
    real.add_personas("a", "b")
    real.rename("b", "Erin the Human")
    real.write_catalog("a", "b")
    no_secret = {"PERSONA_SEED_SECRET": None, "NODE_ENV": "production"}
    asked = real.run("cleanup", "--force", exits=5, env=no_secret)
    assert "cleanup would delete 2 personas" in asked.err
    assert "maybe somebody else's: b@mana.test" in asked.err
    preview = real.run("cleanup", "--dry-run", exits=None, env=no_secret)
    assert f"b@mana.test (user {real.user('b')['id']}) may be somebody else's account" in preview.flat


@both_worlds
def test_a_persona_of_ours_with_another_name_is_deleted_and_created_again(real: World) -> None:
    real.add_personas("a", "b")
    real.write_catalog("a", entry("b", name="Another Name"))
    assert "1 recreated" in real.run("seed", "--recreate", "--yes").out
    assert real.user("b")["name"] == "Another Name"
    real.rename("b", "Yet another")
    assert "2 deleted" in real.run("cleanup", "--yes").out


# A secret that does not fit


@both_worlds
@pytest.mark.parametrize(
    ("command", "tries"), [(("dry-run",), 2), (("seed",), 2), (("seed", "--check-login"), 5)]
)
def test_another_secret_is_noticed_by_two_sign_ins_before_anything_is_written(
    real: World, command: tuple[str, ...], tries: int
) -> None:
    real.add_personas(*FIVE)
    real.write_catalog(*TEN)
    before = real.rows(tables.users), real.rows(tables.personas)
    ended = real.run(*command, through=nothing, exits=5, env=OTHER_SECRET)
    assert ended.seen.to("POST", PERSONAS) == []
    assert ended.err.count("the secret differs from the one these personas were seeded with") == 1
    assert f"none of {tries} derived passwords" in ended.err
    assert "personas seed --recreate" in ended.err
    assert "persona.p" not in ended.everything
    tried = [seen.email for seen in ended.seen.to(SIGN_IN)]
    assert len(set(tried)) == len(tried) == tries
    assert before == (real.rows(tables.users), real.rows(tables.personas))


@both_worlds
def test_the_named_cure_for_another_secret_cures(real: World) -> None:
    real.add_personas(*FIVE)
    real.write_catalog(*TEN)
    assert real.run("login", "persona.p3", exits=None, env=OTHER_SECRET).code != 0
    ended = real.run("seed", "--recreate", exits=5, env=OTHER_SECRET)
    assert f"--recreate would delete 5 personas and create them again at {real.url}" in ended.err
    assert "actions, feedback and spaces are lost" in ended.err
    assert real.personas == emails_of(FIVE)
    ended = real.run("seed", "--recreate", "--yes", through=nothing, env=OTHER_SECRET)
    wrong = [seen.email for seen in ended.seen.to(SIGN_IN) if seen.status == 401]
    assert sorted(wrong) == sorted(emails_of(FIVE))
    assert real.personas == emails_of(TEN)
    real.run("login", "persona.p3", env=OTHER_SECRET)
    real.run("seed", "--check-login", "--fail-on-drift", env=OTHER_SECRET)


def test_a_service_that_limits_sign_ins_makes_the_secret_not_known_which_is_a_note(real: World) -> None:
    real.add_personas(*FIVE)
    real.write_catalog(*FIVE)
    ended = real.run("seed", "-o", "json", "--fail-on-drift", through=LIMITED)
    assert len(ended.seen.to(SIGN_IN)) == 1
    [note] = ended.document()["notes"]
    assert note.startswith("Whether the seed secret fits is not known: ")


# What it costs


@both_worlds
def test_what_safety_costs_a_first_seed_and_one_with_nothing_to_do_is_a_few_requests(real: World) -> None:
    real.write_catalog(*MANY[:25])
    first = real.run("seed", "-o", "json", through=nothing)
    assert first.results() == {"done": 25}
    assert len(first.seen) <= 25 + 5
    again = real.run("seed", "-o", "json", through=nothing)
    assert again.plan()["inSync"]
    assert len(again.seen) <= 1 + 25 + 5


@pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")
def test_what_safety_costs_is_a_few_requests_however_many_personas_there_are(real: World) -> None:
    real.add_personas(*MANY)
    real.add_sessions(*MANY)
    real.write_catalog(*(entry(local, archetype="new") for local in MANY))
    changed = real.run("seed", "-o", "json", through=nothing)
    assert changed.results() == {"done": 200}
    assert len(changed.seen) <= 1 + 200 + 200 + 5
    deleted = real.run("cleanup", "--yes", "-o", "json", through=nothing)
    assert deleted.results() == {"done": 200}
    assert len(deleted.seen) == 1 + 200


def test_cleanup_warns_of_drift_by_what_the_list_tells_and_reads_no_details(real: World) -> None:
    real.add_personas("a", "b", "c", "d", "stray")
    real.rename("d", "Dee")
    changed = [entry("b", archetype="other"), entry("c", tickCadence="hourly"), entry("d"), entry("missing")]
    real.write_catalog(entry("a", systemPrompt="Another prompt altogether."), *changed)
    ended = real.run("cleanup", "--dry-run", through=nothing)
    assert [seen.target for seen in ended.seen.to("GET /api/v1/admin/")] == [f"GET {PERSONAS}"]
    assert "Warning: there is drift" in ended.flat
    assert "3 differ" in ended.flat
    assert "1 not live" in ended.flat
    assert "1 stray" in ended.flat
    assert "prompts and weights were not compared" in ended.flat


def test_a_later_deployment_without_names_has_each_name_read_before_it_is_deleted(tmp_path: Path) -> None:
    with world(tmp_path, app=partial(Original, mount=LATER_MOUNT)) as later:
        later.add_personas("a", "b")
        later.rename("b", "Erin the Human")
        accounts = tables.accounts
        foreign = sa.update(accounts).where(accounts.c.user_id == later.user("b")["id"])
        later.execute(foreign.values(password="another:hash"))
        later.write_catalog("a", "b")
        ended = later.run("cleanup", "--yes", "--endpoint", LATER_MOUNT, exits=None)
        assert "b@mana.test (user" in ended.out
        assert later.personas == {"b@mana.test"}
        later.run("cleanup", "--yes", "--force", "--endpoint", LATER_MOUNT)
        assert later.personas == set()


# A changed email


@both_worlds
def test_a_changed_email_is_told_with_what_becomes_of_the_old_account(real: World) -> None:
    real.add_personas("persona.old", "persona.b")
    real.write_catalog(entry("persona.new", name="Name of persona.old"), "persona.b")
    said = real.run("dry-run").flat
    assert "persona.new@mana.test looks like persona.old@mana.test with a changed email" in said
    assert "the old one stays, with its actions and feedback" in said
    pruning = real.run("dry-run", "--prune").flat
    assert "the old one is deleted, with its actions, feedback and spaces" in pruning
