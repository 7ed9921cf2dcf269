"""The calls of mana: what is sent, what its answers mean, and which account has an email."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, cast
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
from personas.services.mana import ManaService
from personas.services.models import FoundUser, LivePersona, ModuleFeedback
from personas.services.sign_in import Credentials

from .conftest import PERSONAS, QUICK, URL, error_of, jwt

pytestmark = pytest.mark.anyio

USERS = "/api/v1/admin/users"
EMAIL = "persona.ada@mana.test"
PASSWORD = Secret("04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI")
DESCRIBED = {"name": "Ada", "archetype": "researcher", "tickCadence": "weekdays"}
PRIVATE = {
    "systemPrompt": "You are Ada, 36. You keep careful notes.",
    "moduleMix": {"notes": 0.6, "todo": 0.4},
}
ADA = Persona.model_validate({"email": EMAIL, **DESCRIBED, **PRIVATE})
OWN = {"userId": "u1", "email": EMAIL, "createdAt": "2026-11-23T08:28:49.577Z", "lastActiveAt": None}
LISTED = OWN | DESCRIBED | {"actions7d": 2}
LIVE = LivePersona.model_validate(LISTED)
DETAIL = OWN | PRIVATE | {"archetype": "solo-dev"}
SAVED = {"ok": True, "userId": "u1", "email": EMAIL}
DELETED = {"ok": True, "deleted": "u1"}
BROKEN = {"statusCode": 500, "message": "Internal server error"}
GONE = Response(404, json={"error": "Not found"})
REMOVED, BUSY, LIMITED = Response(200, json=DELETED), Response(503), Response(429)
FAILED, REFUSED = Response(500, json=BROKEN), Response(400, json={"error": "no"})
WARNS = Response(200, json={"ok": True, "warning": f"{PASSWORD.reveal()} is kept"})
CLOSE = httpx.RemoteProtocolError("closed without an answer")

Router = respx.MockRouter
Call = Callable[[ManaService], Any]
CALLS: dict[str, Call] = {
    "list": lambda service: service.list_personas(),
    "get": lambda service: service.get_persona(LIVE),
    "create": lambda service: service.create(ADA, PASSWORD),
    "complete": lambda service: service.create(ADA, PASSWORD, existing=FoundUser("u1", EMAIL)),
    "update": lambda service: service.update(LIVE, ADA, {"archetype"}, PASSWORD),
    "delete": lambda service: service.delete(LIVE),
    "count": lambda service: service.count_users("@mana.test"),
}
WRITES = {"create", "complete", "update", "delete"}


def any_call(mana: Router) -> respx.Route:
    return mana.route(path__regex="/api/v1/")


async def test_the_list_is_read(service: ManaService, mana: Router) -> None:
    listing = mana.get(PERSONAS).respond(json={"personas": [LISTED, {"userId": "u2", "email": "b@x.test"}]})
    first, second = await service.list_personas()
    assert first == LIVE
    assert (first.actions_7d, first.system_prompt, first.module_mix) == (2, None, None)
    assert first.created_at is not None
    # Other deployments have no name in the list.
    assert (second.name, second.archetype, second.actions_7d) == (None, None, None)
    assert listing.calls.last.request.headers["authorization"].startswith("Bearer eyJ")
    assert (service.address, service.notes, mana.calls.call_count, service.concurrency) == (URL, [], 1, 8)


@pytest.mark.parametrize("path", [PERSONAS, "/api/v1/personas/admin"])
async def test_a_persona_is_read_with_its_activity(mana: Router, path: str) -> None:
    action = {"toolName": "todo.create", "result": "error", "errorMessage": "boom", "latencyMs": 12}
    mana.get(f"{path}/u1").respond(
        json={
            "persona": DETAIL | {"name": None, "tickCadence": "daily"},
            "recentActions": [action | {"createdAt": "2026-11-23T08:28:49.689Z"}, {"result": "ok"}],
            "feedbackByModule": [{"module": "notes", "avgRating": 3}, {"module": "todo"}],
        }
    )
    async with ManaService(URL, Credentials(token=Secret(jwt())), endpoint=path, retry=QUICK) as service:
        found = await service.get_persona(LIVE)
        nameless = await service.get_persona(LIVE.model_copy(update={"name": None}))
    assert (found.archetype, found.system_prompt) == ("solo-dev", PRIVATE["systemPrompt"])
    assert (found.actions_7d, found.tick_cadence, found.module_mix) == (2, "daily", PRIVATE["moduleMix"])
    assert (found.name, nameless.name) == ("Ada", None)
    assert found.recent_actions is not None
    acts = [(a.tool, a.result, a.error_message) for a in found.recent_actions]
    assert acts == [("todo.create", "error", "boom"), ("?", "ok", None)]
    # The service sends the number of ratings as their mean.
    assert found.feedback == (ModuleFeedback(module="notes", ratings=3), ModuleFeedback(module="todo"))


@pytest.mark.parametrize(("action", "result"), [("create", "u1"), ("complete", "u1"), ("update", "u1")])
async def test_a_persona_is_written_as_in_the_catalog(
    service: ManaService, mana: Router, action: str, result: str | None
) -> None:
    saving = mana.post(PERSONAS)
    # Two seeds at once sign the same user up: the second attempt finds it.
    saving.side_effect = [Response(500, json=BROKEN), Response(200, json=SAVED)]
    assert await CALLS[action](service) == result
    body = ADA.model_dump(mode="json", by_alias=True) | {"password": PASSWORD.reveal()}
    assert [json.loads(call.request.content) for call in saving.calls] == [body, body]


@pytest.mark.parametrize(
    ("call", "body", "text"),
    [
        ("list", [], "Input should be"),
        ("list", {"personas": [LISTED, {"userId": 3, "email": "a"}]}, "personas.1.userId: Input should be"),
        ("get", {"persona": None}, "persona: Input should be"),
        ("get", {"persona": DETAIL | {"moduleMix": {"a": "secret-text"}}}, "persona.moduleMix.a: Input"),
        ("get", {"persona": DETAIL, "recentActions": [1]}, "recentActions.0: Input should be"),
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
    error = await error_of(CALLS[call](service))
    assert type(error) is ResponseError
    assert text in error.message
    assert "secret-text" not in error.message
    assert error.maybe_applied is (call in WRITES)


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (Response(200, text="<html>"), ResponseError, "the answer cannot be understood: it is not JSON"),
        (Response(401, json={"message": "Invalid or expired"}), CredentialsError, "Invalid or expired"),
        (Response(403, json={"error": "No", "message": "Admins only"}), CredentialsError, "No; Admins only"),
        (Response(404, text="404 Not Found"), NotOfferedError, "(HTTP 404)"),
        (Response(404, json={"error": "Not found"}), NotFoundError, "HTTP 404: Not found"),
        (Response(405, json={}), NotOfferedError, "(HTTP 405)"),
        (Response(400, json={"error": "Wrong", "details": ["a", "b"]}), ResponseError, "400: Wrong; a; b"),
        (Response(400, json={"error": "Refusing", "hint": "Use that"}), ResponseError, "Refusing; Use that"),
        (Response(500, json=BROKEN), ResponseError, "HTTP 500: Internal server error"),
        (Response(201, json={}), ResponseError, "HTTP 201"),
    ],
)
async def test_a_refusal_says_its_reason(
    service: ManaService, mana: Router, reply: Response, kind: type[ServiceError], text: str
) -> None:
    route = any_call(mana).mock(reply)
    for call, start in CALLS.items():
        if kind is NotFoundError and call in {"list", "delete", "count"}:
            continue  # other tests show what it means there
        before, writes = route.call_count, call in WRITES
        error = await error_of(start(service))
        assert (type(error), text in error.message) == (kind, True), call
        assert error.maybe_applied is (writes and reply.status_code == 200)
        assert route.call_count - before == (2 if writes and reply.status_code == 500 else 1)
        if kind is NotOfferedError and call == "count":
            assert "the service has no user look-up" in error.message
        elif kind is NotOfferedError or reply.status_code == 200:
            assert error.hint == "Check --auth (MANA_AUTH_URL), and --endpoint or --base-path."


@pytest.mark.parametrize(
    ("call", "replies", "result"),
    [
        ("delete", [REMOVED], True),
        ("delete", [GONE], False),
        ("delete", [CLOSE, GONE], False),
        ("delete", [LIMITED, GONE], False),
        ("delete", [CLOSE, REMOVED], True),
        ("delete", [FAILED, REMOVED], True),
        ("delete", [BUSY, REMOVED], True),
        ("delete", [FAILED, GONE], (ResponseError, "its account may remain", True)),
        ("delete", [BUSY, GONE], (ResponseError, "its account may remain", True)),
        ("delete", [Response(502), CLOSE, GONE], (ResponseError, "its account may remain", True)),
        ("delete", [WARNS], (ResponseError, f"the service warns: {MASK} is kept", False)),
        ("create", [CLOSE, REFUSED], (ResponseError, "no", True)),
        ("create", [BUSY, REFUSED], (ResponseError, "no", True)),
        ("create", [FAILED, REFUSED], (ResponseError, "no", True)),
        ("create", [FAILED, FAILED], (ResponseError, "HTTP 500", False)),
        ("create", [CLOSE, Response(401)], (CredentialsError, ": HTTP 401.", True)),
        ("create", [CLOSE, FAILED, FAILED], (ResponseError, "HTTP 500", True)),
        ("create", [CLOSE] * 4, (NoResponseError, "broke before a complete answer", True)),
        ("create", [LIMITED, REFUSED], (ResponseError, "no", False)),
    ],
)  # fmt: skip
async def test_a_write_is_done_or_says_whether_it_may_be(
    service: ManaService, mana: Router, call: str, replies: list[Any], result: object
) -> None:
    route = any_call(mana)
    route.side_effect = replies
    if isinstance(result, bool):
        assert await CALLS[call](service) is result
    else:
        error = await error_of(CALLS[call](service))
        kind, text, maybe_applied = cast("tuple[type[ServiceError], str, bool]", result)
        assert (type(error), error.maybe_applied) == (kind, maybe_applied)
        assert text in error.message
    assert route.call_count == len(replies)


class Users:
    """The look-up of the service: `%` and `_` are wildcards, and rows of signed-in users answer 500."""

    def __init__(self, *emails: str, signed_in: str = "", name: str = "", totals: bool = True) -> None:
        self.emails, self.signed_in, self.name, self.totals = emails, signed_in, name, totals
        self.searches: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> Response:
        query = parse_qs(request.url.query.decode())
        search, limit = query["search"][0], query["limit"][0]
        self.searches.append((search, limit))
        wild = {"%": ".*", "_": "."}
        pattern = "".join(wild.get(p, re.escape(p[-1])) for p in re.findall(r"\\.|.", search))
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


async def test_accounts_of_a_domain_are_counted_without_rows(service: ManaService, mana: Router) -> None:
    mana.get(USERS).side_effect = Users("a@x.test", "b@x.test", "c@y.test", signed_in="a@x.test")
    assert await service.count_users("@x.test") == 2
    mana.get(USERS).respond(json={"users": []})
    assert await service.count_users("@x.test") is None


@pytest.mark.parametrize(
    ("answered", "kind"),
    [
        ([Response(403)], CredentialsError),
        ([Response(401)], CredentialsError),
        ([Response(405)], NotOfferedError),
        ([Response(501)], NotOfferedError),
        ([httpx.ConnectError("refused")] * 9, UnreachableError),
        ([httpx.ReadError("reset")] * 9, NoResponseError),
    ],
)
async def test_a_look_up_that_concerns_the_whole_run_is_raised(
    service: ManaService, mana: Router, answered: list[Any], kind: type[ServiceError]
) -> None:
    mana.get(USERS).side_effect = answered * 2
    error = await error_of(service.find_users(["a@x.test", "b@x.test"]))
    assert type(error) is kind


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
    # An email without an account costs one request.
    assert [limit for search, limit in users.searches if search == "c@x.test"] == ["0"]
