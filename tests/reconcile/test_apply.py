from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from conftest import Served
from fake import JWT, PERSONAS, URL, FakeAuth, recorded
from making import SECRET, make_catalog, make_jwt, make_live, make_live_persona, make_persona

from personas.errors import CredentialsRefused, Unanswered, Unreachable
from personas.passwords import derive_password
from personas.reconcile.live import Live, LookedUp, Owner, Ownership
from personas.reconcile.outcome import Applied, Outcome, Result
from personas.reconcile.plan import Intent, Plan, Step, plan
from personas.reconcile.stop import Stop
from personas.reconcile.survey import survey
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.signing import SIGN_IN, SIGN_OUT
from personas.service.transport import Patience

from .carrying_out import DONE, FAILED, NOT_DONE, UNKNOWN, carry_out, results

pytestmark = pytest.mark.anyio

PATIENCE = Patience()
ADA = "persona.ada@mana.test"
WRONG = recorded("signin-wrong")
RIGHT = recorded("signin-cookie")


def created(request: httpx.Request) -> httpx.Response:
    email = json.loads(request.content)["email"]
    return httpx.Response(200, json={"ok": True, "userId": f"id-{email}", "email": email})


@pytest.fixture
def auth(auth: FakeAuth) -> FakeAuth:
    """A service that lists whatever it was sent, and where no derived password signs in."""

    def listed(_: httpx.Request) -> httpx.Response:
        sent = [json.loads(c.request.content) for c in auth.calls if c.request.method == "POST"]
        personas = [{"userId": f"id-{p['email']}", "email": p["email"], "name": p["name"]} for p in sent]
        return httpx.Response(200, json={"personas": personas})

    auth.get(PERSONAS, name="list").mock(side_effect=listed)
    auth.post(PERSONAS, name="write").mock(side_effect=created)
    auth.post(SIGN_IN, name="sign-in").mock(return_value=WRONG)
    auth.post(SIGN_OUT).respond(200)
    return auth


def just_now(total: int = 0) -> LookedUp:
    return LookedUp(at=time.monotonic(), total=total)


def creation(*who: str, checked: bool = True) -> Plan:
    verdict = Ownership.FREE if checked else Ownership.NOT_CHECKED
    owners = {f"persona.{w}@mana.test": Owner(verdict) for w in who}
    return plan(make_catalog(*who), Live(owners=owners, looked_up=just_now()))


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
        assert [p.email for p in await service.list_personas()] == [ADA]
        password = Secret(derive_password(ADA, SECRET))
        assert (await service.check_password(ADA, password)).verdict == "works"


@pytest.mark.parametrize(
    ("answers", "result", "message"),
    [
        (
            [httpx.Response(400, json={"error": "ValidationError", "details": ["name required"]})],
            FAILED,
            "refused with HTTP 400: ValidationError; name required",
        ),
        ([httpx.Response(429, headers={"Retry-After": "1800"})], FAILED, "asks to wait 1800 s"),
        ([httpx.Response(200, text="<html>")], FAILED, "the answer is no JSON"),
        ([httpx.ReadError("x")] * PATIENCE.attempts, UNKNOWN, f"the connection to {URL} broke"),
    ],
)
async def test_one_personas_failure_stops_no_other_and_is_told_with_its_email_and_reason(
    auth: FakeAuth, answers: list[Any], result: Result, message: str
) -> None:
    writes: list[Any] = [created, *answers, created]
    auth["write"].side_effect = writes
    seen: list[Outcome] = []
    applied = await carry_out(creation("ada", "bo", "cy"), auth.client, workers=1, observe=seen.append)
    assert results(applied) == [DONE, result, DONE]
    assert applied.error is None
    assert applied.outcomes[1].message.startswith("seeding persona.bo@mana.test: ")
    assert message in applied.outcomes[1].message
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("answers", "expected", "error"),
    [
        ([created, created, httpx.Response(401)], [DONE, DONE] + [NOT_DONE] * 4, CredentialsRefused),
        ([created, created, httpx.Response(403)], [DONE, DONE] + [NOT_DONE] * 4, CredentialsRefused),
        ([created, *[httpx.ConnectError("x")] * PATIENCE.attempts], [DONE] + [NOT_DONE] * 5, Unreachable),
        ([httpx.ReadError("x")] * 3 * PATIENCE.first_attempts, [UNKNOWN] * 3 + [NOT_DONE] * 3, Unanswered),
    ],
    ids=["401", "403", "nobody there", "three without an answer"],
)
async def test_refused_credentials_and_a_service_that_is_gone_stop_the_run_and_nothing_more_is_sent(
    auth: FakeAuth, answers: list[Any], expected: list[Result], error: type[Exception]
) -> None:
    auth["write"].side_effect = answers
    applied = await carry_out(creation(*(f"p{n}" for n in range(6))), auth.client, workers=1)
    assert results(applied) == expected
    assert isinstance(applied.error, error)
    assert auth["write"].call_count == len(answers)


