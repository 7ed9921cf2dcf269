from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import httpx
import pytest
import respx
from fake import PERSONAS, URL, USERS, FakeAuth, recorded
from making import SECRET, make_catalog, make_live_persona, make_persona, make_space, write_persona

from personas.errors import BadAnswer, CredentialsRefused, Unanswered, Unreachable
from personas.passwords import derive_password
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.owners import Passwords
from personas.reconcile.plan import Intent, State, plan
from personas.reconcile.survey import LIST_ALONE, NO_LOOK_UP, survey
from personas.secret import Secret
from personas.service.models import Login, LoginCheck
from personas.service.signing import SIGN_IN, SIGN_OUT
from personas.service.spaces import SPACES

pytestmark = pytest.mark.anyio

ADA = "persona.ada@mana.test"
WRONG = recorded("signin-wrong")
RIGHT = recorded("signin-cookie")
NO_VERDICTS = [httpx.Response(code, headers={"Retry-After": "1800"}) for code in (429, 401, 403, 500, 404)]


@pytest.fixture
def auth(auth: FakeAuth) -> FakeAuth:
    auth.get(USERS, name="users").respond(200, json={"users": [], "total": 0})
    auth.post(SIGN_IN, name="sign-in").mock(return_value=RIGHT)
    auth.post(SIGN_OUT, name="sign-out").respond(200)
    return auth


def has(auth: FakeAuth, *who: str, **listed: str | None) -> None:
    """The service has these personas, some of them with another name in its list, or with none."""
    told = []
    for w in who:
        persona = {"userId": f"id-{w}", **write_persona(make_persona(w))}
        auth.get(f"{PERSONAS}/id-{w}", name=w).respond(200, json={"persona": persona})
        brief = {key: value for key, value in persona.items() if key not in {"systemPrompt", "moduleMix"}}
        told.append({**brief, "actions7d": 2, "name": listed.get(w, persona["name"])})
    auth.get(PERSONAS).respond(200, json={"personas": told})


async def read(auth: FakeAuth, *who: str, **options: Any) -> Live:
    """What the service has of a catalog with these; without any, there is no catalog."""
    catalog = make_catalog(*who) if who else None
    return await survey(auth.client, catalog, **{"secret": Secret(SECRET), **options})


