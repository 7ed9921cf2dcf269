from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
import respx
from fake import PERSONAS, URL, USERS, FakeAuth
from making import SECRET, make_catalog, make_live_persona, make_persona

from personas.catalog.reading import Catalog
from personas.errors import BadAnswer, CredentialsRefused, Unanswered, Unreachable
from personas.passwords import derive_password
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.plan import Intent, State, plan
from personas.reconcile.survey import LIST_ALONE, NO_LOOK_UP, survey
from personas.secret import Secret
from personas.service.models import Login, LoginCheck
from personas.service.signing import SIGN_IN, SIGN_OUT

pytestmark = pytest.mark.anyio

WRONG = {"code": "INVALID_EMAIL_OR_PASSWORD"}
RIGHT = httpx.Response(200, headers={"Set-Cookie": "mana.session_token=x"}, json={})


@pytest.fixture
def auth(auth: FakeAuth) -> FakeAuth:
    auth.get(USERS, name="users").respond(200, json={"users": [], "total": 0})
    auth.post(SIGN_IN, name="sign-in").mock(return_value=RIGHT)
    auth.post(SIGN_OUT, name="sign-out").respond(200)
    return auth


def body(who: str, **changes: Any) -> dict[str, Any]:
    persona = make_persona(who)
    return {
        "userId": f"id-{who}",
        "email": persona.email,
        "name": persona.name,
        "archetype": persona.archetype,
        "tickCadence": "daily",
        "systemPrompt": persona.system_prompt,
        "moduleMix": dict(persona.module_mix),
        "actions7d": 2,
        **changes,
    }


def has(auth: FakeAuth, *who: str) -> None:
    """The service has these personas."""
    listed = [{k: v for k, v in body(w).items() if k not in {"systemPrompt", "moduleMix"}} for w in who]
    auth.get(PERSONAS).respond(200, json={"personas": listed})
    for w in who:
        details = {k: v for k, v in body(w).items() if k != "actions7d"}
        auth.get(f"{PERSONAS}/id-{w}", name=w).respond(200, json={"persona": details})


def belongs(auth: FakeAuth, *who: str) -> None:
    """These emails belong to users."""
    users = [{"id": f"u-{w}", "email": f"persona.{w}@mana.test"} for w in who]
    auth["users"].respond(200, json={"users": users, "total": len(users)})


async def read(auth: FakeAuth, catalog: Catalog | None, **options: Any) -> Live:
    return await survey(auth.client, catalog, secret=Secret(SECRET), **options)


async def test_what_the_list_and_the_details_tell_is_joined(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    live = await read(auth, make_catalog("ada"))
    ada = make_live_persona("ada", user_id="id-ada", actions_7d=2)
    bo = make_live_persona("bo", user_id="id-bo", actions_7d=2, system_prompt=None, module_mix=None)
    assert live == Live(
        personas=(ada, bo), logins={"persona.ada@mana.test": LoginCheck(Login.WORKS)}, service=URL
    )
    assert plan(make_catalog("ada"), live).of(State.IN_SYNC)


async def test_details_are_read_only_of_what_is_compared(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "eve")
    await read(auth, make_catalog("ada", "bo"), only="ada")
    assert (auth["ada"].call_count, auth["bo"].call_count, auth["eve"].call_count) == (1, 0, 0)
    await read(auth, make_catalog("ada", "bo"), only=("ada", "bo"))
    assert (auth["ada"].call_count, auth["bo"].call_count, auth["eve"].call_count) == (2, 1, 0)
    await read(auth, make_catalog("ada", "bo"), whole=True)
    assert auth["eve"].call_count == 1
    await read(auth, None)
    assert auth["ada"].call_count == 3


async def test_a_persona_that_is_gone_meanwhile_is_not_live(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    auth["ada"].respond(404, json={"error": "Not found"})
    live = await read(auth, make_catalog("ada", "bo"))
    assert [p.user_id for p in live.personas] == ["id-bo"]
    assert live.owners == {"persona.ada@mana.test": Owner(Ownership.FREE)}


async def test_a_persona_that_cannot_be_read_is_unread_and_the_others_are_read(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    auth["ada"].respond(200, text="<html>")
    live = await read(auth, make_catalog("ada", "bo"))
    assert list(live.unread) == ["persona.ada@mana.test"]
    assert "no JSON" in live.unread["persona.ada@mana.test"]
    assert plan(make_catalog("ada", "bo"), live).counts[State.NOT_KNOWN] == 1


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(401), CredentialsRefused),
        (httpx.Response(403), CredentialsRefused),
        (httpx.ConnectError("x"), Unreachable),
    ],
)
async def test_refused_credentials_and_a_service_that_is_gone_stop_the_reading(
    auth: FakeAuth, response: Any, error: type[Exception]
) -> None:
    has(auth, "ada", "bo")
    auth["ada"].side_effect = [response] * 20
    with pytest.raises(error):
        await read(auth, make_catalog("ada", "bo"))


