"""Shared spaces: a run that was cut anywhere, or met a fault, is completed by itself or by the next."""

from __future__ import annotations

import datetime as dt
import signal
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from making import make_catalog, make_persona, make_space

from personas.catalog.models import Catalog, Member, Role, SpaceType
from personas.embedded import schema as tables
from personas.reconcile.plan import Intent

from .faultserver import Answer, Fault, Hold, Reset, Script, Seen, Stall, fault_server
from .space_tool import BO, CY, SHARED, SPACES, Tool, assert_all_done, cuts, shared, told_of, wanted, write
from .world import (
    World,
    both_worlds,
    end_of,
    environment,
    run,
    run_beside,
    started,
    stop_at_once,
    wait_until_said,
)

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


@both_worlds
def test_spaces_are_made_with_their_people_and_a_second_run_writes_nothing(real: World) -> None:
    tool = Tool(real)
    assert_all_done(tool.run(SHARED))
    assert shared(real) == wanted(SHARED)
    assert tool.lines.count("POST /api/auth/sign-in/email") == 3
    assert tool.lines.count("POST /api/auth/sign-out") == 3
    assert real.rows(tables.sessions) == []
    again = tool.run(SHARED)
    assert again.outcomes == ()
    assert tool.writes() == []
    # The owners alone are asked, once each, the check of the secret included.
    assert tool.lines.count("POST /api/auth/sign-in/email") == 2
    assert real.rows(tables.sessions) == []
    assert tool.plan(SHARED).in_sync


# What is as wrong as the original is tried after every request; what is better than it, now and then.
OFTEN = pytest.mark.parametrize(
    ("_one_world", "every"), [("original", 1), ("embedded", 6)], indirect=["_one_world"], scope="session"
)


@OFTEN
def test_a_first_seed_that_was_cut_after_any_request_is_completed_by_the_next(
    real: World, every: int
) -> None:
    tool = Tool(real, workers=1)
    number = 0
    for number in cuts(tool, SHARED, every=every):
        assert_all_done(tool.run(SHARED))
        assert shared(real) == wanted(SHARED), number
        real.start_anew()
    assert number > 20 - every


@pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")
@pytest.mark.parametrize(
    ("before", "catalog", "intent"),
    [(SHARED, EDITED, Intent(prune=True)), (PAIR, RENAMED, Intent(recreate=True))],
    ids=["edited", "created-again"],
)
def test_a_change_that_was_cut_after_any_request_is_completed_by_the_next(
    real: World, before: Catalog, catalog: Catalog, intent: Intent
) -> None:
    tool = Tool(real, workers=1)
    tool.run(before)
    kept = real.keep()
    number = 0
    for number in cuts(tool, catalog, intent):
        assert_all_done(tool.run(catalog, intent))
        assert shared(real) == wanted(catalog), number
        real.restore(kept)
    assert number >= 20
    assert shared(real) == wanted(catalog)
    assert tool.plan(catalog, intent).in_sync


@OFTEN
def test_a_cleanup_that_was_cut_after_any_request_is_completed_by_the_next(real: World, every: int) -> None:
    tool = Tool(real, workers=1)
    tool.run(SHARED)
    kept = real.keep()
    number = 0
    for number in cuts(tool, SHARED, Intent(purpose="cleanup"), every=every):
        assert_all_done(tool.run(SHARED, Intent(purpose="cleanup")))
        assert shared(real) == {}, number
        assert real.personas == set(), number
        real.restore(kept)
    assert number > 15 - every
    assert shared(real) == {}


def failing_once(path: str, fault: Fault) -> Script:
    met: list[str] = []

    def script(seen: Seen) -> Fault | None:
        if seen.path != path or met:
            return None
        met.append(path)
        return fault

    return script


WAIT = Answer(429, b"", (("retry-after", "0"),))
MET = pytest.mark.parametrize(
    ("_one_world", "faults"),
    [("original", [Reset("lost"), Answer(500), WAIT]), ("embedded", [Reset("lost")])],
    indirect=["_one_world"],
    scope="session",
)


@MET
@pytest.mark.parametrize("call", ["create", "invite-member", "accept-invitation", "get-full-organization"])
def test_a_call_of_a_first_seed_that_meets_a_fault_is_done_in_the_end(
    real: World, tmp_path: Path, call: str, faults: list[Fault]
) -> None:
    catalog = write(tmp_path, SHARED)
    for fault in faults:
        real.start_anew()
        with fault_server(failing_once(f"{SPACES}/{call}", fault), real.url) as proxy:
            ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
        if call == "get-full-organization" and fault == Answer(500):
            # It stays so on the real service once a member was deleted: not asked again, told.
            assert ended.code == 6, ended
            ended = run("seed", "-c", catalog, "-o", "json", env=environment(real.url, real.token))
        assert ended.code == 0, (fault, ended)
        assert shared(real) == wanted(SHARED), fault