def impatient(attempts: int) -> AuthService:
    """A client that tries a call so often, and no more."""
    patience = Patience(attempts=attempts, first_attempts=attempts, wait_initial=0.001)
    return AuthService(URL, Credentials(token=Secret(JWT)), patience=patience)


async def test_writes_without_an_answer_are_bad_luck_where_one_between_them_was_done(auth: FakeAuth) -> None:
    lost = httpx.ReadError("x")
    writes: list[Any] = [created, lost, lost, created, lost, lost]
    auth["write"].side_effect = writes
    async with impatient(attempts=1) as client:
        applied = await carry_out(creation(*(f"p{n}" for n in range(6))), client, workers=1)
    assert results(applied) == [DONE, UNKNOWN, UNKNOWN] * 2
    assert applied.error is None


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_write_that_may_have_been_acted_on_is_unknown_whatever_is_answered_later(
    auth: FakeAuth, attempts: int
) -> None:
    later = httpx.Response(429, headers={"Retry-After": "1800"})
    auth["write"].side_effect = [httpx.ReadError("x"), later]
    async with impatient(attempts) as client:
        applied = await carry_out(creation("ada"), client)
    assert results(applied) == [UNKNOWN]


@pytest.mark.parametrize(("sought", "rest"), [(True, "."), (False, "; shared ones were not looked for.")])
async def test_a_stray_that_is_gone_already_is_deleted_and_what_it_may_leave_behind_is_told(
    auth: FakeAuth, sought: bool, rest: str
) -> None:
    auth.delete(f"{PERSONAS}/id-persona.eve@mana.test").respond(404, json={"error": "Not found"})
    made = plan(make_catalog("ada"), make_live("ada", "eve"), Intent(prune=True))
    applied = await carry_out(replace(made, spaces_sought=sought), auth.client)
    assert [(o.result, o.message) for o in applied.outcomes] == [(DONE, "was gone already")]
    (note,) = applied.notes
    assert note.endswith(f"may stay behind on the service, which has no call to delete them{rest}")


async def test_an_updated_persona_that_had_been_deleted_meanwhile_is_said_to_be_new(auth: FakeAuth) -> None:
    auth["write"].respond(200, json={"ok": True, "userId": "new-id"})
    live = make_live(make_live_persona("ada", archetype="old"))
    applied = await carry_out(plan(make_catalog("ada"), live), auth.client)
    assert applied.outcomes[0].result is DONE
    assert "created anew" in applied.outcomes[0].message


def renamed() -> Plan:
    """The plan to delete a persona with another name, and to create it again."""
    live = make_live(make_live_persona("ada", name="Eve"), looked_up=just_now(1))
    return plan(make_catalog("ada"), live, Intent(recreate=True))


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
    auth: FakeAuth, response: Any, result: Result, stops: bool
) -> None:
    auth.delete(f"{PERSONAS}/id-{ADA}").respond(200, json={"ok": True})
    auth["write"].mock(side_effect=[response] * 9)
    applied = await carry_out(renamed(), auth.client)
    assert results(applied) == [result]
    assert applied.outcomes[0].message.startswith(
        "deleted, but not known to be created again; the next seed does it: "
    )
    assert (applied.error is not None) is stops
    assert applied.error is None or "deleted" not in applied.error.message