async def test_many_personas_without_any_answer_stop_the_reading(auth: FakeAuth) -> None:
    who = [f"p{n}" for n in range(10)]
    has(auth, *who)
    for w in who:
        auth[w].side_effect = httpx.ReadError("x")
    with pytest.raises(Unanswered):
        await read(auth, make_catalog(*who), workers=1)
    assert sum(auth[w].called for w in who) == 3


async def test_a_list_that_fails_is_the_end(auth: FakeAuth) -> None:
    auth.get(PERSONAS).respond(200, json={"personas": [{"userId": 1}]})
    with pytest.raises(BadAnswer):
        await read(auth, make_catalog("ada"))


# Whose an email is


async def owner_of(auth: FakeAuth, **options: Any) -> Owner:
    has(auth)
    live = await survey(auth.client, make_catalog("ada"), **{"secret": Secret(SECRET), **options})
    return live.owners["persona.ada@mana.test"]


async def test_an_email_that_nobody_has_is_free_and_costs_one_look_up(auth: FakeAuth) -> None:
    assert await owner_of(auth) == Owner(Ownership.FREE)
    assert (auth.client.requests, auth.client.safety_requests) == (2, 1)


async def test_a_user_who_takes_the_derived_password_is_one_of_ours(auth: FakeAuth) -> None:
    belongs(auth, "ada")
    route = auth.post(SIGN_IN).respond(403, json={"code": "EMAIL_NOT_VERIFIED"})
    assert await owner_of(auth) == Owner(Ownership.OURS)
    assert derive_password("persona.ada@mana.test", SECRET).encode() in route.calls[0].request.content


async def test_a_user_who_refuses_the_derived_password_is_somebody_else(auth: FakeAuth) -> None:
    belongs(auth, "ada")
    auth.post(SIGN_IN).respond(401, json=WRONG)
    assert await owner_of(auth) == Owner(Ownership.FOREIGN)


@pytest.mark.parametrize("status", [429, 401, 403, 500, 404])
async def test_what_is_no_verdict_on_the_password_leaves_the_owner_not_known(
    auth: FakeAuth, status: int
) -> None:
    belongs(auth, "ada")
    auth.post(SIGN_IN).respond(status, headers={"Retry-After": "1800"})
    owner = await owner_of(auth)
    assert owner.verdict is Ownership.NOT_KNOWN
    assert owner.reason


async def test_without_a_secret_a_found_user_is_not_known_and_no_password_is_tried(auth: FakeAuth) -> None:
    belongs(auth, "ada")
    route = auth.post(SIGN_IN)
    assert (await owner_of(auth, secret=None)).verdict is Ownership.NOT_KNOWN
    assert not route.called


