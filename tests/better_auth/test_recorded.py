"""Each recorded answer of Better Auth, and what the service makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import respx

from personas.config import parse_address
from personas.errors import (
    CredentialsError,
    NotFoundError,
    NotOfferedError,
    ResponseError,
    UnreachableError,
)
from personas.redact import Secret
from personas.services.better_auth import BetterAuthService
from personas.services.better_auth_deployment import probe_service
from personas.services.models import FoundUser, LivePersona, Verdict
from personas.services.sign_in import Credentials

from .conftest import QUICK
from .recorded import recorded
from .syncing import catalog

pytestmark = pytest.mark.anyio

URL = "http://localhost:4400"
AUTH = f"{URL}/api/auth"
ADA = LivePersona(user_id="FnUky2cGDGecQTfStjre9ByVOHmOIIyH", email="persona.ada@mana.test")
PASSWORD = Secret("04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI")

Act = Callable[[BetterAuthService], Awaitable[Any]]


@pytest.fixture
async def service() -> AsyncIterator[BetterAuthService]:
    token = Credentials(token=Secret("a-session-token-of-the-admin"))
    async with BetterAuthService(URL, token, retry=QUICK) as opened:
        yield opened


def answer(router: respx.MockRouter, **answers: str | list[str]) -> None:
    """Let paths answer as in these exchanges, `update_user="update-name"`; the last one again and again."""
    paths = {"sign_in": "sign-in/email", "get_session": "get-session", "sign_out": "sign-out"}
    for name, exchanges in answers.items():
        queue = [exchanges] if isinstance(exchanges, str) else exchanges
        path = paths.get(name, f"admin/{name.replace('_', '-')}")

        def reply(request: httpx.Request, queue: list[str] = list(queue)) -> httpx.Response:  # noqa: B006
            exchange = recorded(queue.pop(0) if len(queue) > 1 else queue[0])
            if isinstance(exchange.body, dict) and exchange.body.get("users"):
                # Recorded without a limit; a successful list repeats that of the request.
                return httpx.Response(200, json={**exchange.body, "limit": int(request.url.params["limit"])})
            return exchange.response

        router.route(path=f"/api/auth/{path}").mock(side_effect=reply)


@pytest.fixture
def router() -> Any:
    """A stock deployment whose fields and role were probed with success, without users."""
    with respx.mock(assert_all_called=False) as mocked:
        answer(
            mocked,
            get_session="get-session",
            has_permission="has-permission",
            update_user="update-unknown",
            set_role="probe-role-no-roles",
            list_users="probe-field-not-declared",
            revoke_user_sessions="revoke-sessions",
        )
        yield mocked


def persona(email: str) -> Any:
    return catalog("ada").personas[0].model_copy(update={"email": email})


def create(local: str, existing: FoundUser | None = None) -> Act:
    return lambda service: service.create(persona(f"{local}@mana.test"), PASSWORD, existing=existing)


async def update(service: BetterAuthService) -> None:
    await service.update(ADA, persona(ADA.email), ["name"], PASSWORD)


async def list_all(service: BetterAuthService) -> None:
    await service.list_personas()


async def get(service: BetterAuthService) -> None:
    await service.get_persona(ADA)


# The probes of four descriptors and `kind` come first.
PROBES = ["probe-field-not-declared"] * 5
REMOVED = "removed the marker (role 'persona'), so the account was deleted again. Check its database hooks."
LOST = "updating persona.ada@mana.test: skipped, because the account is not a persona any more (role is not "


@pytest.mark.parametrize(
    ("act", "answers", "error", "message"),
    [
        (
            create("human"),
            {"create_user": "create-again"},
            ResponseError,
            "an account that is not a persona.",
        ),
        (create("hooked"), {"create_user": "recommended-create-hooked"}, ResponseError, REMOVED),
        (create("vetoed"), {"create_user": "recommended-create-vetoed"}, ResponseError, ": Failed to create"),
        (
            create("hal"),
            {"create_user": "create-long-password"},
            ResponseError,
            "Set its maxPasswordLength to",
        ),
        (create("kim"), {"create_user": "create-nul"}, ResponseError, "creating kim@mana.test: HTTP 500."),
        (create("ada"), {"create_user": "weak-create-with-role"}, CredentialsError, "change users role"),
        (
            create("human", FoundUser(ADA.user_id, "")),
            {},
            ResponseError,
            "has another email now: persona.ada@",
        ),
        (update, {}, ResponseError, LOST),
        (update, {"get_user": "get-user-unknown"}, NotFoundError, "the account does not exist."),
        (get, {}, NotFoundError, "reading persona.ada@mana.test: the account is not a persona any more."),
        (list_all, {"list_users": [*PROBES, "list-sort-unknown"]}, ResponseError, "could not read the list"),
        (list_all, {"list_users": [*PROBES, "list-as-human"]}, CredentialsError, "not allowed to list users"),
        (
            list_all,
            {"list_users": [*PROBES, "session-expired"]},
            CredentialsError,
            "the admin's session any more",
        ),
        (list_all, {"list_users": [*PROBES, "wrong-path"]}, NotOfferedError, "does not have this call"),
        (
            list_all,
            {"get_session": "get-session-none"},
            CredentialsError,
            "does not accept the admin's session",
        ),
        (list_all, {"set_role": "probe-role-not-declared"}, NotOfferedError, "nothing that marks personas"),
        (list_all, {"update_user": "update-name"}, NotOfferedError, "as before 1.6.16."),
    ],
)
async def test_recorded_answer_is_an_error(
    router: respx.MockRouter,
    service: BetterAuthService,
    act: Act,
    answers: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    # Looking up kim finds two other accounts: only an account with exactly this email counts.
    others = {
        "list_users": [*PROBES, "list-filter-email-in"],
        "get_user": "get-user",
        "remove_user": "remove",
    }
    answer(router, **{**others, **answers})
    with pytest.raises(error) as raised:
        await act(service)
    assert type(raised.value) is error
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("user", "removed", "deleted"),
    [
        ("get-user-unknown", "", False),
        ("update-role", "remove-again", False),
        ("update-role", "remove", True),
    ],
)
async def test_deletion_of_a_persona_that_may_be_gone(
    router: respx.MockRouter, service: BetterAuthService, user: str, removed: str, deleted: bool
) -> None:
    answer(router, get_user=user, remove_user=removed)
    assert await service.delete(ADA) is deleted


@pytest.mark.parametrize(
    ("exchange", "verdict", "reason"),
    [
        ("sign-in-persona", Verdict.RIGHT, ""),
        ("sign-in-banned", Verdict.RIGHT, ""),
        ("strict-sign-in-unverified", Verdict.RIGHT, ""),
        ("sign-in-old-password", Verdict.WRONG, ""),
        ("sign-in-unknown-email", Verdict.WRONG, ""),
        ("sign-in-no-credential", Verdict.WRONG, ""),
        ("sign-in-password-too-long", Verdict.UNKNOWN, "maxPasswordLength"),
        ("no-email-password", Verdict.UNKNOWN, "does not allow sign-in with a password"),
        ("sign-in-foreign-origin", Verdict.UNKNOWN, "Invalid origin"),
        ("wrong-path", Verdict.UNKNOWN, "not the auth service's sign-in"),
    ],
)
async def test_password_check_by_recorded_sign_in(
    router: respx.MockRouter, service: BetterAuthService, exchange: str, verdict: Verdict, reason: str
) -> None:
    answer(router, sign_in=exchange, sign_out="sign-out")
    check = await service.check_password(ADA.email, PASSWORD)
    assert check.verdict is verdict
    assert reason in check.reason


PROBE_PATHS = {"mana": "/api/v1/admin/personas", "ok": "/api/auth/ok", "list": "/api/auth/admin/list-users"}
NOTHING = httpx.Response(404, text="404 Not Found")


@pytest.mark.parametrize(
    ("answers", "found", "message"),
    [
        ({"mana": httpx.Response(401, json={"statusCode": 401, "message": "no token"})}, "mana", ""),
        ({"ok": "ok", "list": "no-session"}, "better-auth", ""),
        ({"ok": "ok", "list": "no-admin-plugin"}, "", "does not have the admin plugin"),
        ({}, "", "Neither mana nor Better Auth answers at http://localhost:4400"),
        ({"mana": httpx.Response(401, text="?")}, "", "Neither mana nor Better Auth"),
        ({"ok": httpx.Response(200, text="<html>")}, "", "Neither mana nor Better Auth"),
    ],
)
async def test_service_is_found_out_without_credentials(
    answers: dict[str, Any], found: str, message: str
) -> None:
    with respx.mock(assert_all_called=False) as router:
        for name, path in PROBE_PATHS.items():
            response = answers.get(name, NOTHING)
            response = response if isinstance(response, httpx.Response) else recorded(response).response
            router.get(path=path).mock(response)
        if found:
            assert await probe_service(parse_address(URL), base_path="/api/auth", retry=QUICK) == found
        else:
            with pytest.raises(NotOfferedError, match=message):
                await probe_service(parse_address(URL), base_path="/api/auth", retry=QUICK)
        sent = [call.request for call in router.calls]
    assert {request.method for request in sent} == {"GET"}
    assert not any("authorization" in request.headers for request in sent)


async def test_service_that_does_not_answer_is_unreachable() -> None:
    with pytest.raises(UnreachableError):
        await probe_service(parse_address("http://127.0.0.1:9"), base_path="/api/auth", retry=QUICK)
