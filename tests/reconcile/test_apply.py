from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

import anyio
import httpx
import pytest
import respx

from personas.catalog.models import Persona
from personas.concurrency import Cancel
from personas.embedded import schema
from personas.errors import CredentialsError, NoResponseError, RateLimitedError, SafetyError, UnreachableError
from personas.reconcile.apply import apply
from personas.reconcile.changes import Options, Outcome, Owner, Ownership, Plan
from personas.reconcile.fetch import fetch, fetch_list
from personas.reconcile.plan import make_cleanup_plan, make_plan
from personas.redact import Secret
from personas.services.base import Service
from personas.services.http import RetryPolicy
from personas.services.mana import ManaService
from personas.services.models import FoundUser, LivePersona, PasswordCheck
from personas.services.sign_in import Credentials

from .making import (
    FLEXIBLE,
    OTHER_PASSWORDS,
    PASSWORDS,
    RIGHT,
    WRONG,
    email_of,
    entry,
    make_catalog,
    make_live,
    make_state,
    who_has,
)
from .world import PERSONAS, World

pytestmark = pytest.mark.anyio

CREATE = f"POST {PERSONAS}$"
DELETE = f"DELETE {PERSONAS}/"
GONE = "deleted; re-creation unconfirmed, run seed again: "
SIX = [f"p{number}" for number in range(6)]


def describe(outcomes: Iterable[Outcome]) -> list[tuple[str, str, str, str]]:
    return [(who_has(o.key), o.action, o.result, o.message) for o in outcomes]


