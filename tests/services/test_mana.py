"""The calls of mana: what is sent, what its answers mean, and which account has an email."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from httpx import Response

from personas.catalog.models import Persona
from personas.errors import (
    CredentialsError,
    NoResponseError,
    NotFoundError,
    NotOfferedError,
    ResponseError,
    ServiceError,
    UnreachableError,
)
from personas.redact import MASK, Secret
from personas.services.base import DESCRIPTORS, Capabilities, Service
from personas.services.mana import ManaService
from personas.services.models import FoundUser, LivePersona, ModuleFeedback
from personas.services.sign_in import Credentials

from .conftest import PERSONAS, QUICK, URL, USERS, jwt
from .server import CLOSE, Reply, Server, answer

pytestmark = pytest.mark.anyio

EMAIL = "persona.ada@mana.test"
PASSWORD = Secret("04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI")
ADA = Persona.model_validate(
    {
        "name": "Ada",
        "email": EMAIL,
        "archetype": "researcher",
        "systemPrompt": "You are Ada, 36. You keep careful notes.",
        "moduleMix": {"notes": 0.6, "articles": 0.4},
        "tickCadence": "weekdays",
    }
)
LISTED = {
    "userId": "u1",
    "email": EMAIL,
    "name": "Ada",
    "archetype": "researcher",
    "tickCadence": "weekdays",
    "lastActiveAt": None,
    "createdAt": "2026-11-23T08:28:49.577Z",
    "actions7d": 2,
}
LIVE = LivePersona.model_validate(LISTED)
DETAIL = {key: value for key, value in LISTED.items() if key != "actions7d"} | {
    "archetype": "solo-dev",
    "systemPrompt": "You are Ada.",
    "moduleMix": {"notes": 1},
    "tickCadence": "daily",
}
SAVED = {"ok": True, "userId": "u1", "email": EMAIL}
DELETED = {"ok": True, "deleted": "u1"}
GONE = {"error": "Not found"}
BROKEN = {"statusCode": 500, "message": "Internal server error"}

Router = respx.MockRouter
Call = Callable[[ManaService], Any]
CALLS: dict[str, Call] = {
    "list": lambda service: service.list_personas(),
    "get": lambda service: service.get_persona(LIVE),
    "create": lambda service: service.create(ADA, PASSWORD),
    "update": lambda service: service.update(LIVE, ADA, {"archetype"}, PASSWORD),
    "delete": lambda service: service.delete(LIVE),
    "count": lambda service: service.count_users("@mana.test"),
}


def any_call(mana: Router) -> respx.Route:
    return mana.route(path__regex="/api/v1/")


async def error_of(service: ManaService, call: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await CALLS[call](service)
    return caught.value


def test_what_the_service_can_do() -> None:
    service: Service = ManaService(URL)
    assert service.capabilities == Capabilities(
        DESCRIPTORS | {"name"}, DESCRIPTORS, False, True, refuses_taken_emails=False, space_types=True
    )
    assert (service.address, service.notes, service.requests, service.concurrency) == (URL, [], 0, 8)


async def test_the_list_is_read(service: ManaService, mana: Router) -> None:
    listing = mana.get(PERSONAS).respond(json={"personas": [LISTED, {"userId": "u2", "email": "b@x.test"}]})
    first, second = await service.list_personas()
    assert first == LIVE
    assert (first.actions_7d, first.system_prompt, first.module_mix) == (2, None, None)
    assert first.created_at is not None
    # Other deployments have no name in the list.
    assert (second.name, second.archetype, second.actions_7d) == (None, None, None)
    assert listing.calls.last.request.headers["authorization"].startswith("Bearer eyJ")


async def test_a_persona_is_read_with_its_activity(service: ManaService, mana: Router) -> None:
    action = {"toolName": "todo.create", "result": "error", "errorMessage": "boom", "latencyMs": 12}
    mana.get(f"{PERSONAS}/u1").respond(
        json={
            "persona": DETAIL | {"name": None},
            "recentActions": [action | {"createdAt": "2026-11-23T08:28:49.689Z"}, {"result": "ok"}],
            "feedbackByModule": [{"module": "notes", "avgRating": 3}, {"module": "todo"}],
        }
    )
    found = await service.get_persona(LIVE)
    assert (found.archetype, found.system_prompt, found.module_mix) == (
        "solo-dev",
        "You are Ada.",
        {"notes": 1},
    )
    assert (found.actions_7d, found.tick_cadence, found.name) == (2, "daily", "Ada")
    assert found.recent_actions is not None
    acts = [(a.tool, a.result, a.error_message) for a in found.recent_actions]
    assert acts == [("todo.create", "error", "boom"), ("?", "ok", None)]
    # The service sends the number of ratings as their mean.
    assert found.feedback == (ModuleFeedback(module="notes", ratings=3), ModuleFeedback(module="todo"))


async def test_another_deployment_has_no_names(mana: Router) -> None:
    path = "/api/v1/personas/admin"
    nameless = {key: value for key, value in DETAIL.items() if key != "name"}
    mana.get(path).respond(json={"personas": [nameless]})
    mana.get(f"{path}/u1").respond(json={"persona": nameless, "recentActions": [], "feedbackByModule": []})
    credentials = Credentials(token=Secret(jwt()))
    async with ManaService(URL, credentials, endpoint=path, retry=QUICK) as service:
        (listed,) = await service.list_personas()
        found = await service.get_persona(listed)
    assert (listed.name, found.name) == (None, None)
    assert found.system_prompt == "You are Ada."


@pytest.mark.parametrize("action", ["create", "update"])
async def test_a_persona_is_written_as_in_the_catalog(
    service: ManaService, mana: Router, action: str
) -> None:
    saving = mana.post(PERSONAS).respond(json=SAVED)
    assert await CALLS[action](service) == "u1"
    body = ADA.model_dump(mode="json", by_alias=True) | {"password": PASSWORD.reveal()}
    assert json.loads(saving.calls.last.request.content) == body


async def test_a_half_created_account_is_completed(service: ManaService, mana: Router) -> None:
    saving = mana.post(PERSONAS).respond(400, json={"error": "no"})
    with pytest.raises(ResponseError, match=f"completing {EMAIL}: HTTP 400: no"):
        await service.create(ADA, PASSWORD, existing=FoundUser("u1", EMAIL))
    assert saving.call_count == 1


@pytest.mark.parametrize(
    ("call", "body", "text"),
    [
        ("list", [], "Input should be"),
        ("list", {}, "personas: Field required"),
        ("list", {"personas": [LISTED, {"userId": 3, "email": "a"}]}, "personas.1.userId: Input should be"),
        ("list", {"personas": "all"}, "personas: Input should be"),
        ("get", {"persona": None}, "persona: Input should be"),
        ("get", {"persona": DETAIL | {"moduleMix": {"a": "secret-text"}}}, "persona.moduleMix.a: Input"),
        ("get", {"persona": DETAIL, "recentActions": [1]}, "recentActions.0: Input should be"),
        ("create", {"ok": False, "userId": "u1"}, "ok: Input should be True"),
        ("create", {"ok": True}, "userId: Field required"),
        ("delete", {"deleted": "u1"}, "ok: Field required"),
        ("count", {"users": [], "total": -1}, "total: Input should be"),
        ("count", {"total": 1}, "users: Field required"),
    ],
)
async def test_json_of_another_kind_is_refused_with_its_place(
    service: ManaService, mana: Router, call: str, body: object, text: str
) -> None:
    any_call(mana).respond(json=body)
    error = await error_of(service, call)
    assert type(error) is ResponseError
    assert text in error.message
    assert "secret-text" not in error.message
    assert error.maybe_applied is (call in {"create", "update", "delete"})


@pytest.mark.parametrize("call", CALLS)
async def test_an_answer_that_is_not_json_is_refused(service: ManaService, mana: Router, call: str) -> None:
    any_call(mana).respond(text="<html>")
    error = await error_of(service, call)
    assert "the answer cannot be understood: it is not JSON" in error.message
    assert error.hint == "Check --auth (MANA_AUTH_URL) and --endpoint."


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (Response(401, json={"message": "Invalid or expired"}), CredentialsError, "Invalid or expired"),
        (Response(403, json={"error": "No", "message": "Admins only"}), CredentialsError, "No; Admins only"),
        (Response(404, text="404 Not Found"), NotOfferedError, "not have this call (HTTP 404)"),
        (Response(405, json={}), NotOfferedError, "not have this call (HTTP 405)"),
        (Response(400, json={"error": "Wrong", "details": ["a", "b"]}), ResponseError, "400: Wrong; a; b"),
        (Response(400, json={"error": "Refusing", "hint": "Use that"}), ResponseError, "Refusing; Use that"),
        (Response(500, json=BROKEN), ResponseError, "HTTP 500: Internal server error"),
        (Response(201, json={}), ResponseError, "HTTP 201"),
    ],
)
async def test_a_refusal_says_its_reason(
    service: ManaService, mana: Router, call: str, reply: Response, kind: type[ServiceError], text: str
) -> None:
    route = any_call(mana)
    route.mock(reply)
    error = await error_of(service, call)
    assert type(error) is kind
    if not (call == "count" and kind is NotOfferedError):
        assert text in error.message
        assert kind is not NotOfferedError or "--endpoint" in error.hint
    assert not error.maybe_applied
    # A write that answers 500 is sent once more: two seeds at once sign the same user up.
    writes = call in {"create", "update", "delete"}
    assert route.call_count == (2 if reply.status_code == 500 and writes else 1)


async def test_a_missing_persona_is_not_found(service: ManaService, mana: Router) -> None:
    any_call(mana).respond(404, json=GONE)
    assert type(await error_of(service, "get")) is NotFoundError


async def test_a_single_500_of_a_write_is_survived(service: ManaService, mana: Router) -> None:
    saving = mana.post(PERSONAS)
    saving.side_effect = [Response(500, json=BROKEN), Response(200, json=SAVED)]
    assert await service.create(ADA, PASSWORD) == "u1"


async def test_an_id_is_quoted_in_the_path(service: ManaService, mana: Router) -> None:
    route = mana.route(method="DELETE").respond(json=DELETED)
    await service.delete(LIVE.model_copy(update={"user_id": "../a?b#c%"}))
    assert route.calls.last.request.url.raw_path == f"{PERSONAS}/..%2Fa%3Fb%23c%25".encode()


@pytest.mark.parametrize(
    ("replies", "result"),
    [
        ([answer(200, DELETED)], True),
        ([answer(404, GONE)], False),
        ([CLOSE, answer(404, GONE)], False),
        ([answer(429), answer(404, GONE)], False),
        ([CLOSE, answer(200, DELETED)], True),
        ([answer(500, BROKEN), answer(200, DELETED)], True),
        ([answer(503), answer(200, DELETED)], True),
        ([answer(500, BROKEN), answer(404, GONE)], "its account may remain"),
        ([answer(503), answer(404, GONE)], "its account may remain"),
        ([answer(502), CLOSE, answer(404, GONE)], "its account may remain"),
        ([answer(200, DELETED | {"warning": "user kept"})], "the service warns: user kept"),
        ([answer(200, {"ok": True, "warning": PASSWORD.reveal()})], f"the service warns: {re.escape(MASK)}"),
    ],
)  # fmt: skip
async def test_a_deletion(server: Server, replies: list[Reply], result: bool | str) -> None:
    server.replies = replies
    async with ManaService(server.url, Credentials(token=Secret(jwt())), retry=QUICK) as service:
        if isinstance(result, bool):
            assert await service.delete(LIVE) is result
            return
        with pytest.raises(ResponseError, match=f"deleting {EMAIL}: .*{result}") as caught:
            await service.delete(LIVE)
    assert caught.value.maybe_applied is ("may remain" in result)


@pytest.mark.parametrize(
    ("replies", "kind", "maybe_applied"),
    [
        ([CLOSE, answer(400, {"error": "no"})], ResponseError, True),
        ([answer(503), answer(400, {"error": "no"})], ResponseError, True),
        ([answer(500, BROKEN), answer(400, {"error": "no"})], ResponseError, True),
        ([answer(500, BROKEN), answer(500, BROKEN)], ResponseError, False),
        ([CLOSE, answer(401)], CredentialsError, True),
        ([CLOSE, answer(500, BROKEN), answer(500, BROKEN)], ResponseError, True),
        ([CLOSE], NoResponseError, True),
        ([answer(429), answer(400, {"error": "no"})], ResponseError, False),
    ],
)
async def test_a_write_that_may_have_been_applied_says_so(
    server: Server, replies: list[Reply], kind: type[ServiceError], maybe_applied: bool
) -> None:
    server.replies = replies
    async with ManaService(server.url, Credentials(token=Secret(jwt())), retry=QUICK) as service:
        error = await error_of(service, "create")
    assert type(error) is kind
    assert error.maybe_applied is maybe_applied


async def test_echoed_secrets_are_masked(service: ManaService, mana: Router) -> None:
    def echo(request: httpx.Request) -> Response:
        said = f"{request.content.decode()} {request.headers['authorization']}"
        return Response(400, json={"error": said, "message": json.dumps(said)})

    any_call(mana).side_effect = echo
    error = await error_of(service, "create")
    assert MASK in error.message
    assert PASSWORD.reveal() not in error.message
    assert "eyJ" not in error.message


class Users:
    """The look-up of the service: `%` and `_` are wildcards, and rows of signed-in users answer 500."""

    def __init__(self, *emails: str, signed_in: str = "", name: str = "", totals: bool = True) -> None:
        self.emails, self.signed_in, self.name, self.totals = emails, signed_in, name, totals
        self.searches: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> Response:
        query = parse_qs(request.url.query.decode())
        search, limit = query["search"][0], query["limit"][0]
        self.searches.append((search, limit))
        escapes = {"%": ".*", "_": "."}
        parts = re.findall(r"\\.|.", search)
        pattern = "".join(re.escape(p[1]) if p[0] == "\\" else escapes.get(p, re.escape(p)) for p in parts)
        texts = {email: f"{email}\n{self.name}" for email in self.emails}
        found = [email for email, text in texts.items() if re.search(pattern, text, re.IGNORECASE)]
        if limit != "0" and self.signed_in in found:
            return Response(500, json=BROKEN)
        rows = [{"id": f"id-{email}", "email": email} for email in found][: int(limit)]
        total = {"total": len(found)} if self.totals else {}
        return Response(200, json={"users": rows, **total})


@pytest.mark.parametrize(
    ("email", "users", "expected"),
    [
        ("anna@x.test", Users(), None),
        ("anna@x.test", Users("anna@x.test"), "id-anna@x.test"),
        ("anna@x.test", Users("Anna@X.test"), "id-Anna@X.test"),
        ("anna@x.test", Users("joanna@x.test"), None),
        ("an_na@x.test", Users("anina@x.test", "an.na@x.test"), None),
        ("an_na@x.test", Users("anina@x.test", "an_na@x.test"), "id-an_na@x.test"),
        # Rows that cannot be read: numbers decide.
        ("anna@x.test", Users("anna@x.test", signed_in="anna@x.test"), ""),
        ("anna@x.test", Users("anna@x.test", "joanna@x.test", signed_in="joanna@x.test"), ""),
        ("an_na@x.test", Users("an.na@x.test", signed_in="an.na@x.test"), None),
        ("an_na@x.test", Users("an.na@x.test", "an_na@x.test", signed_in="an.na@x.test"), ""),
        ("anna@x.test", Users("joanna@x.test", signed_in="joanna@x.test"), ResponseError),
        ("anna@x.test", Users("b@x.test", signed_in="b@x.test", name="to anna@x.test"), ResponseError),
        # Live personas explain a number.
        ("ada@mana.test", Users(EMAIL, signed_in=EMAIL), None),
        ("ada@mana.test", Users(EMAIL, "ada@mana.test", signed_in=EMAIL), ""),
        ("persona_ada@mana.test", Users(EMAIL, signed_in=EMAIL), None),
        (EMAIL, Users(EMAIL, signed_in=EMAIL), ""),
        # Rows without a total decide only if they have the email; nothing at all decides nothing.
        ("a@x.test", Users("a@x.test", "ba@x.test", totals=False), "id-a@x.test"),
        ("a@x.test", Users("ba@x.test", totals=False), ResponseError),
        ("a@x.test", Users(totals=False), ResponseError),
        ("a@x.test", Users("a@x.test", signed_in="a@x.test", totals=False), ResponseError),
        # More accounts than one page has.
        ("a@x.test", Users(*(f"{n}a@x.test" for n in range(101))), ResponseError),
    ],
)  # fmt: skip
async def test_an_email_is_looked_up(
    service: ManaService, mana: Router, email: str, users: Users, expected: object
) -> None:
    mana.get(PERSONAS).respond(json={"personas": [LISTED]})
    await service.list_personas()
    mana.get(USERS).side_effect = users
    found = await service.find_users([email])
    assert users.searches[0] == (email, "0")
    if expected is None:
        assert found == {}
    elif isinstance(expected, str):
        assert found == {email: FoundUser(expected, email)}
    else:
        assert type(found[email]) is expected
        assert str(found[email]).startswith(f"looking up {email}: ")


async def test_free_emails_cost_one_request_each(service: ManaService, mana: Router) -> None:
    users = Users("b@x.test")
    mana.get(USERS).side_effect = users
    assert await service.find_users([f"a{n}@x.test" for n in range(20)]) == {}
    assert len(users.searches) == 20


async def test_accounts_of_a_domain_are_counted_without_rows(service: ManaService, mana: Router) -> None:
    mana.get(USERS).side_effect = Users("a@x.test", "b@x.test", "c@y.test", signed_in="a@x.test")
    assert await service.count_users("@x.test") == 2
    mana.get(USERS).respond(json={"users": []})
    assert await service.count_users("@x.test") is None


@pytest.mark.parametrize(
    ("status", "content"), [(404, {"text": "404 Not Found"}), (404, {"json": GONE}), (405, {}), (501, {})]
)
@pytest.mark.parametrize("call", [CALLS["count"], lambda service: service.find_users(["a@x.test"])])
async def test_a_service_without_look_up_says_so(
    service: ManaService, mana: Router, call: Call, status: int, content: dict[str, Any]
) -> None:
    mana.get(USERS).respond(status, **content)
    with pytest.raises(NotOfferedError, match="the service has no user look-up"):
        await call(service)


@pytest.mark.parametrize(
    ("answered", "kind"),
    [
        (Response(403, json={"message": "no"}), CredentialsError),
        (Response(401, json={}), CredentialsError),
        (httpx.ConnectError("refused"), UnreachableError),
        (httpx.ReadError("reset"), NoResponseError),
    ],
)
async def test_a_look_up_that_concerns_the_whole_run_is_raised(
    service: ManaService, mana: Router, answered: Any, kind: type[ServiceError]
) -> None:
    route = mana.get(USERS)
    route.mock(side_effect=answered) if isinstance(answered, Exception) else route.mock(answered)
    with pytest.raises(ServiceError) as caught:
        await service.find_users(["a@x.test", "b@x.test"])
    assert type(caught.value) is kind


async def test_an_email_that_cannot_be_looked_up_leaves_the_others(
    service: ManaService, mana: Router
) -> None:
    users = Users("b@x.test")

    def some(request: httpx.Request) -> Response:
        return Response(500, json=BROKEN) if b"search=a" in request.url.query else users(request)

    mana.get(USERS).side_effect = some
    found = await service.find_users(["a@x.test", "b@x.test", "c@x.test"])
    assert str(found["a@x.test"]) == "looking up a@x.test: HTTP 500: Internal server error."
    assert found["b@x.test"] == FoundUser("id-b@x.test", "b@x.test")
    assert "c@x.test" not in found
