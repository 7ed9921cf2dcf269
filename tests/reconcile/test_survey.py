from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import respx
from making import SECRET, make_catalog, make_jwt, make_live_persona, make_persona

from personas.catalog.reading import Catalog
from personas.errors import BadAnswer, CredentialsRefused, Unanswered, Unreachable
from personas.passwords import derive_password
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.plan import State, plan
from personas.reconcile.survey import NO_LOOK_UP, survey
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.models import Login
from personas.service.signing import SIGN_IN, SIGN_OUT
from personas.service.transport import Patience

pytestmark = pytest.mark.anyio

URL = "http://localhost:3001"
PERSONAS = "/api/v1/admin/personas"
USERS = "/api/v1/admin/users"
QUICK = Patience(attempts=3, first_attempts=2, wait_initial=0.001, wait_max=0.002)
WRONG = {"code": "INVALID_EMAIL_OR_PASSWORD"}


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as mocked:
        mocked.get(USERS, name="users").respond(200, json={"users": [], "total": 0})
        mocked.post(SIGN_OUT).respond(200)
        yield mocked


@pytest.fixture
async def service() -> AsyncIterator[AuthService]:
    async with AuthService(URL, Credentials(token=Secret(make_jwt())), patience=QUICK) as opened:
        yield opened


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


def has(router: respx.MockRouter, *who: str) -> None:
    """The service has these personas."""
    listed = [{k: v for k, v in body(w).items() if k not in {"systemPrompt", "moduleMix"}} for w in who]
    router.get(PERSONAS).respond(200, json={"personas": listed})
    for w in who:
        details = {k: v for k, v in body(w).items() if k != "actions7d"}
        router.get(f"{PERSONAS}/id-{w}", name=w).respond(200, json={"persona": details})


def belongs(router: respx.MockRouter, *who: str) -> None:
    """These emails belong to users."""
    users = [{"id": f"u-{w}", "email": f"persona.{w}@mana.test"} for w in who]
    router["users"].respond(200, json={"users": users, "total": len(users)})


async def read(service: AuthService, catalog: Catalog | None, **options: Any) -> Live:
    return await survey(service, catalog, secret=Secret(SECRET), **options)


async def test_what_the_list_and_the_details_tell_is_joined(
    service: AuthService, router: respx.MockRouter
) -> None:
    has(router, "ada", "bo")
    live = await read(service, make_catalog("ada"))
    ada = make_live_persona("ada", user_id="id-ada", actions_7d=2)
    bo = make_live_persona("bo", user_id="id-bo", actions_7d=2, system_prompt=None, module_mix=None)
    assert live == Live(personas=(ada, bo))
    assert plan(make_catalog("ada"), live).of(State.IN_SYNC)


async def test_details_are_read_only_of_what_is_compared(
    service: AuthService, router: respx.MockRouter
) -> None:
    has(router, "ada", "bo", "eve")
    await read(service, make_catalog("ada", "bo"), only="ada")
    assert (router["ada"].call_count, router["bo"].call_count, router["eve"].call_count) == (1, 0, 0)
    await read(service, make_catalog("ada", "bo"), only=("ada", "bo"))
    assert (router["ada"].call_count, router["bo"].call_count, router["eve"].call_count) == (2, 1, 0)
    await read(service, make_catalog("ada", "bo"), whole=True)
    assert router["eve"].call_count == 1
    await read(service, None)
    assert router["ada"].call_count == 3


async def test_a_persona_that_is_gone_meanwhile_is_not_live(
    service: AuthService, router: respx.MockRouter
) -> None:
    has(router, "ada", "bo")
    router["ada"].respond(404, json={"error": "Not found"})
    live = await read(service, make_catalog("ada", "bo"))
    assert [p.user_id for p in live.personas] == ["id-bo"]
    assert live.owners == {"persona.ada@mana.test": Owner(Ownership.FREE)}


async def test_a_persona_that_cannot_be_read_is_unread_and_the_others_are_read(
    service: AuthService, router: respx.MockRouter
) -> None:
    has(router, "ada", "bo")
    router["ada"].respond(200, text="<html>")
    live = await read(service, make_catalog("ada", "bo"))
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
    service: AuthService, router: respx.MockRouter, response: Any, error: type[Exception]
) -> None:
    has(router, "ada", "bo")
    router["ada"].side_effect = [response] * 20
    with pytest.raises(error):
        await read(service, make_catalog("ada", "bo"))


async def test_many_personas_without_any_answer_stop_the_reading(
    service: AuthService, router: respx.MockRouter
) -> None:
    who = [f"p{n}" for n in range(10)]
    has(router, *who)
    for w in who:
        router[w].side_effect = httpx.ReadError("x")
    with pytest.raises(Unanswered):
        await read(service, make_catalog(*who), workers=1)
    assert sum(router[w].called for w in who) == 3


