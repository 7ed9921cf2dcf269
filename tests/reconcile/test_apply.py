from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import pytest
import respx
from conftest import Served
from making import SECRET, make_catalog, make_jwt, make_live, make_live_persona, make_persona

from personas.errors import CredentialsRefused, Unanswered, Unreachable
from personas.passwords import derive_password
from personas.reconcile.apply import Stop, apply
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.outcome import Applied, Outcome, Result
from personas.reconcile.plan import Intent, Plan, Step, plan
from personas.reconcile.survey import survey
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.transport import Patience

pytestmark = pytest.mark.anyio

URL = "http://localhost:3001"
PERSONAS = "/api/v1/admin/personas"
QUICK = Patience(attempts=3, first_attempts=2, wait_initial=0.001, wait_max=0.002)
DONE, FAILED, UNKNOWN, NOT_DONE = Result.DONE, Result.FAILED, Result.UNKNOWN, Result.NOT_DONE


@pytest.fixture
async def service() -> AsyncIterator[AuthService]:
    async with AuthService(URL, Credentials(token=Secret(make_jwt())), patience=QUICK) as opened:
        yield opened


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as mocked:
        yield mocked


def creation(*who: str, checked: bool = True) -> Plan:
    verdict = Ownership.FREE if checked else Ownership.NOT_CHECKED
    owners = {f"persona.{w}@mana.test": Owner(verdict) for w in who}
    return plan(make_catalog(*who), Live(owners=owners))


def email_of(request: httpx.Request) -> str:
    return str(json.loads(request.content)["email"])


def created(request: httpx.Request) -> httpx.Response:
    return httpx.Response(
        200, json={"ok": True, "userId": f"id-{email_of(request)}", "email": email_of(request)}
    )


async def carry_out(made: Plan, service: AuthService, **options: Any) -> Applied:
    return await apply(made, service, Secret(SECRET), **options)


def results(applied: Applied) -> list[Result]:
    return [outcome.result for outcome in applied.outcomes]


async def test_a_plan_is_carried_out_on_a_real_service_and_then_all_is_in_sync(served: Served) -> None:
    catalog = make_catalog("ada", "bo", "cy")
    credentials = Credentials(mint=served.embedded.admin_token)
    async with AuthService(served.url, credentials) as service:

        async def run(intent: Intent) -> Applied:
            live = await survey(service, catalog, secret=Secret(SECRET))
            return await carry_out(plan(catalog, live, intent), service)

        applied = await run(Intent())
        assert [(o.change.step, o.result) for o in applied.outcomes] == [(Step.CREATE, DONE)] * 3
        writes = served.writes
        assert results(await run(Intent())) == []
        assert served.writes == writes == 3

        catalog = make_catalog("ada", make_persona("bo", archetype="other"), make_persona("cy", name="Cyrus"))
        applied = await run(Intent(recreate=True))
        assert {(o.change.name, o.change.step) for o in applied.outcomes} == {
            ("Bo", Step.UPDATE),
            ("Cyrus", Step.RECREATE),
        }
        assert served.writes == writes + 1 + 2

        catalog = make_catalog("ada")
        assert results(await run(Intent(prune=True))) == [DONE, DONE]
        assert [p.email for p in await service.list_personas()] == ["persona.ada@mana.test"]
        password = Secret(derive_password("persona.ada@mana.test", SECRET))
        assert (await service.check_password("persona.ada@mana.test", password)).verdict == "works"


