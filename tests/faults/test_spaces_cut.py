"""Shared spaces: a run that was cut anywhere, or met a fault, is completed by itself or by the next."""

from __future__ import annotations

import datetime as dt
import signal
import threading

import pytest
import sqlalchemy as sa
from making import make_catalog, make_persona, make_space

from personas.catalog.models import Catalog, Member, Role, SpaceType
from personas.embedded import schema as tables

from .faultserver import Answer, Fault, Hold, Reset, Seen, Stall, nothing, when
from .spaces import BO, CLEANUP, CY, PRUNE, RECREATE, SEED, SHARED, SPACES, cuts, have, shared, wanted
from .world import SIGN_IN, SIGN_OUT, World, both_worlds, interrupted

EDITED = make_catalog(
    "ada",
    "bo",
    "cy",
    spaces=[
        make_space("flat", "bo", Member(email=CY, role=Role.ADMIN), name="Another", type=SpaceType.CLUB),
        make_space("desk", "cy", Member(email=BO, role=Role.ADMIN), "ada"),
    ],
)
PAIR = make_catalog("ada", "bo", spaces=[make_space("flat", "ada", "bo")])
RENAMED = make_catalog(
    make_persona("ada", name="Ada II"), make_persona("bo", name="Bo II"), spaces=PAIR.spaces
)
original_only = pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")


@both_worlds
def test_spaces_are_made_with_their_people_and_a_second_run_writes_nothing(real: World) -> None:
    real.write_spaces(SHARED)
    # Everybody is signed in once; then the owners alone, the check of the secret included.
    for sign_ins in (3, 2):
        seen = real.run("seed", "--fail-on-drift", through=nothing).seen
        assert len(seen.to(SIGN_IN)) == len(seen.to(SIGN_OUT)) == sign_ins
        assert shared(real) == wanted(SHARED)
        assert real.rows(tables.sessions) == []
    assert {one.target for one in seen.to("POST")} == {f"POST {SIGN_IN}", f"POST {SIGN_OUT}"}


# What is as wrong as the original is tried after every request; what is better than it, now and then.
@pytest.mark.parametrize(
    ("_one_world", "before", "catalog", "command", "every"),
    [
        pytest.param("original", None, SHARED, SEED, 1, id="first-seed"),
        pytest.param("embedded", None, SHARED, SEED, 4, id="first-seed-embedded"),
        pytest.param("original", SHARED, EDITED, PRUNE, 1, id="edited"),
        pytest.param("original", PAIR, RENAMED, RECREATE, 1, id="created-again"),
        pytest.param("original", SHARED, SHARED, CLEANUP, 1, id="cleanup"),
        pytest.param("embedded", SHARED, SHARED, CLEANUP, 4, id="cleanup-embedded"),
    ],
    indirect=["_one_world"],
    scope="session",
)
def test_a_run_that_was_cut_after_any_request_is_completed_by_the_next(
    real: World, before: Catalog | None, catalog: Catalog, command: tuple[str, ...], every: int
) -> None:
    if before is not None:
        have(real, before)
    real.write_spaces(catalog)
    states = cuts(real, *command)
    assert len(states) > 5
    for state in states[::every]:
        real.restore(state)
        real.run(*command)
        assert shared(real) == ({} if command is CLEANUP else wanted(catalog))
        assert real.personas == (set() if command is CLEANUP else {one.email for one in catalog.personas})
    assert real.run(*command, through=nothing).seen.to("POST|DELETE", "organization|personas") == []


LOST, BROKEN, BUSY = Reset("lost"), Answer(500), Answer(429, b"", (("retry-after", "0"),))
FIRST = ("create", "invite-member", "accept-invitation", "get-full-organization")
CHANGE = ("update", "update-member-role", "remove-member", "invite-member")


