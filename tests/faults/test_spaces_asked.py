"""Reading spaces costs sign-ins: who is asked, how fast, and that nobody stays signed in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from making import make_catalog, make_space

from personas.embedded import schema as tables
from personas.reconcile.plan import Intent, State, Step

from .faultserver import Answer, Fault, Seen, Then, fault_server
from .space_tool import ADA, BO, CY, SHARED, SPACES, Tool, assert_all_done, shared, states_of, wanted, write
from .world import World, both_worlds, environment, run, world

SIGN_IN = "POST /api/auth/sign-in/email"
SIGN_OUT = "POST /api/auth/sign-out"
ALONE = make_catalog("ada", "bo", "cy")


@both_worlds
def test_nobody_is_asked_for_a_catalog_without_spaces_unless_somebody_may_be_deleted(real: World) -> None:
    tool = Tool(real)
    tool.run(SHARED)
    tool.run(ALONE)
    assert [line for line in tool.lines if SPACES in line] == []
    assert tool.lines.count(SIGN_IN) == 1  # whether the secret fits
    tool.plan(ALONE, Intent(prune=True))
    assert tool.lines.count(f"GET {SPACES}/list") == 3


@pytest.mark.parametrize(
    ("intent", "sign_ins"),
    [(Intent(), 2), (Intent(prune=True), 3), (Intent(recreate=True), 3), (Intent(purpose="cleanup"), 3)],
)
def test_owners_alone_are_asked_but_where_somebody_may_be_deleted(
    real: World, intent: Intent, sign_ins: int
) -> None:
    tool = Tool(real)
    tool.run(SHARED)
    tool.plan(SHARED, intent)
    assert (tool.lines.count(SIGN_IN), tool.lines.count(SIGN_OUT)) == (sign_ins, sign_ins)
    assert real.rows(tables.sessions) == []


def test_each_persona_is_signed_in_once_a_run_whatever_it_is_needed_for(real: World) -> None:
    tool = Tool(real)
    tool.run(SHARED)
    edited = make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "bo", "cy"), *SHARED.spaces[1:]])
    assert_all_done(tool.run(edited, Intent(prune=True)))
    assert tool.lines.count(SIGN_IN) == 3
    assert shared(real) == wanted(edited)


@both_worlds
def test_a_space_passes_to_an_owner_who_is_new(real: World) -> None:
    tool = Tool(real)
    tool.run(SHARED)
    new = make_catalog("ada", "bo", "cy", "di", spaces=[make_space("flat", "di", "bo"), *SHARED.spaces[1:]])
    made = tool.plan(new)
    (flat,) = [change for change in made.spaces if change.key == "flat"]
    assert (flat.state, flat.step, flat.waits_for) == (State.UPDATE, Step.UPDATE, ("persona.di@mana.test",))
    assert_all_done(tool.run(new))
    assert shared(real)["flat"][2] == {ADA: "owner", "persona.di@mana.test": "owner", BO: "member"}


@both_worlds
def test_a_slug_that_another_persona_of_ours_has_is_found_with_it(real: World) -> None:
    tool = Tool(real)
    tool.run(make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "bo")]))
    moved = make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "ada", "cy")])
    assert_all_done(tool.run(moved, Intent(prune=True)))
    assert shared(real) == wanted(moved)


def test_only_asks_for_the_spaces_that_are_meant(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    catalog = write(tmp_path, SHARED)
    for only, asked in (("flat", 1), ("cy", 0), ("persona.*", 2)):
        with fault_server(upstream=real.url) as proxy:
            env = environment(proxy.url, real.token)
            ended = run("dry-run", "-c", catalog, "--only", only, "-o", "json", env=env)
            assert len(proxy.to("organization/list")) == asked, only
        assert ended.code == 0, ended
        assert set(states_of(ended).values()) <= {"in-sync"}


def test_a_preview_writes_nothing_and_leaves_nobody_signed_in(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    changed = make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo", name="New")])
    before = shared(real)
    env = environment(real.url, real.token)
    ended = run("dry-run", "-c", write(tmp_path, changed), "--prune", "-o", "json", env=env)
    assert ended.code == 0, ended
    assert states_of(ended) == {"flat": "update", "desk": "stray"}
    assert shared(real) == before
    assert real.rows(tables.sessions) == []


def test_sign_ins_keep_to_the_services_limit(tmp_path: Path) -> None:
    with world(tmp_path, behind_proxy=True) as limited:
        # The service asks for ten seconds; for the test they pass at once.
        def pass_time(status: int, head: bytes, body: bytes) -> bytes:
            if status == 429:
                waits.append(status)
                limited.now_is_later_by += dt.timedelta(seconds=11)
                lines = head.split(b"\r\n")
                lines = [b"x-retry-after: 0" if b"retry-after" in line.lower() else line for line in lines]
                head = b"\r\n".join(lines)
            return head + body

        def script(seen: Seen) -> Fault | None:
            seen.headers["x-forwarded-for"] = "203.0.113.7"
            return Then(pass_time) if seen.path == "/api/auth/sign-in/email" else None

        waits: list[int] = []
        people = [f"p{number}" for number in range(7)]
        catalog = make_catalog(*people, spaces=[make_space("crowd", people[0], *people[1:])])
        with fault_server(script, limited.url) as proxy:
            env = environment(proxy.url, limited.token)
            ended = run("seed", "-c", write(tmp_path, catalog), "-o", "json", env=env)
            signed_in = [seen for seen in proxy.to("sign-in/email") if seen.status == 200]
        assert ended.code == 0, ended
        assert shared(limited) == wanted(catalog)
        assert len(waits) >= 2
        assert len(signed_in) == len(people)


def test_a_limit_that_does_not_end_is_told_as_not_known(real: World, tmp_path: Path) -> None:
    Tool(real).run(SHARED)
    catalog = write(tmp_path, SHARED)
    busy = Answer(429, b"", (("x-retry-after", "1000000"),))
    with fault_server(lambda seen: busy if "sign-in" in seen.path else None, real.url) as proxy:
        env = environment(proxy.url, real.token)
        ended = run("seed", "-c", catalog, "-o", "json", env=env)
        assert ended.code == 6, ended
        assert states_of(ended) == {"flat": "not-known", "desk": "not-known"}
        ended = run("cleanup", "-c", catalog, "--yes", "-o", "json", env=env)
    # Nobody is deleted whose spaces would stay behind for want of patience.
    assert real.personas == {ADA, BO, CY}
    assert ended.code == 6, ended