async def test_one_personas_failure_stops_no_other_and_is_told_with_its_reason(
    service: AuthService, router: respx.MockRouter
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "bo" in email_of(request):
            return httpx.Response(400, json={"error": "ValidationError", "details": ["name required"]})
        return created(request)

    router.post(PERSONAS).mock(side_effect=answer)
    seen: list[Outcome] = []
    applied = await carry_out(creation("ada", "bo", "cy"), service, observe=seen.append)
    assert results(applied) == [DONE, FAILED, DONE]
    assert applied.error is None
    assert "seeding persona.bo@mana.test: refused with HTTP 400: ValidationError; name required" in [
        o.message for o in applied.outcomes
    ]
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(401), CredentialsRefused),
        (httpx.Response(403), CredentialsRefused),
        (httpx.ConnectError("x"), Unreachable),
    ],
)
async def test_refused_credentials_and_a_service_that_is_gone_stop_the_run_and_nothing_more_is_sent(
    service: AuthService, router: respx.MockRouter, response: Any, error: type[Exception]
) -> None:
    answers = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal answers
        answers += 1
        if answers > 2:
            if isinstance(response, Exception):
                raise response
            return httpx.Response(response.status_code)
        return created(request)

    router.post(PERSONAS).mock(side_effect=answer)
    applied = await carry_out(creation(*(f"p{n}" for n in range(10))), service, workers=1)
    assert results(applied) == [DONE] * 2 + [NOT_DONE] * 8
    assert isinstance(applied.error, error)


