"""Each recorded answer of Better Auth, and what the service makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from operator import methodcaller

import httpx
import pytest
import respx

from personas.config import parse_address
from personas.errors import CredentialsError, NotFoundError, NotOfferedError, ResponseError, UnreachableError
from personas.redact import Secret
from personas.services.better_auth import BetterAuthService
from personas.services.better_auth_deployment import probe_service
from personas.services.models import FoundUser, LivePersona, Verdict
from personas.services.sign_in import Credentials

from .conftest import QUICK, Start, catalog
from .server import ADMIN, URL, Simulated, respond

pytestmark = pytest.mark.anyio

ADA = LivePersona(user_id="FnUky2cGDGecQTfStjre9ByVOHmOIIyH", email="persona.ada@mana.test")
PASSWORD = Secret("04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI")


@pytest.fixture
def simulated(start: Start) -> Simulated:
    """A stock deployment, with answers that a test replaces by recorded ones."""
    simulated = start()
    simulated.add(ADA.email, id=ADA.user_id, role="persona")
    simulated.add("human@mana.test")
    simulated.add("hooked@mana.test", id=respond("recommended-create-hooked").json()["user"]["id"])
    simulated.sessions["a-token"] = simulated.find(ADMIN)["id"]
    return simulated


@pytest.fixture
async def service(simulated: Simulated) -> AsyncIterator[BetterAuthService]:
    token = Credentials(token=Secret("a-token"))
    async with BetterAuthService(simulated.url, token, retry=QUICK) as opened:
        yield opened


def create(local: str, existing: FoundUser | None = None) -> methodcaller:
    persona = catalog("ada").personas[0].model_copy(update={"email": f"{local}@mana.test"})
    return methodcaller("create", persona, PASSWORD, existing=existing)


update = methodcaller("update", ADA, catalog("ada").personas[0], ["name"], PASSWORD)
read = methodcaller("get_persona", ADA)
list_all = methodcaller("list_personas")

HALF = FoundUser(ADA.user_id, "")
REMOVED = "removed the marker (role 'persona'), so the account was deleted again. Check its database hooks."
LOST = "updating persona.ada@mana.test: skipped, because the account is not a persona any more (role is not "
GONE = "reading persona.ada@mana.test: the account is not a persona any more."


@pytest.mark.parametrize(
    ("error", "act", "path", "exchange", "message"),
    [
        (ResponseError, create("human"), "create-user", "create-again", "an account that is not a persona."),
        (ResponseError, create("hooked"), "create-user", "recommended-create-hooked", REMOVED),
        (ResponseError, create("vetoed"), "create-user", "recommended-create-vetoed", ": Failed to create"),
        (ResponseError, create("hal"), "create-user", "create-long-password", "Set its maxPasswordLength to"),
        (ResponseError, create("kim"), "create-user", "create-nul", "creating kim@mana.test: HTTP 500."),
        (ResponseError, create("human", HALF), "get-user", "get-user", "another email now: persona.ada@"),
        (ResponseError, update, "get-user", "get-user", LOST),
        (ResponseError, list_all, "list-users", "list-sort-unknown", "could not read the list"),
        (CredentialsError, create("ada"), "create-user", "weak-create-with-role", "change users role"),
        (CredentialsError, list_all, "list-users", "list-as-human", "not allowed to list users"),
        (CredentialsError, list_all, "list-users", "session-expired", "the admin's session any more"),
        (CredentialsError, list_all, "get-session", "get-session-none", "does not accept the admin's"),
        (NotFoundError, update, "get-user", "get-user-unknown", "the account does not exist."),
        (NotFoundError, read, "get-user", "get-user", GONE),
        (NotOfferedError, list_all, "list-users", "wrong-path", "does not have this call"),
        (NotOfferedError, list_all, "set-role", "probe-role-not-declared", "nothing that marks personas"),
        (NotOfferedError, list_all, "update-user", "update-name", "as before 1.6.16."),
    ],
)
async def test_recorded_answer_is_an_error(
    simulated: Simulated,
    service: BetterAuthService,
    error: type[Exception],
    act: methodcaller,
    path: str,
    exchange: str,
    message: str,
) -> None:
    simulated.answers["get-session" if path == "get-session" else f"admin/{path}"] = exchange
    with pytest.raises(error) as raised:
        await act(service)
    assert type(raised.value) is error
    assert message in str(raised.value)
    assert bool(simulated.find("hooked@mana.test")) == (message != REMOVED)


@pytest.mark.parametrize(
    ("user", "removed", "deleted"),
    [
        ("get-user-unknown", "", False),
        ("update-role", "remove-again", False),
        ("update-role", "remove", True),
    ],
)
async def test_deletion_of_a_persona_that_may_be_gone(
    simulated: Simulated, service: BetterAuthService, user: str, removed: str, deleted: bool
) -> None:
    simulated.answers |= {"admin/get-user": user, "admin/remove-user": removed}
    assert await service.delete(ADA) is deleted


@pytest.mark.parametrize(
    ("exchange", "verdict", "reason"),
    [
        ("sign-in-banned", Verdict.RIGHT, ""),
        ("strict-sign-in-unverified", Verdict.RIGHT, ""),
        ("sign-in-old-password", Verdict.WRONG, ""),
        ("sign-in-no-credential", Verdict.WRONG, ""),
        ("sign-in-password-too-long", Verdict.UNKNOWN, "maxPasswordLength"),
        ("no-email-password", Verdict.UNKNOWN, "does not allow sign-in with a password"),
    ],
)
async def test_password_check_by_recorded_sign_in(
    simulated: Simulated, service: BetterAuthService, exchange: str, verdict: Verdict, reason: str
) -> None:
    simulated.answers["sign-in/email"] = exchange
    check = await service.check_password(ADA.email, PASSWORD)
    assert check.verdict is verdict
    assert reason in check.reason


MANA = httpx.Response(401, json={"statusCode": 401, "message": "no token"})
NOTHING = httpx.Response(404, text="404 Not Found")
NEITHER = "Neither mana nor Better Auth answers at http://localhost:4400"


@pytest.mark.parametrize(
    ("mana", "ok", "listed", "found"),
    [
        (MANA, NOTHING, NOTHING, "mana"),
        (NOTHING, respond("ok"), respond("no-session"), "better-auth"),
        (NOTHING, respond("ok"), respond("no-admin-plugin"), "does not have the admin plugin"),
        (NOTHING, NOTHING, NOTHING, NEITHER),
        (httpx.Response(401, text="?"), NOTHING, NOTHING, NEITHER),
        (NOTHING, httpx.Response(200, text="<html>"), NOTHING, NEITHER),
    ],
)
async def test_service_is_found_out_without_credentials(
    mana: httpx.Response, ok: httpx.Response, listed: httpx.Response, found: str
) -> None:
    with respx.mock(assert_all_called=False) as router:
        router.get(path="/api/v1/admin/personas").mock(mana)
        router.get(path="/api/auth/ok").mock(ok)
        router.get(path="/api/auth/admin/list-users").mock(listed)
        try:
            answer: str = await probe_service(parse_address(URL), base_path="/api/auth", retry=QUICK)
        except NotOfferedError as error:
            answer = error.message
        assert found in answer
        assert {call.request.method for call in router.calls} == {"GET"}
        assert not any("authorization" in call.request.headers for call in router.calls)


async def test_service_that_does_not_answer_is_unreachable() -> None:
    with pytest.raises(UnreachableError):
        await probe_service(parse_address("http://127.0.0.1:9"), base_path="/api/auth", retry=QUICK)