@pytest.mark.parametrize(
    ("sign_in", "verdict"),
    [
        (RIGHT, Ownership.OURS),
        (httpx.Response(403, json={"code": "EMAIL_NOT_VERIFIED"}), Ownership.OURS),
        (httpx.Response(401, json=WRONG), Ownership.FOREIGN),
        (httpx.Response(429, headers={"Retry-After": "1800"}), Ownership.NOT_KNOWN),
    ],
)
async def test_of_somebody_whose_row_cannot_be_read_the_derived_password_decides(
    auth: FakeAuth, sign_in: httpx.Response, verdict: Ownership
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        beyond = int(request.url.params["page"]) > 1
        return httpx.Response(200, json={"users": [], "total": 1}) if beyond else httpx.Response(500)

    auth["users"].mock(side_effect=answer)
    auth["sign-in"].mock(return_value=sign_in)
    owner = await owner_of(auth)
    assert owner.verdict is verdict
    change = plan(make_catalog("ada"), Live(owners={"persona.ada@mana.test": owner})).changes[0]
    if verdict is Ownership.FOREIGN:
        assert "somebody who is not one of ours has this email" in change.reason


async def test_what_was_looked_up_is_kept_with_its_time_and_number(auth: FakeAuth) -> None:
    before = time.monotonic()
    has(auth)
    auth["users"].respond(200, json={"users": [], "total": 0})
    live = await read(auth, make_catalog("ada"))
    assert live.looked_up is not None
    assert live.looked_up.total == 0
    assert before <= live.looked_up.at <= time.monotonic()
    has(auth, "ada")
    assert (await read(auth, make_catalog("ada"))).looked_up is None


async def test_a_look_up_that_fails_leaves_the_owner_not_known(auth: FakeAuth) -> None:
    auth["users"].respond(500)
    assert (await owner_of(auth)).verdict is Ownership.NOT_KNOWN


async def test_a_look_up_that_is_not_offered_is_noted(auth: FakeAuth) -> None:
    auth["users"].respond(404)
    has(auth)
    live = await read(auth, make_catalog("ada"))
    assert live.owners["persona.ada@mana.test"].verdict is Ownership.NOT_CHECKED
    assert live.notes == (NO_LOOK_UP,)


async def test_a_forbidden_look_up_stops_the_reading(auth: FakeAuth) -> None:
    auth["users"].respond(403)
    with pytest.raises(CredentialsRefused):
        await owner_of(auth)


async def test_nobody_is_looked_up_when_every_email_is_live_or_left_out(auth: FakeAuth) -> None:
    has(auth, "ada")
    await read(auth, make_catalog("ada", "bo"), only="ada")
    await read(auth, make_catalog("ada", "bo"), owners=False)
    assert not auth["users"].called


# Signing in


def lets_in(auth: FakeAuth, *who: str) -> respx.Route:
    """The service signs these in with their derived passwords, and nobody else."""

    def answer(request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        right = sent["password"] == derive_password(sent["email"], SECRET)
        known = sent["email"] in {f"persona.{w}@mana.test" for w in who}
        return RIGHT if right and known else httpx.Response(401, json=WRONG)

    return auth["sign-in"].mock(side_effect=answer)


def tried(auth: FakeAuth) -> list[str]:
    """Who was signed in, in order."""
    emails = [json.loads(call.request.content)["email"] for call in auth["sign-in"].calls]
    return [email.removeprefix("persona.").removesuffix("@mana.test") for email in emails]


async def test_a_secret_that_fits_costs_one_sign_in_which_is_ended_at_once(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy")
    lets_in(auth, "ada", "bo", "cy")
    live = await read(auth, make_catalog("ada", "bo", "cy"))
    assert (len(tried(auth)), auth["sign-out"].call_count) == (1, 1)
    assert auth.client.safety_requests == 2
    assert not live.secret_differs
    assert plan(make_catalog("ada", "bo", "cy"), live).in_sync


async def test_a_wrong_password_is_confirmed_on_a_second_persona_and_no_other_is_tried(
    auth: FakeAuth,
) -> None:
    has(auth, *(f"p{n}" for n in range(20)))
    lets_in(auth)
    live = await read(auth, make_catalog(*(f"p{n}" for n in range(20))))
    assert len(set(tried(auth))) == len(tried(auth)) == 2
    assert live.secret_differs


async def test_one_wrong_password_alone_is_that_personas_own_drift(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy")
    lets_in(auth, "bo", "cy")
    live = await read(auth, make_catalog("ada", "bo", "cy"))
    assert tried(auth) == ["ada", "bo"]
    assert not live.secret_differs
    made = plan(make_catalog("ada", "bo", "cy"), live)
    assert [(c.name, c.state) for c in made.drift] == [("Ada", State.LOCKED_OUT)]


async def test_the_only_live_persona_with_a_wrong_password_is_locked_out_and_says_nothing_of_the_secret(
    auth: FakeAuth,
) -> None:
    has(auth, "ada", "stray")
    lets_in(auth)
    live = await read(auth, make_catalog("ada", "bo"))
    assert tried(auth) == ["ada"]
    assert not live.secret_differs
    assert plan(make_catalog("ada", "bo"), live).counts[State.LOCKED_OUT] == 1


async def test_who_is_tried_first_is_meant_by_only_and_has_the_name_of_the_catalog(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy")
    listed = [{**body("ada"), "name": "Somebody Else"}, body("bo"), body("cy")]
    auth.get(PERSONAS).respond(200, json={"personas": listed})
    lets_in(auth, "ada", "bo", "cy")
    await read(auth, make_catalog("ada", "bo", "cy"), only="cy")
    assert tried(auth) == ["cy"]


@pytest.mark.parametrize("status", [429, 401, 403, 500, 404])
async def test_whether_the_secret_fits_may_stay_not_known_which_is_a_note_and_no_drift(
    auth: FakeAuth, status: int
) -> None:
    has(auth, "ada", "bo")
    auth["sign-in"].mock(return_value=httpx.Response(status, headers={"Retry-After": "1800"}))
    live = await read(auth, make_catalog("ada", "bo"))
    assert auth["sign-in"].call_count == 1
    assert [note.startswith("Whether the seed secret fits is not known: ") for note in live.notes] == [True]
    assert plan(make_catalog("ada", "bo"), live).in_sync


@pytest.mark.parametrize("options", [{"secret": None}, {"check_secret": False}])
async def test_nobody_is_signed_in_without_a_secret_or_where_it_is_not_asked_for(
    auth: FakeAuth, options: dict[str, Any]
) -> None:
    has(auth, "ada", "bo")
    live = await survey(auth.client, make_catalog("ada", "bo"), **{"secret": Secret(SECRET), **options})
    assert tried(auth) == []
    assert live.notes == ()


async def test_nobody_is_tried_twice_whatever_there_is_to_ask(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy")
    listed = [{**body("ada"), "name": "Somebody Else"}, body("bo"), body("cy")]
    auth.get(PERSONAS).respond(200, json={"personas": listed})
    lets_in(auth)
    await read(auth, make_catalog("ada", "bo", "cy"), check_login=True)
    assert sorted(tried(auth)) == ["ada", "bo", "cy"]


@pytest.mark.parametrize("deleting", [True, False])
async def test_whoever_has_another_name_than_in_the_catalog_is_signed_in_where_the_plan_may_delete(
    auth: FakeAuth, deleting: bool
) -> None:
    has(auth, "ada", "bo", "cy", "eve")
    listed = [body("ada"), {**body("bo"), "name": "Somebody Else"}, {**body("cy"), "name": "Cyrus"}]
    auth.get(PERSONAS).respond(200, json={"personas": [*listed, {**body("eve"), "name": "A stray"}]})
    lets_in(auth, "ada", "cy")
    options = {"check_secret": False, "deleting": deleting, "details": False}
    live = await read(auth, make_catalog("ada", "bo", "cy"), **options)
    assert sorted(tried(auth)) == (["bo", "cy"] if deleting else [])
    spared = plan(make_catalog("ada", "bo", "cy"), live, Intent("cleanup")).of(State.LOCKED_OUT)
    assert [change.name for change in spared] == (["Bo"] if deleting else [])


# The list alone


async def test_the_list_alone_is_one_request_and_no_reading_of_what_it_does_not_tell(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    live = await read(auth, make_catalog("ada", "bo"), details=False, check_secret=False)
    assert auth.client.requests == 1
    assert live.notes == (LIST_ALONE,)
    made = plan(make_catalog("ada", "bo"), live, Intent("cleanup"))
    assert (made.drift, made.in_sync) == ((), False)


@pytest.mark.parametrize("readable", [True, False])
async def test_where_the_list_tells_no_names_they_are_read_before_anything_is_deleted(
    auth: FakeAuth, readable: bool
) -> None:
    has(auth, "ada", "bo", "stray")
    listed = [{**body(w), "name": None} for w in ("ada", "bo", "stray")]
    auth.get(PERSONAS).respond(200, json={"personas": listed})
    details = {"persona": {**body("ada"), "name": "Somebody Else"}}
    auth["ada"].mock(return_value=httpx.Response(*((200,) if readable else (500,)), json=details))
    lets_in(auth)
    options = {"details": False, "check_secret": False, "owners": False}
    live = await read(auth, make_catalog("ada", "bo"), **options)
    assert not auth["stray"].called
    made = plan(make_catalog("ada", "bo"), live, Intent("cleanup"))
    assert [change.key for change in made if change.step is None] == ["persona.ada@mana.test"]


async def test_every_live_persona_of_the_catalog_is_signed_in_once(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "eve")
    route = lets_in(auth, "ada")
    live = await read(auth, make_catalog("ada", "bo", "cy"), check_login=True)
    assert {email: check.verdict for email, check in live.logins.items()} == {
        "persona.ada@mana.test": Login.WORKS,
        "persona.bo@mana.test": Login.WRONG_PASSWORD,
    }
    assert route.call_count == 2


async def test_a_sign_in_without_a_true_answer_is_not_known_where_everybody_is_asked(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    auth["sign-in"].mock(return_value=httpx.Response(500))
    live = await read(auth, make_catalog("ada", "bo"), check_login=True)
    assert plan(make_catalog("ada", "bo"), live).counts[State.NOT_KNOWN] == 2


async def test_progress_is_told(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    told: list[tuple[str, int, int]] = []
    await read(auth, make_catalog("ada", "bo", "cy"), observe=lambda *what: told.append(what))
    assert ("reading personas", 2, 2) in told
    await read(auth, make_catalog("ada", "bo"), check_login=True, observe=lambda *what: told.append(what))
    assert ("signing in", 2, 2) in told
    assert ("looking up who has the new emails", 0, 0) in told