@pytest.mark.parametrize(
    ("_one_world", "fault", "first", "change"),
    [
        ("original", LOST, FIRST, CHANGE),
        ("embedded", LOST, FIRST, CHANGE),
        ("original", BROKEN, ("create",), ("remove-member",)),
        ("original", BUSY, ("invite-member", "get-full-organization"), ("update",)),
    ],
    ids=["lost-original", "lost-embedded", "broken", "busy"],
    indirect=["_one_world"],
    scope="session",
)
def test_a_call_that_meets_a_fault_is_done_in_the_end(
    real: World, fault: Fault, first: tuple[str, ...], change: tuple[str, ...]
) -> None:
    def meet(call: str, *command: str) -> None:
        ended = real.run(*command, through=when(f"{SPACES}/{call}$", then=fault, times=1))
        assert len(ended.seen.to(f"{SPACES}/{call}$")) > 1, call

    for call in first:
        real.start_anew()
        real.write_spaces(SHARED)
        meet(call, "seed")
        assert shared(real) == wanted(SHARED), call
    for call in change:
        have(real)
        real.write_spaces(EDITED)
        meet(call, "seed", "--prune", "--yes")
        assert shared(real) == wanted(EDITED), call
    have(real)
    meet("delete", "cleanup", "--yes")
    assert (shared(real), real.personas) == ({}, set())


@original_only
def test_a_space_that_once_could_not_be_shown_is_told_and_completed_by_the_next(real: World) -> None:
    # It stays so on the real service once a member was deleted: not asked again, told.
    real.write_spaces(SHARED)
    real.run("seed", through=when("get-full-organization", then=BROKEN, times=1), exits=6)
    real.run("seed")
    assert shared(real) == wanted(SHARED)


@both_worlds
def test_an_invitation_that_has_expired_is_given_anew(real: World) -> None:
    real.write_spaces(SHARED)
    for state in cuts(real, "seed"):
        real.restore(state)
        if any(row["status"] == "pending" for row in real.rows(tables.invitations)):
            break
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    real.execute(sa.update(tables.invitations).values(expires_at=past))
    plan = real.run("dry-run", "-o", "json").plan()
    told = [member["live"] for change in plan["spaceChanges"] for member in change["members"]]
    assert told.count("invitation expired") == 1
    real.run("seed")
    assert shared(real) == wanted(SHARED)


@original_only
def test_two_seeds_at_once_make_each_space_once_and_one_more_run_is_in_sync(real: World) -> None:
    real.write_spaces(SHARED)
    go_on = threading.Event()

    def together(seen: Seen) -> Fault | None:
        # Both have seen that there is no space before either of them makes one.
        if len(seen.all.to(f"{SPACES}/create")) == 4:
            go_on.set()
        return Hold(go_on) if seen.matches(f"{SPACES}/create") else None

    ends = real.run_beside(("seed",), ("seed",), through=together)
    assert [ended.code for ended in ends] == [0, 0], ends
    assert shared(real) == wanted(SHARED)
    real.run("dry-run", "--fail-on-drift")


@pytest.mark.parametrize(
    ("_one_world", "call", "number"),
    [
        ("original", "create", signal.SIGINT),
        ("embedded", "invite-member", signal.SIGTERM),
        ("original", "accept-invitation", signal.SIGINT),
    ],
    indirect=["_one_world"],
    scope="session",
)
def test_an_interrupt_while_spaces_are_made_finishes_what_is_under_way_and_the_next_seed_the_rest(
    real: World, call: str, number: signal.Signals
) -> None:
    real.write_spaces(SHARED)
    ended = real.run("seed", "-o", "json", through=when(call, then=interrupted(number)), exits=130)
    assert "finishing what is in flight" in ended.err
    assert ended.document()["interrupted"] is True
    told = ended.told()
    made = {slug for slug, space in shared(real).items() if space == wanted(SHARED).get(slug)}
    assert {slug for slug in ("flat", "desk") if told[slug][0] == "done"} == made
    assert real.rows(tables.sessions) == []
    real.run("seed")
    assert shared(real) == wanted(SHARED)


@original_only
def test_a_second_interrupt_while_spaces_are_made_tells_them_as_unknown_and_the_next_seed_makes_them(
    real: World,
) -> None:
    real.write_spaces(SHARED)
    stop = when("invite-member", then=interrupted(signal.SIGINT, signal.SIGTERM, then=Stall(forward=True)))
    told = real.run("seed", "-o", "json", through=stop, exits=130).told()
    assert "unknown" in {told["flat"][0], told["desk"][0]} <= {"unknown", "not-done"}
    real.run("seed")
    assert shared(real) == wanted(SHARED)