async def test_a_persona_that_cannot_be_deleted_is_not_created_again(auth: FakeAuth) -> None:
    auth.delete(f"{PERSONAS}/id-{ADA}").respond(400, json={"error": "no"})
    applied = await carry_out(renamed(), auth.client)
    assert results(applied) == [FAILED]
    assert "deleted, but" not in applied.outcomes[0].message
    assert not auth["write"].called


# Afterwards


def named(who: str, name: str | None) -> dict[str, str | None]:
    email = f"persona.{who}@mana.test"
    return {"userId": f"id-{email}", "email": email, "name": name}


def lists(auth: FakeAuth, **names: str | None) -> None:
    auth["list"].respond(200, json={"personas": [named(who, name) for who, name in names.items()]})


async def test_one_list_tells_that_all_accounts_that_were_made_have_our_names(auth: FakeAuth) -> None:
    applied = await carry_out(creation(*(f"p{n}" for n in range(20))), auth.client)
    assert {(o.result, o.message) for o in applied.outcomes} == {(DONE, "")}
    assert applied.notes == ()
    assert (auth.client.requests, auth.client.safety_requests) == (21, 1)


@pytest.mark.parametrize("checked", [True, False])
async def test_an_account_that_turns_out_to_have_another_name_is_a_failure_told_by_email_and_id(
    auth: FakeAuth, checked: bool
) -> None:
    lists(auth, ada="Somebody Else", bo="Bo")
    applied = await carry_out(creation("ada", "bo", checked=checked), auth.client)
    assert results(applied) == [FAILED, DONE]
    message = applied.outcomes[0].message
    assert message.startswith(f"{ADA} (user id-{ADA}) had existed before")
    assert "may be somebody else's account; look at it before anything is deleted" in message
    assert auth["sign-in"].call_count == 1


async def test_an_account_with_another_name_that_takes_the_derived_password_was_ours_before(
    auth: FakeAuth,
) -> None:
    auth["sign-in"].mock(return_value=RIGHT)
    lists(auth, ada="Adele")
    applied = await carry_out(creation("ada"), auth.client)
    assert results(applied) == [DONE]
    assert "it had been ours before, with another name" in applied.outcomes[0].message


async def test_where_the_list_has_no_names_each_is_read(auth: FakeAuth) -> None:
    lists(auth, ada=None, bo=None)
    for persona in (named("ada", "Else"), named("bo", "Bo")):
        auth.get(f"{PERSONAS}/{persona['userId']}").respond(200, json={"persona": persona})
    applied = await carry_out(creation("ada", "bo"), auth.client)
    assert results(applied) == [FAILED, DONE]
    assert auth.client.safety_requests == 1 + 2 + 1


async def test_an_account_under_another_id_than_expected_is_looked_at_too(auth: FakeAuth) -> None:
    lists(auth, ada="Somebody Else", bo="Bo")
    live = make_live(
        make_live_persona("ada", archetype="old", user_id="old-id"), make_live_persona("bo", archetype="old")
    )
    applied = await carry_out(plan(make_catalog("ada", "bo"), live), auth.client)
    assert results(applied) == [FAILED, DONE]
    assert auth["list"].call_count == 1


async def test_updates_alone_need_no_look_afterwards(auth: FakeAuth) -> None:
    live = make_live(make_live_persona("ada", archetype="old"))
    assert results(await carry_out(plan(make_catalog("ada"), live), auth.client)) == [DONE]
    assert auth.client.requests == 1


async def test_an_account_that_is_gone_again_is_told_so(auth: FakeAuth) -> None:
    lists(auth)
    applied = await carry_out(creation("ada"), auth.client)
    assert [(o.result, o.message) for o in applied.outcomes] == [(DONE, "it is not in the list any more")]


