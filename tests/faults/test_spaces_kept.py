"""Shared spaces: nobody else's is touched, and what could not be read or done is said."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from making import make_catalog, make_space

from personas.embedded import schema as tables

from .faultserver import Answer, Fault, when
from .spaces import ADA, ALONE, BO, CY, HUMAN, SHARED, SPACES, add_human_to, have, shared, wanted
from .world import PERSONAS, World, both_worlds

GET_FULL = f"{SPACES}/get-full-organization"
NOT_KNOWN = {"flat": "not-known", "desk": "not-known"}


@both_worlds
def test_a_space_of_somebody_else_with_the_slug_stops_everything_and_is_not_touched(real: World) -> None:
    have(real, ALONE)
    now = dt.datetime.now(dt.UTC)
    theirs = {"id": "o1", "name": "Theirs", "slug": "flat", "metadata": {"type": "team"}, "created_at": now}
    real.execute(sa.insert(tables.organizations).values(**theirs))
    add_human_to(real, "flat", "owner")
    before = shared(real)
    real.write_spaces(SHARED)
    ended = real.run("seed", "--prune", "--force", "--yes", exits=5)
    assert "one catalog space belongs to somebody who is not one of ours: flat" in ended.err
    assert shared(real) == before


@both_worlds
def test_a_space_with_a_human_in_it_is_not_deleted_and_its_owner_is_kept(sharing: World) -> None:
    add_human_to(sharing, "flat")
    humans = sharing.humans()
    plan = sharing.run("cleanup", "--yes", "-o", "json").plan()
    assert sharing.personas == {ADA}
    assert shared(sharing) == {"flat": ("Flat", "family", {ADA: "owner", HUMAN: "member"})}
    reasons = {change["email"]: change["reason"] for change in plan["changes"]}
    reasons |= {change["slug"]: change["reason"] for change in plan["spaceChanges"]}
    assert reasons["flat"] == f"{HUMAN} is a member and no persona: never deleted"
    assert "left alone without --force" in reasons[ADA]
    sharing.run("cleanup", "--yes", "--force")
    assert sharing.personas == set()
    assert set(shared(sharing)) == {"flat"}
    assert sharing.humans() == humans


@both_worlds
def test_somebody_who_joins_between_plan_and_deletion_keeps_the_space(sharing: World) -> None:
    join = when(GET_FULL, then=lambda: add_human_to(sharing, "flat"), first=3, times=1)
    told = sharing.run("cleanup", "--yes", "-o", "json", through=join, exits=6).told()
    assert "flat" in shared(sharing)
    assert ADA in sharing.personas
    assert told["flat"] == ("failed", f"{HUMAN} joined the space flat meanwhile: it is not deleted")
    assert told[ADA] == ("failed", f"{ADA} is kept: its space flat could not be deleted")


@both_worlds
def test_a_member_who_is_deleted_leaves_first_for_else_nobody_could_read_the_space(sharing: World) -> None:
    spaces = [make_space("flat", "ada", "cy"), make_space("desk", "cy", "ada")]
    without_bo = make_catalog("ada", "cy", spaces=spaces)
    sharing.write_spaces(without_bo)
    sharing.run("seed", "--prune", "--yes")
    assert shared(sharing) == wanted(without_bo)
    sharing.run("dry-run", "--fail-on-drift")
    sharing.run("cleanup", "--only", "cy", "--yes")
    assert shared(sharing) == {"flat": ("Flat", "family", {ADA: "owner"})}


def test_a_space_that_the_service_can_no_longer_show_is_told_as_not_known(sharing: World) -> None:
    broken = when(GET_FULL, then=Answer(500))
    ended = sharing.run("seed", "-o", "json", through=broken, exits=6)
    assert ended.space_states() == NOT_KNOWN
    sharing.run("cleanup", "--yes", through=broken, exits=6)
    assert sharing.personas == {ADA, BO, CY}
    sharing.run("cleanup", "--yes", "--force", through=broken, exits=6)
    assert sharing.personas == set()


STRANGE: list[Fault] = [
    Answer(404, b"404 Not Found"),
    Answer(403, {"message": "no"}),
    Answer(401, {"code": "UNAUTHORIZED"}),
    Answer(200, b"<html>"),
    Answer(200, {"spaces": 3}),
    Answer(200, [{"id": 3}]),
    Answer(302, b"", (("location", "http://127.0.0.1:1/"),)),
    Answer(429, b"", (("x-retry-after", "1000000"),)),
]


@pytest.mark.parametrize("fault", STRANGE)
@pytest.mark.parametrize("call", ["list", "get-full-organization"])
def test_no_strange_answer_is_told_as_in_sync_or_as_missing(sharing: World, call: str, fault: Fault) -> None:
    before = shared(sharing)
    strange = when(f"{SPACES}/{call}", then=fault)
    ended = sharing.run("seed", "-o", "json", through=strange, exits=6)
    assert ended.space_states() == NOT_KNOWN
    assert ended.plan()["inSync"] is False
    assert shared(sharing) == before


@pytest.mark.parametrize("fault", STRANGE)
def test_a_service_without_spaces_has_its_personas_seeded_and_says_what_is_missing(
    real: World, fault: Fault
) -> None:
    real.write_spaces(SHARED)
    told = real.run("seed", "-o", "json", through=when(SPACES, then=fault), exits=6).told()
    assert real.personas == {ADA, BO, CY}
    assert {told["flat"][0], told["desk"][0]} <= {"failed", "unknown"}
    assert shared(real) == {}


@both_worlds
def test_without_the_seed_secret_spaces_are_not_known_and_stay_behind(sharing: World) -> None:
    no_secret = {"PERSONA_SEED_SECRET": None, "PERSONAS_ENV": "production"}
    ended = sharing.run("dry-run", "-o", "json", exits=6, env=no_secret)
    assert ended.plan()["spaceCounts"]["notKnown"] == 2
    before = shared(sharing)
    ended = sharing.run("cleanup", "--yes", "--force", "-o", "json", exits=6, env=no_secret)
    assert sharing.personas == set()
    not_known = "The shared spaces of 3 personas who are deleted are not known"
    assert any(note.startswith(not_known) for note in ended.plan()["notes"])
    assert set(shared(sharing)) <= set(before)


@both_worlds
def test_a_space_whose_member_could_not_be_made_is_not_half_made(real: World) -> None:
    real.write_spaces(SHARED)
    refuse = when(f"POST {PERSONAS}", then=Answer(400, {"error": "no"}), email=BO)
    told = real.run("seed", "-o", "json", through=refuse, exits=6).told()
    assert told["flat"] == told["desk"] == ("not-done", f"{BO}, who shares it, is not there")
    assert shared(real) == {}
    real.run("seed")
    assert shared(real) == wanted(SHARED)


@both_worlds
def test_a_member_who_is_locked_out_leaves_no_half_made_space(real: World) -> None:
    real.add_personas(BO, password="another-password-1")
    real.write_spaces(SHARED)
    told = real.run("seed", "-o", "json", exits=6).told()
    why = f"{BO} cannot be signed in: the derived password does not sign in"
    assert told["flat"] == told["desk"] == ("failed", why)
    assert shared(real) == {}
