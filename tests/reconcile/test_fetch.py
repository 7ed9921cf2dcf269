from __future__ import annotations

import pytest

from personas.errors import CredentialsError, NoResponseError, ServiceError, UsageError
from personas.reconcile.changes import Status
from personas.reconcile.fetch import fetch, fetch_details, fetch_list

from .making import PASSWORDS, entry, make_catalog, make_live
from .world import LOOK_UP, PERSONAS, SIGN_IN, SIGN_OUT, World

pytestmark = pytest.mark.anyio

DETAIL = f"GET {PERSONAS}/"
TEN = [f"p{number}" for number in range(10)]


async def test_requests_of_first_seed_second_seed_and_list(world: World) -> None:
    catalog = make_catalog(*TEN)
    await world.seed(catalog)
    assert len(world.seen) == 12
    assert world.count(LOOK_UP) == 1
    world.seen.clear()
    plan = await world.plan(catalog)
    assert plan.counts[Status.IN_SYNC] == 10
    assert plan.notes == ()
    assert (world.count(f"GET {PERSONAS}$"), world.count(DETAIL)) == (1, 10)
    assert (world.count(SIGN_IN), world.count(SIGN_OUT), len(world.seen)) == (2, 2, 15)
    world.seen.clear()
    state = await fetch_list(world.service, catalog.scope)
    assert world.seen == [f"GET {PERSONAS}"]
    assert [persona.system_prompt for persona in state.personas] == [None] * 10
    assert all(p.system_prompt for p in (await fetch_details(world.service, state)).personas)


async def test_list_has_only_personas_in_scope_and_counts_others(world: World) -> None:
    await world.seed(make_catalog("ada", "books.bo"))
    books = make_catalog("books.bo", scope="persona.books.*@mana.test")
    state = await fetch_list(world.service, books.scope)
    assert [persona.email for persona in state.personas] == ["persona.books.bo@mana.test"]
    assert (state.others, state.scope, state.service) == (1, books.scope.patterns, world.service.address)
    assert state.capabilities == world.service.capabilities
    assert state.taken_at.tzinfo is not None


async def test_details_complete_the_list_of_those_compared(world: World) -> None:
    await world.seed(make_catalog("ada", "bo", "eve"))
    world.seen.clear()
    state = await fetch(world.service, make_catalog("ada", "bo"), passwords=None, only=("ada", "eve"))
    personas = {persona.name: persona for persona in state.personas}
    assert personas.keys() == {"Ada", "Eve"}
    assert world.count(DETAIL) == 1
    ada = make_live("ada")
    assert (personas["Ada"].system_prompt, personas["Ada"].module_mix) == (ada.system_prompt, ada.module_mix)
    assert (personas["Ada"].actions_7d, personas["Eve"].system_prompt) == (0, None)
    assert state.only == ("ada", "eve")


@pytest.mark.parametrize(("only", "live"), [("Old", 1), ("New", 1), ("researcher", 2), ("missing", 0)])
async def test_patterns_match_the_catalog_and_the_service(world: World, only: str, live: int) -> None:
    await world.seed(make_catalog("old", "bo"))
    catalog = make_catalog(entry("old", name="New"), "missing")
    assert len((await fetch(world.service, catalog, passwords=PASSWORDS, only=(only,))).personas) == live
    assert (
        len((await fetch_list(world.service, catalog.scope, only=(only,), catalog=catalog)).personas) == live
    )


async def test_pattern_without_match_ends_before_other_requests(world: World) -> None:
    await world.seed(make_catalog("ada"))
    world.seen.clear()
    with pytest.raises(UsageError, match="No persona matches --only 'jonsa'"):
        await fetch(world.service, make_catalog("ada"), passwords=PASSWORDS, only=("ada", "jonsa"))
    assert world.seen == [f"GET {PERSONAS}"]
    with pytest.raises(UsageError, match="'bo'"):
        await fetch_list(world.service, make_catalog("bo").scope, only=("bo",))


async def test_persona_deleted_meanwhile_is_new_and_looked_up(world: World) -> None:
    catalog = make_catalog("ada", "bo")
    await world.seed(catalog)
    world.seen.clear()
    world.when(DETAIL, do=lambda: world.delete("ada"), times=1)
    plan = await world.plan(catalog)
    assert [(change.name, change.status) for change in plan.drift] == [("Ada", "create")]
    assert world.count(f"{LOOK_UP}.*limit=0") == 2


async def test_unreadable_persona_is_unknown_and_the_rest_is_read(world: World) -> None:
    catalog = make_catalog("ada", "bo", "cy")
    await world.seed(catalog)
    world.when(DETAIL, 500, times=1)
    plan = await world.plan(catalog)
    (unknown,) = plan.of(Status.UNKNOWN)
    assert unknown.reason.startswith("could not be read: reading persona.")
    assert "HTTP 500" in unknown.reason
    assert plan.counts[Status.IN_SYNC] == 2


@pytest.mark.parametrize(
    ("status", "times", "error"),
    [
        (401, 1_000, CredentialsError),
        (403, 1_000, CredentialsError),
        (503, 1_000, NoResponseError),
        (429, 1_000, ServiceError),
        (500, 1_000, None),
        (503, 4, None),  # two attempts of two personas
    ],
)
async def test_refusal_or_several_calls_without_answer_stop_the_reading(
    world: World, status: int, times: int, error: type[Exception] | None
) -> None:
    world.service.concurrency = 1
    catalog = make_catalog(*TEN)
    await world.seed(catalog)
    world.when(DETAIL, status, times=times)
    state = await fetch_list(world.service, catalog.scope)
    world.seen.clear()
    if error is None:
        state = await fetch_details(world.service, state)
        assert len(state.unread) == (10 if status == 500 else 2)
    else:
        with pytest.raises(error):
            await fetch_details(world.service, state)
        assert world.count(DETAIL) <= 6
