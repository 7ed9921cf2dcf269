"""Shared spaces: nobody else's is touched, and what could not be read or done is said."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from making import make_catalog, make_space

from personas.embedded import schema as tables

from .faultserver import Answer, Fault, Seen, fault_server
from .space_tool import (
    ADA,
    BO,
    CY,
    HUMAN,
    SHARED,
    SPACES,
    Tool,
    add_human_to,
    shared,
    states_of,
    told_of,
    wanted,
    write,
)
from .world import World, both_worlds, environment, run


@both_worlds
def test_a_space_of_somebody_else_with_the_slug_stops_everything_and_is_not_touched(
    real: World, tmp_path: Path
) -> None:
    Tool(real).run(make_catalog("ada", "bo", "cy"))
    now = dt.datetime.now(dt.UTC)
    theirs = {"id": "o1", "name": "Theirs", "slug": "flat", "metadata": {"type": "team"}, "created_at": now}
    real.write(lambda c: c.execute(sa.insert(tables.organizations).values(**theirs)))
    add_human_to(real, "flat", "owner")
    before = shared(real)
    catalog, said = write(tmp_path, SHARED), ("--prune", "--force", "--yes")
    ended = run("seed", "-c", catalog, *said, env=environment(real.url, real.token))
    assert ended.code == 5, ended
    assert "one catalog space belongs to somebody who is not one of ours: flat" in ended.err
    assert shared(real) == before


@both_worlds
def test_a_space_with_a_human_in_it_is_not_deleted_and_its_owner_is_kept(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    add_human_to(real, "flat")
    humans = real.humans()
    catalog = write(tmp_path, SHARED)
    ended = run("cleanup", "-c", catalog, "--yes", "-o", "json", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert real.personas == {ADA}
    assert shared(real) == {"flat": ("Flat", "family", {ADA: "owner", HUMAN: "member"})}
    told = ended.document()["plan"]
    reasons = {change["email"]: change["reason"] for change in told["changes"]}
    reasons |= {change["slug"]: change["reason"] for change in told["spaceChanges"]}
    assert reasons["flat"] == f"{HUMAN} is a member and no persona: never deleted"
    assert "left alone without --force" in reasons[ADA]
    ended = run("cleanup", "-c", catalog, "--yes", "--force", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert real.personas == set()
    assert set(shared(real)) == {"flat"}
    assert real.humans() == humans


@both_worlds
def test_somebody_who_joins_between_plan_and_deletion_keeps_the_space(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)

    def join(seen: Seen) -> Fault | None:
        if seen.path == f"{SPACES}/get-full-organization":
            asked.append(seen.query)
            if len(asked) == 3 and HUMAN not in real.emails("human"):
                add_human_to(real, "flat")
        return None

    asked: list[str] = []
    with fault_server(join, real.url) as proxy:
        ended = run(
            "cleanup",
            "-c",
            write(tmp_path, SHARED),
            "--yes",
            "-o",
            "json",
            env=environment(proxy.url, real.token),
        )
    assert ended.code == 6, ended
    assert "flat" in shared(real)
    assert ADA in real.personas
    told = told_of(ended)
    assert told["flat"] == ("failed", f"{HUMAN} joined the space flat meanwhile: it is not deleted")
    assert told[ADA] == ("failed", f"{ADA} is kept: its space flat could not be deleted")


@both_worlds
def test_a_member_who_is_deleted_leaves_first_for_else_nobody_could_read_the_space(
    real: World, tmp_path: Path
) -> None:
    Tool(real).run(SHARED)
    alone = make_catalog(
        "ada", "cy", spaces=[make_space("flat", "ada", "cy"), make_space("desk", "cy", "ada")]
    )
    catalog = write(tmp_path, alone)
    ended = run("seed", "-c", catalog, "--prune", "--yes", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert shared(real) == wanted(alone)
    calm = run("dry-run", "-c", catalog, "--fail-on-drift", env=environment(real.url, real.token))
    assert calm.code == 0, calm
    ended = run("cleanup", "-c", catalog, "--only", "cy", "--yes", env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert shared(real) == {"flat": ("Flat", "family", {ADA: "owner"})}


def test_a_space_that_the_service_can_no_longer_show_is_told_as_not_known(
    tmp_path: Path, real: World
) -> None:
    Tool(real).run(SHARED)
    catalog = write(tmp_path, SHARED)
    with fault_server(lambda seen: Answer(500) if "get-full" in seen.path else None, real.url) as proxy:
        env = environment(proxy.url, real.token)
        ended = run("seed", "-c", catalog, "-o", "json", env=env)
        assert ended.code == 6, ended
        assert states_of(ended) == {"flat": "not-known", "desk": "not-known"}
        ended = run("cleanup", "-c", catalog, "--yes", env=env)
        assert ended.code == 6, ended
        assert real.personas == {ADA, BO, CY}
        ended = run("cleanup", "-c", catalog, "--yes", "--force", env=env)
        assert ended.code == 6, ended
        assert real.personas == set()


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
def test_no_strange_answer_is_told_as_in_sync_or_as_missing(
    real: World, tmp_path: Path, call: str, fault: Fault
) -> None:
    Tool(real).run(SHARED)
    before = shared(real)
    catalog = write(tmp_path, SHARED)
    with fault_server(lambda seen: fault if seen.path == f"{SPACES}/{call}" else None, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    assert states_of(ended) == {"flat": "not-known", "desk": "not-known"}
    assert ended.document()["plan"]["inSync"] is False
    assert shared(real) == before


@pytest.mark.parametrize("fault", STRANGE)
def test_a_service_without_spaces_has_its_personas_seeded_and_says_what_is_missing(
    real: World, tmp_path: Path, fault: Fault
) -> None:
    catalog = write(tmp_path, SHARED)
    with fault_server(lambda seen: fault if seen.path.startswith(SPACES) else None, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    assert real.personas == {ADA, BO, CY}
    told = ended.document()["spaceOutcomes"]
    assert {outcome["result"] for outcome in told} <= {"failed", "unknown"}
    assert len(told) == 2
    assert shared(real) == {}


@both_worlds
def test_without_the_seed_secret_spaces_are_not_known_and_stay_behind(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    catalog = write(tmp_path, SHARED)
    env = environment(real.url, real.token, PERSONA_SEED_SECRET=None, PERSONAS_ENV="production")
    ended = run("dry-run", "-c", catalog, "-o", "json", env=env)
    assert ended.code == 6, ended
    assert ended.document()["plan"]["spaceCounts"]["notKnown"] == 2
    before = shared(real)
    ended = run("cleanup", "-c", catalog, "--yes", "--force", "-o", "json", env=env)
    assert ended.code == 6, ended
    assert real.personas == set()
    notes = ended.document()["plan"]["notes"]
    assert any(
        note.startswith("The shared spaces of 3 personas who are deleted are not known") for note in notes
    )
    assert set(shared(real)) <= set(before)


@both_worlds
def test_personal_spaces_that_stay_behind_are_told_with_their_number(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    ended = run(
        "cleanup", "-c", write(tmp_path, SHARED), "--yes", "-o", "json", env=environment(real.url, real.token)
    )
    assert (
        "The personal spaces of 3 personas who were deleted may stay behind on the service, "
        "which has no call to delete them." in ended.document()["notes"]
    )


@both_worlds
def test_a_space_whose_member_could_not_be_made_is_not_half_made(real: World, tmp_path: Path) -> None:
    def refuse(seen: Seen) -> Fault | None:
        wrong = seen.method == "POST" and seen.path.endswith("/personas") and seen.json()["email"] == BO
        return Answer(400, {"error": "no"}) if wrong else None

    catalog = write(tmp_path, SHARED)
    with fault_server(refuse, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 6, ended
    told = told_of(ended)
    assert told["flat"] == told["desk"] == ("not-done", f"{BO}, who shares it, is not there")
    assert shared(real) == {}
    ended = run("seed", "-c", catalog, env=environment(real.url, real.token))
    assert ended.code == 0, ended
    assert shared(real) == wanted(SHARED)


@both_worlds
def test_a_member_who_is_locked_out_leaves_no_half_made_space(real: World, tmp_path: Path) -> None:
    real.add_personas(BO, password="another-password-1")
    catalog = write(tmp_path, SHARED)
    ended = run("seed", "-c", catalog, "-o", "json", env=environment(real.url, real.token))
    assert ended.code == 6, ended
    told = told_of(ended)
    why = f"{BO} cannot be signed in: the derived password does not sign in"
    assert told["flat"] == told["desk"] == ("failed", why)
    assert shared(real) == {}