@MET
@pytest.mark.parametrize("call", ["update", "update-member-role", "remove-member", "invite-member"])
def test_a_call_of_a_change_that_meets_a_fault_is_done_in_the_end(
    real: World, tmp_path: Path, call: str, faults: list[Fault]
) -> None:
    catalog = write(tmp_path, EDITED)
    for fault in faults:
        real.start_anew()
        Tool(real).run(SHARED)
        with fault_server(failing_once(f"{SPACES}/{call}", fault), real.url) as proxy:
            ended = run("seed", "-c", catalog, "--prune", "--yes", env=environment(proxy.url, real.token))
        assert ended.code == 0, (fault, ended)
        assert shared(real) == wanted(EDITED), fault


@MET
def test_a_deletion_that_meets_a_fault_is_done_in_the_end(
    real: World, tmp_path: Path, faults: list[Fault]
) -> None:
    catalog = write(tmp_path, SHARED)
    for fault in faults:
        real.start_anew()
        Tool(real).run(SHARED)
        with fault_server(failing_once(f"{SPACES}/delete", fault), real.url) as proxy:
            ended = run("cleanup", "-c", catalog, "--yes", env=environment(proxy.url, real.token))
        assert ended.code == 0, (fault, ended)
        assert shared(real) == {}, fault
        assert real.personas == set(), fault


@both_worlds
def test_an_invitation_that_has_expired_is_given_anew(real: World, tmp_path: Path) -> None:
    tool = Tool(real, workers=1)
    catalog = write(tmp_path, SHARED)
    for _ in cuts(tool, SHARED):
        if any(row["status"] == "pending" for row in real.rows(tables.invitations)):
            break
        real.start_anew()
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    real.write(lambda c: c.execute(sa.update(tables.invitations).values(expires_at=past)))
    token = real.token
    shown = run("dry-run", "-c", catalog, "-o", "json", env=environment(real.url, token))
    told = [member["live"] for c in shown.document()["plan"]["spaceChanges"] for member in c["members"]]
    assert told.count("invitation expired") == 1
    ended = run("seed", "-c", catalog, env=environment(real.url, token))
    assert ended.code == 0, ended
    assert shared(real) == wanted(SHARED)


@both_worlds
def test_two_seeds_at_once_make_each_space_once_and_one_more_run_is_in_sync(
    real: World, tmp_path: Path
) -> None:
    catalog = write(tmp_path, SHARED)
    go_on = threading.Event()

    def together(seen: Seen) -> Fault | None:
        if seen.path != f"{SPACES}/create":
            return None
        creations.append(seen.number)
        # Both have seen that there is no space before either of them makes one.
        if len(creations) == 4:
            go_on.set()
        return Hold(go_on)

    creations: list[int] = []
    with fault_server(together, real.url) as proxy:
        env = environment(proxy.url, real.token)
        seed = ("seed", "-c", catalog, "-o", "json")
        ends = run_beside(seed, seed, env=env, cwd=tmp_path)
    assert [ended.code for ended in ends] == [0, 0], ends
    assert shared(real) == wanted(SHARED)
    calm = run("dry-run", "-c", catalog, "--fail-on-drift", env=environment(real.url, real.token))
    assert calm.code == 0, calm


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
    real: World, tmp_path: Path, call: str, number: signal.Signals
) -> None:
    catalog = write(tmp_path, SHARED)
    arrived, go_on = threading.Event(), threading.Event()

    def script(seen: Seen) -> Fault | None:
        if seen.path != f"{SPACES}/{call}":
            return None
        arrived.set()
        return Hold(go_on)

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, real.token)
        with started("seed", "-c", catalog, "-o", "json", env=env, cwd=tmp_path) as process:
            assert arrived.wait(20)
            process.send_signal(number)
            wait_until_said(process, "finishing what is in flight")
            go_on.set()
            ended = end_of(process, 10)
    assert ended.code == 130, ended
    assert ended.document()["interrupted"] is True
    told = told_of(ended)
    made = {slug for slug, space in shared(real).items() if space == wanted(SHARED).get(slug)}
    assert {slug for slug in ("flat", "desk") if told[slug][0] == "done"} == made
    assert real.rows(tables.sessions) == []
    assert run("seed", "-c", catalog, env=environment(real.url, real.token)).code == 0
    assert shared(real) == wanted(SHARED)


@pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")
def test_a_second_interrupt_while_spaces_are_made_tells_them_as_unknown_and_the_next_seed_makes_them(
    real: World, tmp_path: Path
) -> None:
    catalog = write(tmp_path, SHARED)
    arrived = threading.Event()

    def script(seen: Seen) -> Fault | None:
        if seen.path != f"{SPACES}/invite-member":
            return None
        arrived.set()
        return Stall(forward=True)

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, real.token)
        with started("seed", "-c", catalog, "-o", "json", env=env, cwd=tmp_path) as process:
            assert arrived.wait(20)
            stop_at_once(process)
            ended = end_of(process, 15)
    assert ended.code == 130, ended
    results = {told_of(ended)[slug][0] for slug in ("flat", "desk")}
    assert "unknown" in results
    assert results <= {"unknown", "not-done"}
    assert run("seed", "-c", catalog, env=environment(real.url, real.token)).code == 0
    assert shared(real) == wanted(SHARED)
