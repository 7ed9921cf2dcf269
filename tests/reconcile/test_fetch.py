from __future__ import annotations

import pytest

from personas.errors import CredentialsError, NoResponseError, RateLimitedError, ServiceError, UsageError
from personas.reconcile.changes import Status
from personas.reconcile.fetch import fetch, fetch_details, fetch_list
from tests.making import PASSWORDS, entry, make_catalog, make_live
from tests.world import LOOK_UP, PERSONAS, SIGN_IN, SIGN_OUT, World

pytestmark = pytest.mark.anyio

DETAIL = f"GET {PERSONAS}/"
FIVE = ["p0", "p1", "p2", "p3", "p4"]


async def test_requests_of_first_seed_second_seed_and_list(world: World) -> None:
    catalog = make_catalog(*FIVE)
    await world.seed(catalog)
    assert (len(world.seen), world.count(LOOK_UP)) == (2 + 5, 1)
    world.seen.clear()
    plan = await world.plan(catalog)
    assert (plan.counts[Status.IN_SYNC], plan.notes) == (5, ())
    assert (world.count(f"GET {PERSONAS}$"), world.count(DETAIL)) == (1, 5)
    assert (world.count(SIGN_IN), world.count(SIGN_OUT), len(world.seen)) == (2, 2, 5 + 5)
    world.seen.clear()
    state = await fetch_list(world.service, catalog.scope)
    assert world.seen == [f"GET {PERSONAS}"]
    assert [persona.system_prompt for persona in state.personas] == [None] * 5
    assert all(p.system_prompt for p in (await fetch_details(world.service, state)).personas)


async def test_state_has_the_scope_and_details_of_what_is_compared(world: World) -> None:
    await world.seed(make_catalog("ada", "bo", "eve", "books.bo"))
    world.seen.clear()
    scope = ["persona.???@mana.test", "persona.b?@mana.test"]
    catalog = make_catalog(entry("ada", name="New"), "bo", "may", scope=scope)
    state = await fetch(world.service, catalog, passwords=None, only=("new", "EVE", "may"))
    personas = {persona.name: persona for persona in state.personas}
    assert personas.keys() == {"Ada", "Eve"}
    assert world.count(DETAIL) == 1
    ada = make_live("ada")
    assert (personas["Ada"].system_prompt, personas["Ada"].module_mix) == (ada.system_prompt, ada.module_mix)
    assert (personas["Ada"].actions_7d, personas["Eve"].system_prompt) == (0, None)
    assert (state.only, state.others, state.scope) == (("new", "EVE", "may"), 1, catalog.scope.patterns)
    assert (state.service, state.capabilities) == (world.service.address, world.service.capabilities)
    world.seen.clear()
    with pytest.raises(UsageError, match="No persona matches --only 'jonsa'"):
        await fetch(world.service, catalog, passwords=PASSWORDS, only=("bo", "jonsa"))
    with pytest.raises(UsageError, match="'may'"):
        await fetch_list(world.service, catalog.scope, only=("may",))
    assert world.seen == [f"GET {PERSONAS}"] * 2


async def test_persona_that_is_gone_is_new_and_an_unreadable_one_unknown(world: World) -> None:
    catalog = make_catalog("ada", "bo", "cy")
    await world.seed(catalog)
    world.seen.clear()
    world.when(DETAIL, do=lambda: world.delete("ada"), times=1)
    plan = await world.plan(catalog)
    assert [(change.name, change.status) for change in plan.drift] == [("Ada", "create")]
    assert world.count(f"{LOOK_UP}.*limit=0") == 1
    await world.apply(plan)
    world.when(DETAIL, 500, times=1)
    (unknown,) = (await world.plan(catalog)).drift
    assert unknown.status == "unknown"
    assert unknown.reason.startswith("could not be read: reading persona.")
    assert "HTTP 500" in unknown.reason


@pytest.mark.parametrize(
    ("status", "times", "result"),
    [
        (401, 1_000, CredentialsError),
        (503, 1_000, NoResponseError),
        (429, 1_000, RateLimitedError),
        (500, 1_000, 5),
        (503, 4, 2),  # two attempts of two personas
    ],
)
async def test_refusal_or_several_calls_without_answer_stop_the_reading(
    world: World, status: int, times: int, result: int | type[ServiceError]
) -> None:
    world.service.concurrency = 1
    await world.seed(make_catalog(*FIVE))
    state = await fetch_list(world.service, make_catalog(*FIVE).scope)
    world.when(DETAIL, status, times=times)
    world.seen.clear()
    if isinstance(result, int):
        assert len((await fetch_details(world.service, state)).unread) == result
        return
    with pytest.raises(result):
        await fetch_details(world.service, state)
    assert world.count(DETAIL) <= 6