async def test_a_list_that_fails_is_the_end(service: AuthService, router: respx.MockRouter) -> None:
    router.get(PERSONAS).respond(200, json={"personas": [{"userId": 1}]})
    with pytest.raises(BadAnswer):
        await read(service, make_catalog("ada"))


# Whose an email is


async def owner_of(service: AuthService, router: respx.MockRouter, **options: Any) -> Owner:
    has(router)
    live = await survey(service, make_catalog("ada"), **{"secret": Secret(SECRET), **options})
    return live.owners["persona.ada@mana.test"]


async def test_an_email_that_nobody_has_is_free_and_costs_one_look_up(
    service: AuthService, router: respx.MockRouter
) -> None:
    assert await owner_of(service, router) == Owner(Ownership.FREE)
    assert (service.requests, service.safety_requests) == (2, 1)


async def test_a_user_who_takes_the_derived_password_is_one_of_ours(
    service: AuthService, router: respx.MockRouter
) -> None:
    belongs(router, "ada")
    route = router.post(SIGN_IN).respond(403, json={"code": "EMAIL_NOT_VERIFIED"})
    assert await owner_of(service, router) == Owner(Ownership.OURS)
    assert derive_password("persona.ada@mana.test", SECRET).encode() in route.calls[0].request.content


async def test_a_user_who_refuses_the_derived_password_is_somebody_else(
    service: AuthService, router: respx.MockRouter
) -> None:
    belongs(router, "ada")
    router.post(SIGN_IN).respond(401, json=WRONG)
    assert await owner_of(service, router) == Owner(Ownership.FOREIGN)


@pytest.mark.parametrize("status", [429, 401, 403, 500, 404])
async def test_what_is_no_verdict_on_the_password_leaves_the_owner_not_known(
    service: AuthService, router: respx.MockRouter, status: int
) -> None:
    belongs(router, "ada")
    router.post(SIGN_IN).respond(status, headers={"Retry-After": "1800"})
    owner = await owner_of(service, router)
    assert owner.verdict is Ownership.NOT_KNOWN
    assert owner.reason


async def test_without_a_secret_a_found_user_is_not_known_and_no_password_is_tried(
    service: AuthService, router: respx.MockRouter
) -> None:
    belongs(router, "ada")
    route = router.post(SIGN_IN)
    assert (await owner_of(service, router, secret=None)).verdict is Ownership.NOT_KNOWN
    assert not route.called


async def test_a_look_up_that_fails_leaves_the_owner_not_known(
    service: AuthService, router: respx.MockRouter
) -> None:
    router["users"].respond(500)
    assert (await owner_of(service, router)).verdict is Ownership.NOT_KNOWN


async def test_a_look_up_that_is_not_offered_is_noted(service: AuthService, router: respx.MockRouter) -> None:
    router["users"].respond(404)
    has(router)
    live = await read(service, make_catalog("ada"))
    assert live.owners["persona.ada@mana.test"].verdict is Ownership.NOT_CHECKED
    assert live.notes == (NO_LOOK_UP,)


async def test_a_forbidden_look_up_stops_the_reading(service: AuthService, router: respx.MockRouter) -> None:
    router["users"].respond(403)
    with pytest.raises(CredentialsRefused):
        await owner_of(service, router)


async def test_nobody_is_looked_up_when_every_email_is_live_or_left_out(
    service: AuthService, router: respx.MockRouter
) -> None:
    has(router, "ada")
    await read(service, make_catalog("ada", "bo"), only="ada")
    await read(service, make_catalog("ada", "bo"), owners=False)
    assert not router["users"].called


# Signing in


async def test_every_live_persona_of_the_catalog_is_signed_in_once(
    service: AuthService, router: respx.MockRouter
) -> None:
    has(router, "ada", "bo", "eve")
    right = httpx.Response(200, headers={"Set-Cookie": "mana.session_token=x"}, json={})

    def answer(request: httpx.Request) -> httpx.Response:
        return right if b"persona.ada@" in request.content else httpx.Response(401, json=WRONG)

    route = router.post(SIGN_IN).mock(side_effect=answer)
    live = await read(service, make_catalog("ada", "bo", "cy"), check_login=True)
    assert {email: check.verdict for email, check in live.logins.items()} == {
        "persona.ada@mana.test": Login.WORKS,
        "persona.bo@mana.test": Login.WRONG_PASSWORD,
    }
    assert route.call_count == 2


async def test_progress_is_told(service: AuthService, router: respx.MockRouter) -> None:
    has(router, "ada", "bo")
    told: list[tuple[str, int, int]] = []
    await read(service, make_catalog("ada", "bo", "cy"), observe=lambda *what: told.append(what))
    assert ("reading personas", 2, 2) in told
    assert ("looking up who has the new emails", 0, 0) in told