async def test_a_write_without_an_answer_is_told_as_unknown(
    service: AuthService, router: respx.MockRouter
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "bo" in email_of(request):
            raise httpx.ReadError("x")
        return created(request)

    router.post(PERSONAS).mock(side_effect=answer)
    applied = await carry_out(creation("ada", "bo", "cy"), service)
    assert results(applied) == [DONE, UNKNOWN, DONE]
    assert applied.error is None


async def test_three_writes_in_a_row_without_an_answer_end_the_run(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.post(PERSONAS).mock(side_effect=httpx.ReadError("x"))
    applied = await carry_out(creation(*(f"p{n}" for n in range(6))), service, workers=1)
    assert results(applied) == [UNKNOWN] * 3 + [NOT_DONE] * 3
    assert isinstance(applied.error, Unanswered)


async def test_a_stray_that_is_gone_already_is_deleted_by_the_services_word(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.delete(f"{PERSONAS}/id-persona.eve@mana.test").respond(404, json={"error": "Not found"})
    applied = await carry_out(plan(make_catalog("ada"), make_live("ada", "eve"), Intent(prune=True)), service)
    assert [(o.result, o.message) for o in applied.outcomes] == [(DONE, "was gone already")]


async def test_an_updated_persona_that_had_been_deleted_meanwhile_is_said_to_be_new(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.post(PERSONAS).respond(200, json={"ok": True, "userId": "new-id"})
    live = make_live(make_live_persona("ada", archetype="old"))
    applied = await carry_out(plan(make_catalog("ada"), live), service)
    assert applied.outcomes[0].result is DONE
    assert "created anew" in applied.outcomes[0].message


RENAMED = make_live(make_live_persona("ada", name="Eve"))


@pytest.mark.parametrize(
    ("response", "result", "stops"),
    [
        (httpx.Response(400, json={"error": "no"}), FAILED, False),
        (httpx.Response(401), FAILED, True),
        (httpx.ConnectError("x"), FAILED, True),
        (httpx.ReadError("x"), UNKNOWN, False),
    ],
)
async def test_a_persona_that_is_deleted_but_not_created_again_is_told_just_so(
    service: AuthService, router: respx.MockRouter, response: Any, result: Result, stops: bool
) -> None:
    router.delete(f"{PERSONAS}/id-persona.ada@mana.test").respond(200, json={"ok": True})
    router.post(PERSONAS).mock(side_effect=[response] * 9)
    applied = await carry_out(plan(make_catalog("ada"), RENAMED, Intent(recreate=True)), service)
    assert results(applied) == [result]
    assert applied.outcomes[0].message.startswith(
        "deleted, but not known to be created again; the next seed does it: "
    )
    assert (applied.error is not None) is stops
    assert applied.error is None or "deleted" not in applied.error.message


async def test_a_persona_that_cannot_be_deleted_is_not_created_again(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.delete(f"{PERSONAS}/id-persona.ada@mana.test").respond(400, json={"error": "no"})
    route = router.post(PERSONAS)
    applied = await carry_out(plan(make_catalog("ada"), RENAMED, Intent(recreate=True)), service)
    assert results(applied) == [FAILED]
    assert "deleted, but" not in applied.outcomes[0].message
    assert not route.called


# Where nobody could be looked up before


@pytest.mark.parametrize(("name", "result"), [("Ada", DONE), (None, DONE), ("Somebody Else", FAILED)])
async def test_an_account_that_turns_out_to_have_another_name_is_a_failure_that_warns(
    service: AuthService, router: respx.MockRouter, name: str | None, result: Result
) -> None:
    router.post(PERSONAS).mock(side_effect=created)
    persona = {"userId": "id-persona.ada@mana.test", "email": "persona.ada@mana.test", "name": name}
    router.get(f"{PERSONAS}/id-persona.ada@mana.test").respond(200, json={"persona": persona})
    applied = await carry_out(creation("ada", checked=False), service)
    assert results(applied) == [result]
    assert ("somebody else's account" in applied.outcomes[0].message) is (result is FAILED)
    assert "could not be checked before" in applied.outcomes[0].message or result is FAILED
    assert service.safety_requests == 1


@pytest.mark.parametrize(
    "response", [httpx.Response(500), httpx.ReadError("x"), httpx.Response(401), httpx.ConnectError("x")]
)
async def test_a_look_afterwards_that_fails_takes_nothing_back_of_what_is_done(
    service: AuthService, router: respx.MockRouter, response: Any
) -> None:
    router.post(PERSONAS).mock(side_effect=created)
    router.get(f"{PERSONAS}/id-persona.ada@mana.test").mock(side_effect=[response] * 9)
    applied = await carry_out(creation("ada", checked=False), service)
    assert results(applied) == [DONE]
    assert "could not be checked before, nor its name afterwards" in applied.outcomes[0].message


# Stopping


async def test_a_run_that_is_asked_to_stop_finishes_what_is_in_flight_and_starts_nothing(
    service: AuthService, router: respx.MockRouter
) -> None:
    stop = Stop()

    async def answer(request: httpx.Request) -> httpx.Response:
        stop.ask()
        await anyio.lowlevel.checkpoint()
        return created(request)

    router.post(PERSONAS).mock(side_effect=answer)
    applied = await carry_out(creation(*(f"p{n}" for n in range(6))), service, workers=1, stop=stop)
    assert results(applied) == [DONE] + [NOT_DONE] * 5
    assert applied.interrupted
    assert "interrupted" in applied.outcomes[1].message


async def test_a_run_that_is_asked_twice_ends_at_once_and_what_was_sent_is_unknown(
    service: AuthService, router: respx.MockRouter
) -> None:
    stop = Stop()

    async def answer(request: httpx.Request) -> httpx.Response:
        stop.ask()
        stop.ask()
        await anyio.sleep_forever()
        return created(request)

    router.post(PERSONAS).mock(side_effect=answer)
    with anyio.fail_after(5):
        applied = await carry_out(creation("ada", "bo"), service, workers=1, stop=stop)
    assert results(applied) == [UNKNOWN, NOT_DONE]
    assert applied.interrupted


async def test_an_empty_plan_asks_nothing(service: AuthService, router: respx.MockRouter) -> None:
    assert await carry_out(plan(make_catalog("ada"), make_live("ada")), service) == Applied(())
    assert not router.calls


async def test_no_outcome_holds_a_password(service: AuthService, router: respx.MockRouter) -> None:
    router.post(PERSONAS).mock(side_effect=lambda request: httpx.Response(400, text=request.content.decode()))
    applied = await carry_out(creation("ada"), service)
    password = derive_password("persona.ada@mana.test", SECRET)
    assert password not in repr(applied)
    assert SECRET not in repr(applied)


async def test_errors_of_a_persona_are_told_by_its_email(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.post(PERSONAS).respond(200, text="<html>")
    applied = await carry_out(creation("ada"), service)
    assert applied.outcomes[0].message == "seeding persona.ada@mana.test: the answer is no JSON"