@pytest.mark.parametrize(
    "response", [httpx.Response(500), httpx.ReadError("x"), httpx.Response(401), httpx.ConnectError("x")]
)
@pytest.mark.parametrize("checked", [True, False])
async def test_a_look_afterwards_that_fails_takes_nothing_back_of_what_is_done_and_is_told(
    auth: FakeAuth, response: Any, checked: bool
) -> None:
    auth["list"].side_effect = [response] * 9
    applied = await carry_out(creation("ada", checked=checked), auth.client)
    assert results(applied) == [DONE]
    assert ("could not be checked before" in applied.outcomes[0].message) is not checked
    (note,) = applied.notes
    assert note.startswith("The name of one account that was made was not looked at afterwards: ")


async def test_a_name_that_cannot_be_read_afterwards_is_told_with_its_persona(auth: FakeAuth) -> None:
    lists(auth, ada=None)
    auth.get(f"{PERSONAS}/id-{ADA}").respond(500)
    applied = await carry_out(creation("ada"), auth.client)
    assert results(applied) == [DONE]
    assert f"its name could not be read afterwards: reading {ADA}" in applied.outcomes[0].message


async def test_a_run_that_stops_says_whose_names_were_not_looked_at(auth: FakeAuth) -> None:
    writes: list[Any] = [created, httpx.Response(401)]
    auth["write"].side_effect = writes
    applied = await carry_out(creation("ada", "bo"), auth.client, workers=1)
    assert results(applied) == [DONE, NOT_DONE]
    (note,) = applied.notes
    assert note.endswith("not looked at afterwards: the run stopped before it.")
    assert not auth["list"].called


# Stopping


async def test_a_run_that_is_asked_to_stop_finishes_what_is_in_flight_and_starts_nothing(
    auth: FakeAuth,
) -> None:
    stop = Stop()

    async def answer(request: httpx.Request) -> httpx.Response:
        stop.ask()
        await anyio.lowlevel.checkpoint()
        return created(request)

    auth["write"].mock(side_effect=answer)
    applied = await carry_out(creation(*(f"p{n}" for n in range(6))), auth.client, workers=1, stop=stop)
    assert results(applied) == [DONE] + [NOT_DONE] * 5
    assert applied.interrupted
    assert "interrupted" in applied.outcomes[1].message


async def test_a_run_that_is_asked_twice_ends_at_once_and_what_was_sent_is_unknown(auth: FakeAuth) -> None:
    stop = Stop()

    async def answer(_: httpx.Request) -> None:
        stop.ask()
        stop.ask()
        await anyio.sleep_forever()

    auth["write"].mock(side_effect=answer)
    applied = await carry_out(creation("ada", "bo"), auth.client, workers=1, stop=stop)
    assert results(applied) == [UNKNOWN, NOT_DONE]
    assert applied.interrupted


async def test_what_waits_for_its_turn_when_the_run_is_stopped_was_never_sent(
    auth: FakeAuth,
) -> None:
    stop = Stop()

    def mint() -> str:
        stop.ask()
        stop.ask()
        return make_jwt()

    async with AuthService(URL, Credentials(mint=mint)) as service:
        service.line.gate.pause(60)
        applied = await carry_out(creation("ada", "bo"), service, stop=stop)
    assert results(applied) == [NOT_DONE, NOT_DONE]
    assert not auth["write"].called


async def test_an_empty_plan_asks_nothing(auth: FakeAuth) -> None:
    assert await carry_out(plan(make_catalog("ada"), make_live("ada")), auth.client) == Applied(())
    assert not auth.calls


async def test_no_outcome_holds_a_password(auth: FakeAuth) -> None:
    auth["write"].mock(side_effect=lambda request: httpx.Response(400, text=request.content.decode()))
    applied = await carry_out(creation("ada"), auth.client)
    password = derive_password(ADA, SECRET)
    assert password not in repr(applied)
    assert SECRET not in repr(applied)