def results(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [outcome.result for outcome in outcomes]


async def cleanup_plan(world: World, *names: str) -> Plan:
    catalog = make_catalog(*names)
    return make_cleanup_plan(catalog, await fetch_list(world.service, catalog.scope))


# What is done


async def test_every_action_is_done_and_reported_in_plan_order(world: World) -> None:
    await world.seed(make_catalog("bo", "cy", "dee", "eve", "fay"))
    world.change("cy", name="Cyrus")
    world.change("dee", schema.personas, archetype="other")
    world.set_password("fay")
    catalog = make_catalog("ada", "bo", "cy", entry("dee", tickCadence="hourly"), "fay")
    plan = await world.plan(catalog, prune=True, replace=True, check_passwords=True)
    outcomes = await world.apply(plan)
    assert describe(outcomes) == [
        ("ada", "create", "done", ""),
        ("dee", "update", "done", ""),
        ("cy", "replace", "done", ""),
        ("fay", "replace", "done", ""),
        ("eve", "delete", "done", ""),
    ]
    ids = {p.email: p.user_id for p in (await fetch_list(world.service, catalog.scope)).personas}
    assert [outcome.id for outcome in outcomes] == [*(ids[o.key] for o in outcomes[:4]), None]
    assert [outcome.name for outcome in outcomes] == ["Ada", "Dee", "Cy", "Fay", "Eve"]
    assert not (await world.plan(catalog, check_passwords=True)).drift


async def test_partial_update_says_what_still_differs(world: World) -> None:
    await world.seed(make_catalog("ada"))
    catalog = make_catalog(entry("ada", name="Eve", archetype="other"))
    expected = "name still differs; --replace re-creates it"
    assert describe(await world.seed(catalog)) == [("ada", "update", "done", expected)]
    (change,) = (await world.plan(catalog)).changes
    assert [field.field for field in change.fields] == ["name"]
    assert change.action is None


async def test_cleanup_costs_one_request_per_persona_and_no_seed_secret(world: World) -> None:
    await world.seed(make_catalog(*SIX))
    world.add_human("till")
    world.seen.clear()
    outcomes = await world.apply(await cleanup_plan(world, "p0"), passwords=None)
    assert results(outcomes) == ["done"] * 6
    assert len(world.seen) == 1 + 6
    assert (world.personas, world.emails("human")) == (set(), {"till"})


async def test_writing_without_seed_secret_is_refused_before_any_call(world: World) -> None:
    await world.seed(make_catalog("eve"))
    plan = await world.plan(make_catalog("ada"), prune=True)
    world.seen.clear()
    with pytest.raises(SafetyError, match="PERSONA_SEED_SECRET"):
        await world.apply(plan, passwords=None)
    assert world.seen == []


class FlexibleService:
    """A service with one persona, whose name and password it can change; its list is complete."""

    address, capabilities, concurrency = "https://auth.example.test", FLEXIBLE, 1

    def __init__(self) -> None:
        self.live = make_live("ada")
        self.password: Secret | None = None
        self.updated: list[set[str]] = []

    async def list_personas(self) -> tuple[LivePersona, ...]:
        return (self.live,)

    async def update(self, live: LivePersona, persona: Persona, fields: set[str], password: Secret) -> None:
        self.live = live.model_copy(update={"name": persona.name})
        self.password = password
        self.updated.append(set(fields))

    async def create(self, _persona: Persona, _password: Secret, *, existing: FoundUser | None = None) -> str:
        return existing.user_id if existing else "new"

    async def check_password(self, _email: str, password: Secret) -> PasswordCheck:
        return RIGHT if self.password == password else WRONG


async def test_updatable_name_and_password_are_updated() -> None:
    flexible = FlexibleService()
    service = cast("Service", flexible)
    catalog = make_catalog(entry("ada", name="Eve"))
    for passwords in (PASSWORDS, OTHER_PASSWORDS):
        state = await fetch(service, catalog, passwords=passwords, replace=True)
        await apply(make_plan(catalog, state, Options(replace=True)), service, passwords)
    assert flexible.updated == [{"name", "password"}, {"password"}]
    assert not make_plan(catalog, await fetch(service, catalog, passwords=OTHER_PASSWORDS)).drift
    with pytest.raises(SafetyError) as caught:
        await fetch(service, catalog, passwords=PASSWORDS)
    assert "--replace to change their passwords" in caught.value.hint


async def test_service_gets_updatable_fields_and_the_half_created_account() -> None:
    flexible = FlexibleService()
    half = Owner(ownership=Ownership.HALF_CREATED, user=FoundUser("half", email_of("bo")))
    state = make_state(make_live("ada", name="Eve", archetype="x"), owners={email_of("bo"): half})
    plan = make_plan(make_catalog("ada", "bo", "cy"), state)
    outcomes = await apply(plan, cast("Service", flexible), PASSWORDS)
    assert [outcome.id for outcome in outcomes] == ["half", "new", "id-ada"]
    assert flexible.updated == [{"archetype"}]


# What fails


@pytest.mark.parametrize(
    ("status", "body", "times", "result", "message"),
    [
        (400, {"error": "ValidationError", "details": ["name"]}, 1, "failed", "ValidationError; name"),
        (429, {"message": "Too many"}, 2, "failed", "rate limited"),
        (503, None, 2, "unknown", "not available"),
        (500, None, 2, "failed", "HTTP 500"),
        (200, {"ok": True}, 1, "unknown", "cannot be understood"),
    ],
)
async def test_one_failure_stops_no_other(
    world: World, status: int, body: object, times: int, result: str, message: str
) -> None:
    world.service.concurrency = 1
    plan = await world.plan(make_catalog("ada", "bo", "cy"))
    world.when(CREATE, status, body, skip=1, times=times)
    seen: list[Outcome] = []
    outcomes = await apply(plan, world.service, PASSWORDS, on_outcome=seen.append)
    assert results(outcomes) == ["done", result, "done"]
    assert outcomes[1].message.startswith("creating persona.bo@mana.test: ")
    assert message in outcomes[1].message
    assert (outcomes[1].id, outcomes[1].stopped_by) == (None, None)
    assert tuple(seen) == outcomes


@pytest.mark.parametrize(
    ("status", "times", "error", "done"),
    [
        (401, 1_000, CredentialsError, ["done", "failed", *["skipped"] * 4]),
        (403, 1_000, CredentialsError, ["done", "failed", *["skipped"] * 4]),
        (503, 1_000, NoResponseError, ["done", *["unknown"] * 3, *["skipped"] * 2]),
        (429, 1_000, RateLimitedError, ["done", *["failed"] * 3, *["skipped"] * 2]),
        (503, 4, None, ["done", *["unknown"] * 2, *["done"] * 3]),
        (400, 4, None, ["done", *["failed"] * 4, "done"]),
    ],
)
async def test_refusal_or_several_lost_answers_stop_the_run(
    world: World, status: int, times: int, error: type[Exception] | None, done: list[str]
) -> None:
    world.service.concurrency = 1
    plan = await world.plan(make_catalog(*SIX))
    world.when(CREATE, status, {"error": "Forbidden"}, skip=1, times=times)
    outcomes = await world.apply(plan)
    assert results(outcomes) == done
    stopped = [outcome for outcome in outcomes if outcome.stopped_by is not None]
    assert [type(outcome.stopped_by) for outcome in stopped] == ([error] if error else [])
    skipped = {outcome.message for outcome in outcomes if outcome.result == "skipped"}
    assert skipped == {f"not started: {outcome.message}" for outcome in stopped}


async def test_lost_answers_with_success_between_them_stop_nothing(world: World) -> None:
    world.service.concurrency = 1
    plan = await world.plan(make_catalog(*SIX))
    world.when(CREATE, 503, times=4)
    world.when(CREATE, 503, skip=1, times=4)
    assert results(await world.apply(plan)) == ["unknown", "unknown", "done", "unknown", "unknown", "done"]


async def test_service_that_is_gone_stops_the_run(respx_mock: respx.MockRouter) -> None:
    url = "http://localhost:3001"
    posted = respx_mock.post(f"{url}{PERSONAS}").mock(side_effect=httpx.ConnectError("refused"))
    token = Credentials(token=Secret("eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.c2lnbmF0dXJl"))
    async with ManaService(url, token, concurrency=1, retry=RetryPolicy(attempts=1)) as service:
        outcomes = await apply(make_plan(make_catalog(*SIX), make_state()), service, PASSWORDS)
    assert results(outcomes) == ["failed", *["skipped"] * 5]
    assert type(outcomes[0].stopped_by) is UnreachableError
    assert posted.call_count == 1


@pytest.mark.parametrize(
    ("answers", "result", "message"),
    [
        ([(404, {"error": "Not found"})], "done", "already gone"),
        ([(200, {"ok": True, "deleted": "x", "warning": "the user remains"})], "failed", "the user remains"),
        ([(500, None), (404, {"error": "Not found"})], "unknown", "its account may remain"),
        ([(400, {"error": "Not a persona", "hint": "x"})], "failed", "Not a persona"),
    ],
)
async def test_deletion_reports_what_the_service_says(
    world: World, answers: list[tuple[int, object]], result: str, message: str
) -> None:
    await world.seed(make_catalog("ada"))
    plan = await cleanup_plan(world, "ada")
    for status, body in answers:
        world.when(DELETE, status, body, times=1)
    ((_, action, ended, said),) = describe(await world.apply(plan))
    assert (action, ended) == ("delete", result)
    assert message in said


@pytest.mark.parametrize(("status", "result"), [(400, "failed"), (503, "unknown"), (401, "failed")])
async def plan_to_replace(world: World) -> Plan:
    await world.seed(make_catalog("ada"))
    return await world.plan(make_catalog(entry("ada", name="Eve")), replace=True)


@pytest.mark.parametrize(("status", "result"), [(400, "failed"), (503, "unknown"), (401, "failed")])
async def test_replaced_persona_that_is_not_created_again_is_named(
    world: World, status: int, result: str
) -> None:
    plan = await plan_to_replace(world)
    world.when(CREATE, status, {"error": "no"}, times=1 if status == 400 else 2)
    (outcome,) = await world.apply(plan)
    assert (outcome.action, outcome.result) == ("replace", result)
    assert outcome.message.startswith(f"{GONE}creating persona.ada@" if status != 401 else GONE)
    assert world.personas == set()
    await world.seed(make_catalog("ada"))


async def test_replace_keeps_a_persona_that_cannot_be_deleted(world: World) -> None:
    plan = await plan_to_replace(world)
    world.when(DELETE, 200, {"ok": True, "deleted": "x", "warning": "the user remains"})
    ((*_, result, message),) = describe(await world.apply(plan))
    assert result == "failed"
    assert not message.startswith(GONE)
    assert (world.count(CREATE), world.personas) == (1, {"ada"})


async def test_update_and_replace_create_a_persona_that_is_gone(world: World) -> None:
    replace = await plan_to_replace(world)
    update = await world.plan(make_catalog(entry("ada", archetype="other")))
    world.delete("ada")
    assert describe(await world.apply(update)) == [("ada", "update", "done", "")]
    assert world.personas == {"ada"}
    world.delete("ada")
    assert describe(await world.apply(replace)) == [("ada", "replace", "done", "")]


async def test_lost_creation_is_found_by_the_next_run(world: World) -> None:
    catalog = make_catalog("ada")
    plan = await world.plan(catalog)
    world.when(CREATE, 503, do=lambda: world.add_half_created("ada"), times=1)
    world.when(CREATE, 503, times=1)
    assert results(await world.apply(plan)) == ["unknown"]
    assert results(await world.seed(catalog)) == ["done"]
    assert not (await world.plan(catalog, check_passwords=True)).drift


# Two runs at once, and interruptions


async def test_two_seeds_at_once_create_each_persona_once(world: World) -> None:
    catalog = make_catalog(*SIX)
    plan = await world.plan(catalog)
    ended = await asyncio.gather(world.apply(plan), world.apply(plan))
    assert [results(outcomes) for outcomes in ended] == [["done"] * 6] * 2
    assert world.personas == {*SIX}
    assert not (await world.plan(catalog, check_passwords=True)).drift


async def test_interrupted_run_finishes_calls_in_flight_and_skips_the_rest(world: World) -> None:
    catalog = make_catalog(*(f"p{number:02}" for number in range(40)))
    plan = await world.plan(catalog)
    cancel = Cancel()
    world.when(CREATE, do=cancel.request, skip=9, times=1)
    outcomes = await apply(plan, world.service, PASSWORDS, cancel=cancel)
    done = results(outcomes).count("done")
    assert 10 <= done <= 9 + world.service.concurrency
    assert len(world.personas) == done
    rest = {(outcome.result, outcome.message) for outcome in outcomes[done:]}
    assert rest == {("skipped", "not started: the run was interrupted")}
    assert len(await world.seed(catalog)) == 40 - done


async def test_aborted_calls_are_reported_as_unknown(world: World) -> None:
    await world.seed(make_catalog("ada"))
    plan = await world.plan(make_catalog(entry("ada", name="Eve"), *SIX), replace=True)
    world.service.concurrency = 7
    seen: list[Outcome] = []
    with anyio.CancelScope() as scope:
        world.when(f"{CREATE}", do=scope.cancel, skip=6)
        await apply(plan, world.service, PASSWORDS, on_outcome=seen.append)
    lost = "interrupted before the service answered"
    assert ("ada", "replace", "unknown", f"{GONE}{lost}") in describe(seen)
    assert {outcome.result for outcome in seen} <= {"unknown", "done"}


async def test_outcomes_of_two_personas_with_one_email_are_distinct(world: World) -> None:
    await world.seed(make_catalog("ada"))
    (ada,) = (await fetch_list(world.service, make_catalog("ada").scope)).personas
    double = make_live("ada", email=email_of("ada").upper(), userId="missing")
    catalog = make_catalog(entry("ada", archetype="other"))
    plan = make_plan(catalog, make_state(ada, double), Options(prune=True))
    ended = [(outcome.action, outcome.message) for outcome in await world.apply(plan)]
    assert ended == [("update", ""), ("delete", "already gone")]
