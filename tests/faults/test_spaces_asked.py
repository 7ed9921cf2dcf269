"""Reading spaces costs sign-ins: who is asked, how fast, and that nobody stays signed in."""

from __future__ import annotations

import pytest
from making import make_catalog, make_space

from personas.embedded import schema as tables

from .faultserver import Answer, nothing, when
from .spaces import ADA, ALONE, BO, CLEANUP, CY, PRUNE, RECREATE, SEED, SHARED, SPACES, have, shared, wanted
from .world import SIGN_IN, SIGN_OUT, World, both_worlds, in_no_time


@both_worlds
def test_nobody_is_asked_for_a_catalog_without_spaces_unless_somebody_may_be_deleted(sharing: World) -> None:
    sharing.write_spaces(ALONE)
    ended = sharing.run("seed", through=nothing)
    assert ended.seen.to(SPACES) == []
    assert len(ended.seen.to(SIGN_IN)) == 1  # whether the secret fits
    ended = sharing.run("dry-run", "--prune", through=nothing)
    assert len(ended.seen.to(f"GET {SPACES}/list")) == 3


@pytest.mark.parametrize(("command", "sign_ins"), [(SEED, 2), (PRUNE, 3), (RECREATE, 3), (CLEANUP, 3)])
def test_owners_alone_are_asked_but_where_somebody_may_be_deleted(
    sharing: World, command: tuple[str, ...], sign_ins: int
) -> None:
    seen = sharing.run(*command, "--dry-run", through=nothing).seen
    assert len(seen.to(SIGN_IN)) == len(seen.to(SIGN_OUT)) == sign_ins
    assert sharing.rows(tables.sessions) == []


def test_each_persona_is_signed_in_once_a_run_whatever_it_is_needed_for(sharing: World) -> None:
    edited = make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "bo", "cy"), *SHARED.spaces[1:]])
    sharing.write_spaces(edited)
    ended = sharing.run(*PRUNE, through=nothing)
    assert len(ended.seen.to(SIGN_IN)) == 3
    assert shared(sharing) == wanted(edited)


@both_worlds
def test_a_space_passes_to_an_owner_who_is_new(sharing: World) -> None:
    spaces = [make_space("flat", "di", "bo"), *SHARED.spaces[1:]]
    sharing.write_spaces(make_catalog("ada", "bo", "cy", "di", spaces=spaces))
    assert sharing.run("dry-run", "-o", "json").space_states() == {"flat": "update", "desk": "in-sync"}
    sharing.run("seed")
    assert shared(sharing)["flat"][2] == {ADA: "owner", "persona.di@mana.test": "owner", BO: "member"}


@both_worlds
def test_a_slug_that_another_persona_of_ours_has_is_found_with_it(real: World) -> None:
    have(real, make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "bo")]))
    moved = make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "ada", "cy")])
    real.write_spaces(moved)
    real.run(*PRUNE)
    assert shared(real) == wanted(moved)


@pytest.mark.parametrize(("only", "asked"), [("flat", 1), ("cy", 0), ("persona.*", 2)])
def test_only_asks_for_the_spaces_that_are_meant(sharing: World, only: str, asked: int) -> None:
    ended = sharing.run("dry-run", "--only", only, "-o", "json", through=nothing)
    assert len(ended.seen.to("organization/list")) == asked
    assert set(ended.space_states().values()) <= {"in-sync"}


def test_a_preview_writes_nothing_and_leaves_nobody_signed_in(sharing: World) -> None:
    before = shared(sharing)
    sharing.write_spaces(
        make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo", name="New")])
    )
    ended = sharing.run("dry-run", "--prune", "-o", "json")
    assert ended.space_states() == {"flat": "update", "desk": "stray"}
    assert shared(sharing) == before
    assert sharing.rows(tables.sessions) == []


def test_sign_ins_keep_to_the_services_limit(limited: World) -> None:
    people = [f"p{number}" for number in range(7)]
    catalog = make_catalog(*people, spaces=[make_space("crowd", people[0], *people[1:])])
    limited.write_spaces(catalog)
    ended = limited.run("seed", through=in_no_time(limited))
    assert shared(limited) == wanted(catalog)
    statuses = [seen.status for seen in ended.seen.to(SIGN_IN)]
    assert statuses.count(429) >= 2
    assert statuses.count(200) == len(people)


def test_a_limit_that_does_not_end_is_told_as_not_known(sharing: World) -> None:
    busy = when(SIGN_IN, then=Answer(429, b"", (("x-retry-after", "1000000"),)))
    ended = sharing.run("seed", "-o", "json", through=busy, exits=6)
    assert ended.space_states() == {"flat": "not-known", "desk": "not-known"}
    # Nobody is deleted whose spaces would stay behind for want of patience.
    sharing.run("cleanup", "--yes", through=busy, exits=6)
    assert sharing.personas == {ADA, BO, CY}
