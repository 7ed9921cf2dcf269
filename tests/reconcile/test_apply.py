from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast

import anyio
import pytest

from personas import LivePersona, Options, Outcome, Persona, Plan, Secret, Service, apply, make_plan
from personas.embedded import schema
from personas.errors import CredentialsError, NoResponseError, RateLimitedError, SafetyError
from personas.reconcile.changes import Owner
from personas.reconcile.fetch import fetch_list
from personas.reconcile.plan import make_cleanup_plan
from personas.services.models import FoundUser, PasswordCheck, Verdict
from tests.making import FIXED, FLEXIBLE, PASSWORDS, email_of, entry, make_catalog, make_live, make_state
from tests.world import PERSONAS, World

pytestmark = pytest.mark.anyio

CREATE = f"POST {PERSONAS}$"
DELETE = f"DELETE {PERSONAS}/"
GONE = "deleted; re-creation unconfirmed, run seed again: "
LOST = ["unknown", "unknown"]
SIX = [f"p{number}" for number in range(6)]


def describe(outcomes: Iterable[Outcome]) -> list[tuple[str, str, str, str]]:
    return [(o.name, o.action, o.result, o.message) for o in outcomes]


def results(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [outcome.result for outcome in outcomes]


async def test_every_action_is_done_and_reported_in_plan_order(world: World) -> None:
    await world.seed(make_catalog("bo", "cy", "dee", "eve", "fay"))
    world.change("cy", name="Cyrus")
    world.change("dee", schema.personas, archetype="other")
    world.set_password("fay")
    catalog = make_catalog("ada", "bo", "cy", entry("dee", tickCadence="hourly"), "fay")
    outcomes = await world.apply(await world.plan(catalog, prune=True, replace=True, check_passwords=True))
    assert describe(outcomes) == [
        ("Ada", "create", "done", ""),
        ("Dee", "update", "done", ""),
        ("Cy", "replace", "done", ""),
        ("Fay", "replace", "done", ""),
        ("Eve", "delete", "done", ""),
    ]
    ids = {p.email: p.user_id for p in (await fetch_list(world.service, catalog.scope)).personas}
    assert [outcome.id for outcome in outcomes] == [*(ids[o.key] for o in outcomes[:4]), None]
    assert not (await world.plan(catalog, check_passwords=True)).drift


async def test_update_says_what_still_differs_and_what_was_gone(world: World) -> None:
    replace = await plan_to_replace(world)
    update = await world.plan(make_catalog(entry("ada", name="Eve", archetype="other")))
    expected = "name still differs; --replace re-creates it"
    assert describe(await world.apply(update)) == [("Eve", "update", "done", expected)]
    world.delete("ada")
    (outcome,) = await world.apply(update)
    assert describe([outcome]) == [("Eve", "update", "done", "re-created: it was deleted meanwhile")]
    (ada,) = (await fetch_list(world.service, make_catalog("ada").scope)).personas
    assert (outcome.id, ada.name, ada.archetype) == (ada.user_id, "Eve", "other")
    world.delete("ada")
    assert describe(await world.apply(replace)) == [("Eve", "replace", "done", "")]


async def test_only_deletions_need_no_seed_secret(world: World) -> None:
    await world.seed(make_catalog(*SIX))
    plan = await world.plan(make_catalog("ada"), prune=True)
    world.seen.clear()
    with pytest.raises(SafetyError, match=r"^There is no seed secret .* Set PERSONA_SEED_SECRET\.$"):
        await apply(plan, world.service, None)
    assert world.seen == []
    catalog = make_catalog("p0")
    plan = make_cleanup_plan(catalog, await fetch_list(world.service, catalog.scope))
    assert results(await apply(plan, world.service, None)) == ["done"] * 6
    assert (len(world.seen), world.users()) == (1 + 6, set())


async def test_outcomes_of_two_personas_with_one_email_are_distinct(world: World) -> None:
    double = make_live("ada", email=email_of("ada").upper(), userId="missing")
    await world.seed(make_catalog("ada"))
    state = await fetch_list(world.service, make_catalog("ada").scope)
    state = state.model_copy(update={"personas": (*state.personas, double)})
    plan = make_plan(make_catalog(entry("ada", archetype="other")), state, Options(prune=True))
    ended = [(outcome.action, outcome.message) for outcome in await world.apply(plan)]
    assert ended == [("update", ""), ("delete", "already gone")]


class Recorder:
    """A service that can update names and passwords."""

    concurrency = 1

    def __init__(self) -> None:
        self.calls: list[object] = []

    async def update(self, live: LivePersona, _: Persona, fields: Collection[str], password: Secret) -> str:
        self.calls.append((sorted(fields), password == PASSWORDS.derive(live.email)))
        return live.user_id

    async def create(self, _: Persona, _password: Secret, *, existing: FoundUser | None = None) -> str:
        self.calls.append(existing)
        return existing.user_id if existing else "new"


async def test_service_gets_updatable_fields_and_the_half_created_account() -> None:
    half = FoundUser("half", email_of("bo"))
    owners = {half.email: Owner(verdict=Verdict.RIGHT, user=half)}
    live = make_live("ada", name="Eve", archetype="x")
    recorder = Recorder()
    for capabilities in (FIXED, FLEXIBLE):
        passwords = {live.email: PasswordCheck(Verdict.WRONG)} if capabilities is FLEXIBLE else {}
        state = make_state(live, owners=owners, capabilities=capabilities, passwords=passwords)
        plan = make_plan(make_catalog("ada", "bo", "cy"), state)
        outcomes = await apply(plan, cast("Service", recorder), PASSWORDS)
        assert [outcome.id for outcome in outcomes] == ["half", "new", "id-ada"]
    assert recorder.calls == [half, None, (["archetype"], True), half, None, (["name", "password"], True)]


@pytest.mark.parametrize(
    ("faults", "error", "ended"),
    [
        ([(1, 401, 1_000)], CredentialsError, ["done", "failed", *["skipped"] * 4]),
        ([(1, 503, 1_000)], NoResponseError, ["done", *["unknown"] * 3, *["skipped"] * 2]),
        ([(1, 429, 1_000)], RateLimitedError, ["done", *["failed"] * 3, *["skipped"] * 2]),
        ([(1, 503, 4), (2, 503, 4)], None, ["done", *LOST, "done", *LOST]),
        ([(0, 503, 4), (0, 400, 1), (0, 503, 4)], None, [*LOST, "failed", *LOST, "done"]),
        ([(1, 400, 4)], None, ["done", *["failed"] * 4, "done"]),
        ([(1, 200, 1)], None, ["done", "unknown", *["done"] * 4]),  # without a confirmation
    ],
)
async def test_only_a_refusal_or_several_lost_answers_stop_the_run(
    world: World, faults: list[tuple[int, int, int]], error: type[Exception] | None, ended: list[str]
) -> None:
    world.service.concurrency = 1
    plan = await world.plan(make_catalog(*SIX))
    for skip, status, times in faults:  # each call has two attempts
        world.when(CREATE, status, {"error": "Forbidden"}, skip=skip, times=times)
    seen: list[Outcome] = []
    outcomes = await apply(plan, world.service, PASSWORDS, on_outcome=seen.append)
    assert results(outcomes) == ended
    assert tuple(seen) == outcomes[: len(seen)]
    stopped = [outcome for outcome in outcomes if outcome.stopped_by is not None]
    assert [type(outcome.stopped_by) for outcome in stopped] == ([error] if error else [])
    assert {o.message for o in outcomes[len(seen) :]} == {f"not started: {o.message}" for o in stopped}
    assert outcomes[1].id is None
    assert outcomes[1].message.startswith("creating persona.p1@mana.test: ") or error is CredentialsError


async def test_first_of_several_refusals_stops_the_run(world: World) -> None:
    plan = await world.plan(make_catalog(*SIX))
    world.when(CREATE, 403)
    outcomes = await world.apply(plan)
    assert [outcome.stopped_by is None for outcome in outcomes].count(False) == 1


async def plan_to_replace(world: World, *more: str) -> Plan:
    await world.seed(make_catalog("ada"))
    return await world.plan(make_catalog(entry("ada", name="Eve"), *more), replace=True)


@pytest.mark.parametrize(
    ("call", "status", "body", "result", "left"),
    [
        (CREATE, 400, {"error": "no"}, "failed", set()),
        (CREATE, 503, None, "unknown", set()),
        (CREATE, 401, None, "failed", set()),
        (DELETE, 200, {"ok": True, "deleted": "x", "warning": "the user remains"}, "failed", {"ada"}),
    ],
)
async def test_replaced_persona_that_is_not_created_again_is_named(
    world: World, call: str, status: int, body: object, result: str, left: set[str]
) -> None:
    plan = await plan_to_replace(world)
    world.when(call, status, body)
    (outcome,) = await world.apply(plan)
    assert (outcome.action, outcome.result, world.users()) == ("replace", result, left)
    assert outcome.message.startswith(GONE) is (call == CREATE)


async def test_aborted_calls_are_reported_as_unknown(world: World) -> None:
    plan = await plan_to_replace(world, *SIX)
    world.service.concurrency = 7
    seen: list[Outcome] = []
    with anyio.CancelScope() as scope:
        world.when(CREATE, do=scope.cancel, skip=6)
        await apply(plan, world.service, PASSWORDS, on_outcome=seen.append)
    lost = "interrupted before the service answered"
    assert ("Eve", "replace", "unknown", f"{GONE}{lost}") in describe(seen)
    assert {outcome.result for outcome in seen} <= {"unknown", "done"}