async def test_what_the_list_and_the_details_tell_is_joined(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    live = await read(auth, "ada")
    ada = make_live_persona("ada", user_id="id-ada", actions_7d=2)
    bo = make_live_persona("bo", user_id="id-bo", actions_7d=2, system_prompt=None, module_mix=None)
    assert live == Live(personas=(ada, bo), logins={ADA: LoginCheck(Login.WORKS)}, service=URL)
    assert plan(make_catalog("ada"), live).of(State.IN_SYNC)


async def test_details_are_read_only_of_what_is_compared(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "eve")
    await read(auth, "ada", "bo", only="ada")
    assert (auth["ada"].call_count, auth["bo"].call_count, auth["eve"].call_count) == (1, 0, 0)
    await read(auth, "ada", "bo", only=("ada", "bo"))
    assert (auth["ada"].call_count, auth["bo"].call_count, auth["eve"].call_count) == (2, 1, 0)
    await read(auth, "ada", "bo", whole=True)
    assert auth["eve"].call_count == 1
    await read(auth)
    assert auth["ada"].call_count == 3


async def test_a_persona_that_is_gone_meanwhile_is_not_live(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    auth["ada"].respond(404, json={"error": "Not found"})
    live = await read(auth, "ada", "bo")
    assert [p.user_id for p in live.personas] == ["id-bo"]
    assert live.owners == {ADA: Owner(Ownership.FREE)}


async def test_a_persona_that_cannot_be_read_is_unread_and_the_others_are_read(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    auth["ada"].respond(200, text="<html>")
    live = await read(auth, "ada", "bo")
    assert list(live.unread) == [ADA]
    assert "no JSON" in live.unread[ADA]
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
        await read(auth, "ada", "bo")


async def test_many_personas_without_any_answer_stop_the_reading(auth: FakeAuth) -> None:
    who = [f"p{n}" for n in range(10)]
    has(auth, *who)
    for w in who:
        auth[w].side_effect = httpx.ReadError("x")
    with pytest.raises(Unanswered):
        await read(auth, *who, workers=1)
    assert sum(auth[w].called for w in who) == 3


async def test_a_list_that_fails_is_the_end(auth: FakeAuth) -> None:
    auth.get(PERSONAS).respond(200, json={"personas": [{"userId": 1}]})
    with pytest.raises(BadAnswer):
        await read(auth, "ada")


# Whose an email is


async def owner_of(auth: FakeAuth, **options: Any) -> Owner:
    has(auth)
    return (await read(auth, "ada", **options)).owners[ADA]


async def test_an_email_that_nobody_has_is_free_and_costs_one_look_up(auth: FakeAuth) -> None:
    assert await owner_of(auth) == Owner(Ownership.FREE)
    assert (auth.client.requests, auth.client.safety_requests) == (2, 1)


async def test_without_a_secret_a_found_user_is_not_known_and_no_password_is_tried(auth: FakeAuth) -> None:
    auth["users"].mock(side_effect=one_user)
    assert (await owner_of(auth, secret=None)).verdict is Ownership.NOT_KNOWN
    assert not auth["sign-in"].called


def one_user(request: httpx.Request, *, readable: bool = True) -> httpx.Response:
    """The look-up where Ada's email belongs to a user, whose row may be one that makes the service fail."""
    if int(request.url.params["page"]) > 1:
        return httpx.Response(200, json={"users": [], "total": 1})
    whole = {"users": [{"id": "u", "email": ADA}], "total": 1}
    return httpx.Response(200, json=whole) if readable else httpx.Response(500)


@pytest.mark.parametrize(
    ("sign_in", "verdict"),
    [
        (RIGHT, Ownership.OURS),
        (httpx.Response(403, json={"code": "EMAIL_NOT_VERIFIED"}), Ownership.OURS),
        (WRONG, Ownership.FOREIGN),
        *((answer, Ownership.NOT_KNOWN) for answer in NO_VERDICTS),
    ],
)
@pytest.mark.parametrize("readable", [True, False])
async def test_whose_a_taken_email_is_the_derived_password_decides_also_where_its_row_cannot_be_read(
    auth: FakeAuth, readable: bool, sign_in: httpx.Response, verdict: Ownership
) -> None:
    auth["users"].mock(side_effect=partial(one_user, readable=readable))
    auth["sign-in"].mock(return_value=sign_in)
    owner = await owner_of(auth)
    assert owner.verdict is verdict
    if verdict is Ownership.NOT_KNOWN:
        assert owner.reason
    else:
        perhaps = verdict is Ownership.FOREIGN and not readable
        assert ("somebody who is not one of ours has this email, or" in owner.reason) is perhaps
    assert derive_password(ADA, SECRET).encode() in auth["sign-in"].calls[0].request.content


async def test_what_was_looked_up_is_kept_with_its_time_and_number(auth: FakeAuth) -> None:
    before = time.monotonic()
    has(auth)
    auth["users"].respond(200, json={"users": [], "total": 0})
    live = await read(auth, "ada")
    assert live.looked_up is not None
    assert live.looked_up.total == 0
    assert before <= live.looked_up.at <= time.monotonic()
    has(auth, "ada")
    assert (await read(auth, "ada")).looked_up is None


async def test_a_look_up_that_fails_leaves_the_owner_not_known(auth: FakeAuth) -> None:
    auth["users"].respond(500)
    assert (await owner_of(auth)).verdict is Ownership.NOT_KNOWN


async def test_a_look_up_that_is_not_offered_is_noted(auth: FakeAuth) -> None:
    auth["users"].respond(404)
    has(auth)
    live = await read(auth, "ada")
    assert live.owners[ADA].verdict is Ownership.NOT_CHECKED
    assert live.notes == (NO_LOOK_UP,)


async def test_a_forbidden_look_up_stops_the_reading(auth: FakeAuth) -> None:
    auth["users"].respond(403)
    with pytest.raises(CredentialsRefused):
        await owner_of(auth)


async def test_nobody_is_looked_up_when_every_email_is_live_or_left_out(auth: FakeAuth) -> None:
    has(auth, "ada")
    await read(auth, "ada", "bo", only="ada")
    await read(auth, "ada", "bo", owners=False)
    assert not auth["users"].called


# Signing in


def lets_in(auth: FakeAuth, *who: str) -> respx.Route:
    """The service signs these in with their derived passwords, and nobody else."""

    def answer(request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        right = sent["password"] == derive_password(sent["email"], SECRET)
        known = sent["email"] in {f"persona.{w}@mana.test" for w in who}
        return RIGHT if right and known else WRONG

    return auth["sign-in"].mock(side_effect=answer)


def tried(auth: FakeAuth) -> list[str]:
    """Who was signed in, in order."""
    emails = [json.loads(call.request.content)["email"] for call in auth["sign-in"].calls]
    return [email.removeprefix("persona.").removesuffix("@mana.test") for email in emails]


async def test_a_secret_that_fits_costs_one_sign_in_which_is_ended_at_once(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy")
    lets_in(auth, "ada", "bo", "cy")
    live = await read(auth, "ada", "bo", "cy")
    assert (len(tried(auth)), auth["sign-out"].call_count) == (1, 1)
    assert auth.client.safety_requests == 2
    assert not live.secret_differs
    assert plan(make_catalog("ada", "bo", "cy"), live).in_sync


async def test_a_wrong_password_is_confirmed_on_a_second_persona_and_no_other_is_tried(
    auth: FakeAuth,
) -> None:
    has(auth, *(f"p{n}" for n in range(20)))
    lets_in(auth)
    live = await read(auth, *(f"p{n}" for n in range(20)))
    assert len(set(tried(auth))) == len(tried(auth)) == 2
    assert live.secret_differs


async def test_one_wrong_password_alone_is_that_personas_own_drift(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy")
    lets_in(auth, "bo", "cy")
    live = await read(auth, "ada", "bo", "cy")
    assert tried(auth) == ["ada", "bo"]
    assert not live.secret_differs
    made = plan(make_catalog("ada", "bo", "cy"), live)
    assert [(c.name, c.state) for c in made.drift] == [("Ada", State.LOCKED_OUT)]


async def test_the_only_live_persona_with_a_wrong_password_is_locked_out_and_says_nothing_of_the_secret(
    auth: FakeAuth,
) -> None:
    has(auth, "ada", "stray")
    lets_in(auth)
    live = await read(auth, "ada", "bo")
    assert tried(auth) == ["ada"]
    assert not live.secret_differs
    assert plan(make_catalog("ada", "bo"), live).counts[State.LOCKED_OUT] == 1


async def test_who_is_tried_first_is_meant_by_only_and_has_the_name_of_the_catalog(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy", ada="Somebody Else")
    lets_in(auth, "ada", "bo", "cy")
    await read(auth, "ada", "bo", "cy", only="cy")
    assert tried(auth) == ["cy"]


@pytest.mark.parametrize("answer", NO_VERDICTS)
async def test_whether_the_secret_fits_may_stay_not_known_which_is_a_note_and_no_drift(
    auth: FakeAuth, answer: httpx.Response
) -> None:
    has(auth, "ada", "bo")
    auth["sign-in"].mock(return_value=answer)
    live = await read(auth, "ada", "bo")
    assert auth["sign-in"].call_count == 1
    assert [note.startswith("Whether the seed secret fits is not known: ") for note in live.notes] == [True]
    assert plan(make_catalog("ada", "bo"), live).in_sync


@pytest.mark.parametrize("options", [{"secret": None}, {"check_secret": False}])
async def test_nobody_is_signed_in_without_a_secret_or_where_it_is_not_asked_for(
    auth: FakeAuth, options: dict[str, Any]
) -> None:
    has(auth, "ada", "bo")
    live = await read(auth, "ada", "bo", **options)
    assert tried(auth) == []
    assert live.notes == ()


async def test_a_session_needs_a_secret(auth: FakeAuth) -> None:
    with pytest.raises(BadAnswer, match="PERSONA_SEED_SECRET is not set"):
        await Passwords(auth.client, None).session(ADA)
    assert not auth.calls


async def test_nobody_is_tried_twice_whatever_there_is_to_ask(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "cy", ada="Somebody Else")
    lets_in(auth)
    await read(auth, "ada", "bo", "cy", check_login=True)
    assert sorted(tried(auth)) == ["ada", "bo", "cy"]


@pytest.mark.parametrize("deleting", [True, False])
async def test_whoever_has_another_name_than_in_the_catalog_is_signed_in_where_the_plan_may_delete(
    auth: FakeAuth, deleting: bool
) -> None:
    has(auth, "ada", "bo", "cy", "eve", bo="Somebody Else", cy="Cyrus", eve="A stray")
    lets_in(auth, "ada", "cy")
    live = await read(auth, "ada", "bo", "cy", check_secret=False, deleting=deleting, details=False)
    assert sorted(tried(auth)) == (["bo", "cy"] if deleting else [])
    spared = plan(make_catalog("ada", "bo", "cy"), live, Intent("cleanup")).of(State.LOCKED_OUT)
    assert [change.name for change in spared] == (["Bo"] if deleting else [])


# The list alone


async def test_the_list_alone_is_one_request_and_no_reading_of_what_it_does_not_tell(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    live = await read(auth, "ada", "bo", details=False, check_secret=False)
    assert auth.client.requests == 1
    assert live.notes == (LIST_ALONE,)
    made = plan(make_catalog("ada", "bo"), live, Intent("cleanup"))
    assert (made.drift, made.in_sync) == ((), False)


@pytest.mark.parametrize("readable", [True, False])
async def test_where_the_list_tells_no_names_they_are_read_before_anything_is_deleted(
    auth: FakeAuth, readable: bool
) -> None:
    has(auth, "ada", "bo", "stray", ada=None, bo=None, stray=None)
    details = {"userId": "id-ada", "email": ADA, "name": "Somebody Else"}
    auth["ada"].respond(200 if readable else 500, json={"persona": details})
    lets_in(auth)
    live = await read(auth, "ada", "bo", details=False, check_secret=False, owners=False)
    assert not auth["stray"].called
    made = plan(make_catalog("ada", "bo"), live, Intent("cleanup"))
    assert [change.key for change in made if change.step is None] == [ADA]


async def test_every_live_persona_of_the_catalog_is_signed_in_once(auth: FakeAuth) -> None:
    has(auth, "ada", "bo", "eve")
    route = lets_in(auth, "ada")
    live = await read(auth, "ada", "bo", "cy", check_login=True)
    assert {email: check.verdict for email, check in live.logins.items()} == {
        ADA: Login.WORKS,
        "persona.bo@mana.test": Login.WRONG_PASSWORD,
    }
    assert route.call_count == 2


async def test_a_sign_in_without_a_true_answer_is_not_known_where_everybody_is_asked(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    auth["sign-in"].mock(return_value=httpx.Response(500))
    live = await read(auth, "ada", "bo", check_login=True)
    assert plan(make_catalog("ada", "bo"), live).counts[State.NOT_KNOWN] == 2


async def test_owners_are_asked_for_their_spaces_and_others_where_that_is_meant(
    auth: FakeAuth,
) -> None:
    has(auth, "ada", "bo", "cy")
    lets_in(auth, "ada", "bo", "cy")
    auth.get(f"{SPACES}/list").respond(200, json=[])
    auth.get(f"{SPACES}/get-full-organization").respond(400, json={"code": "ORGANIZATION_NOT_FOUND"})
    catalog = make_catalog("ada", "bo", "cy", spaces=[make_space("flat", "ada", "bo")])
    live = await survey(auth.client, catalog, secret=Secret(SECRET))
    assert live.spaces_of == {ADA: ""}
    live = await read(auth, "ada", "bo", "cy", only=("ada", "bo"), everybodys_spaces=True)
    assert live.spaces_of == {ADA: "", "persona.bo@mana.test": ""}


async def test_progress_is_told(auth: FakeAuth) -> None:
    has(auth, "ada", "bo")
    told: list[tuple[str, int, int]] = []
    await read(auth, "ada", "bo", "cy", observe=lambda *what: told.append(what))
    assert ("reading personas", 2, 2) in told
    await read(auth, "ada", "bo", check_login=True, observe=lambda *what: told.append(what))
    assert ("signing in", 2, 2) in told
    assert ("looking up who has the new emails", 0, 0) in told
