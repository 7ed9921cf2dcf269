from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import respx
from making import make_jwt

from personas.errors import BadAnswer, CredentialsRefused
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.models import Login
from personas.service.signing import LOGIN, SIGN_IN, SIGN_OUT, TOKEN, NotOffered, WrongPassword
from personas.service.transport import Patience

pytestmark = pytest.mark.anyio

URL = "http://localhost:3001"
ADA = "persona.ada@mana.test"
PASSWORD = Secret("04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI")
ADMIN = Credentials(email="admin@example.com", password=Secret("admin-password"))
QUICK = Patience(attempts=3, first_attempts=2, wait_initial=0.001, wait_max=0.002)
RECORDED: dict[str, Any] = {
    exchange["name"]: exchange
    for exchange in json.loads((Path(__file__).parent.parent / "data" / "exchanges.json").read_text("utf-8"))
}
COOKIE = "mana.session_token=abc.def%3D; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
SIGNED_IN = httpx.Response(200, headers={"Set-Cookie": COOKIE}, json={"user": {"id": "u1", "name": "Ada"}})
WRONG = httpx.Response(
    401, json={"message": "Invalid email or password", "code": "INVALID_EMAIL_OR_PASSWORD"}
)


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as mocked:
        mocked.post(SIGN_OUT, name="sign-out").respond(200, json={"success": True})
        yield mocked


@pytest.fixture
async def service() -> AsyncIterator[AuthService]:
    async with AuthService(URL, patience=QUICK) as opened:
        yield opened


def recorded(name: str) -> httpx.Response:
    response = RECORDED[name]["response"]
    return httpx.Response(response["status"], headers=response["headers"], json=response["body"])


async def test_the_recorded_sign_in_gives_a_session(service: AuthService, router: respx.MockRouter) -> None:
    route = router.post(SIGN_IN).mock(return_value=recorded("signin-cookie"))
    session = await service.sign_in(ADA, PASSWORD)
    assert session.cookie_name == "mana.session_token"
    assert session.expires_at is not None
    assert timedelta(days=6) < session.expires_at - datetime.now(UTC) <= timedelta(days=7)
    assert not session.secure
    request = route.calls[0].request
    assert request.headers["origin"] == URL
    assert json.loads(request.content) == {"email": ADA, "password": PASSWORD.reveal()}


async def test_a_session_is_sent_back_as_it_came_and_shown_to_nobody(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    route = router.get(TOKEN).respond(200, json={"token": "a.b.c"})
    session = await service.sign_in(ADA, PASSWORD)
    assert (await service.token_of(session)).reveal() == "a.b.c"
    assert route.calls[0].request.headers["cookie"] == "mana.session_token=abc.def%3D"
    assert (session.user_id, session.name) == ("u1", "Ada")
    assert "abc" not in repr(session)


async def test_behind_https_the_cookie_has_another_name_and_is_known(
    service: AuthService, router: respx.MockRouter
) -> None:
    cookies = [("Set-Cookie", "other=1"), ("Set-Cookie", f"__Secure-{COOKIE}; Secure")]
    router.post(SIGN_IN).respond(200, headers=cookies, json={})
    session = await service.sign_in(ADA, PASSWORD)
    assert (session.cookie_name, session.secure) == ("__Secure-mana.session_token", True)


@pytest.mark.parametrize("header", ["", "other=1", "mana.session_token=", "\x7f=;;;", "=x"])
async def test_a_sign_in_without_a_session_is_not_taken_for_one(
    service: AuthService, router: respx.MockRouter, header: str
) -> None:
    router.post(SIGN_IN).respond(200, headers={"Set-Cookie": header}, json={})
    with pytest.raises(BadAnswer, match="no session cookie"):
        await service.sign_in(ADA, PASSWORD)


# Whether a password is right


async def test_a_right_password_works_and_leaves_no_session_behind(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    check = await service.check_password(ADA, PASSWORD)
    assert check.verdict is Login.WORKS
    assert router["sign-out"].calls[0].request.headers["cookie"] == "mana.session_token=abc.def%3D"
    assert service.safety_requests == service.requests == 2


async def test_an_email_that_is_not_verified_had_the_right_password(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.post(SIGN_IN).respond(403, json={"code": "EMAIL_NOT_VERIFIED"})
    assert (await service.check_password(ADA, PASSWORD)).verdict is Login.WORKS
    with pytest.raises(CredentialsRefused, match="not verified") as caught:
        await service.sign_in(ADA, PASSWORD)
    assert "personas seed" in caught.value.hint


async def test_the_recorded_wrong_password_is_one(service: AuthService, router: respx.MockRouter) -> None:
    route = router.post(SIGN_IN).mock(return_value=recorded("signin-wrong"))
    assert (await service.check_password(ADA, PASSWORD)).verdict is Login.WRONG_PASSWORD
    with pytest.raises(WrongPassword):
        await service.sign_in(ADA, PASSWORD)
    assert route.call_count == 2


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(403, json={"code": "BANNED"}),
        httpx.Response(403, text="<html>"),
        httpx.Response(401, text="Proxy needs a login"),
        httpx.Response(401, json={"code": "SOMETHING_ELSE"}),
        httpx.Response(401, json=[]),
        httpx.Response(
            429, json={"error": "locked", "remainingSeconds": 1800}, headers={"Retry-After": "1800"}
        ),
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "https://evil.example"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={}),
        httpx.Response(404),
    ],
    ids=lambda response: f"{response.status_code}",
)
async def test_any_other_answer_tells_nothing_about_a_password(
    service: AuthService, router: respx.MockRouter, response: httpx.Response
) -> None:
    router.post(SIGN_IN).mock(return_value=response)
    check = await service.check_password(ADA, PASSWORD)
    assert check.verdict is Login.NOT_KNOWN
    assert check.reason.startswith("signing in as persona.ada@mana.test: ")


async def test_a_lost_answer_is_not_asked_for_again_lest_it_lock_the_account(
    service: AuthService, router: respx.MockRouter
) -> None:
    route = router.post(SIGN_IN)
    route.side_effect = httpx.ReadError("x")
    assert (await service.check_password(ADA, PASSWORD)).verdict is Login.NOT_KNOWN
    assert route.call_count == 1


async def test_no_more_than_two_sign_in_at_once(service: AuthService, router: respx.MockRouter) -> None:
    inside = most = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.01)
        inside -= 1
        return WRONG

    router.post(SIGN_IN).mock(side_effect=answer)
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(service.check_password, ADA, PASSWORD)
    assert most == 2


async def test_a_sign_out_that_fails_is_no_failure(service: AuthService, router: respx.MockRouter) -> None:
    router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    router["sign-out"].side_effect = httpx.ReadError("x")
    assert (await service.check_password(ADA, PASSWORD)).verdict is Login.WORKS


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(401), CredentialsRefused),
        (httpx.Response(200, json={"token": ""}), BadAnswer),
        (httpx.Response(200, json={"token": 1}), BadAnswer),
        (httpx.Response(200, json={"token": "ä"}), BadAnswer),
        (httpx.Response(200, text="x"), BadAnswer),
        (httpx.Response(500, json={"token": "a.b.c"}), BadAnswer),
    ],
)
async def test_a_token_that_is_none_is_not_taken(
    service: AuthService, router: respx.MockRouter, response: httpx.Response, kind: type[Exception]
) -> None:
    router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    router.get(TOKEN).mock(return_value=response)
    with pytest.raises(kind):
        await service.token_of(await service.sign_in(ADA, PASSWORD))


# The admin's token


async def admin_token(credentials: Credentials) -> str:
    async with AuthService(URL, credentials, patience=QUICK) as service:
        return (await service.admin_token()).reveal()


async def test_email_and_password_become_a_token(router: respx.MockRouter) -> None:
    router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    token = make_jwt()
    router.get(TOKEN).respond(200, json={"token": token})
    assert await admin_token(ADMIN) == token


async def test_the_older_log_in_serves_where_there_is_no_other(router: respx.MockRouter) -> None:
    router.post(SIGN_IN).respond(404)
    token = make_jwt()
    router.post(LOGIN).respond(200, json={"accessToken": token})
    assert await admin_token(ADMIN) == token


@pytest.mark.parametrize(
    ("sign_in", "login", "text"),
    [
        (WRONG, None, "refused the admin admin@example.com: email or password is wrong"),
        (
            httpx.Response(404),
            httpx.Response(401, json={"error": "Invalid credentials"}),
            "Invalid credentials",
        ),
        (httpx.Response(404), httpx.Response(200, json={}), "no token: accessToken is missing"),
    ],
)
async def test_an_admin_who_is_refused_is_told_where_to_look(
    router: respx.MockRouter, sign_in: httpx.Response, login: httpx.Response | None, text: str
) -> None:
    router.post(SIGN_IN).mock(return_value=sign_in)
    if login is not None:
        router.post(LOGIN).mock(return_value=login)
    with pytest.raises(CredentialsRefused, match=text) as caught:
        await admin_token(ADMIN)
    assert "MANA_ADMIN_PASSWORD" in caught.value.hint
    assert "admin-password" not in caught.value.message


async def test_whoever_signs_in_must_be_an_admin(router: respx.MockRouter) -> None:
    router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    router.get(TOKEN).respond(200, json={"token": make_jwt(role="user")})
    with pytest.raises(CredentialsRefused, match="not an admin's: its role is 'user'"):
        await admin_token(ADMIN)


async def test_one_token_serves_all_calls_until_shortly_before_its_end(router: respx.MockRouter) -> None:
    sign_in = router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    tokens = router.get(TOKEN).respond(200, json={"token": make_jwt()})
    async with AuthService(URL, ADMIN, patience=QUICK) as service, anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(service.admin_token)
    assert (sign_in.call_count, tokens.call_count) == (1, 1)


async def test_a_token_is_renewed_from_the_session_before_it_ends(router: respx.MockRouter) -> None:
    sign_in = router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    end = datetime.now(UTC).timestamp()
    tokens = [make_jwt(exp=end + 1), make_jwt(exp=end + 900)]
    router.get(TOKEN).side_effect = [httpx.Response(200, json={"token": token}) for token in tokens]
    async with AuthService(URL, ADMIN, patience=QUICK) as service:
        assert (await service.admin_token()).reveal() == tokens[0]
        with anyio.fail_after(5):
            while (await service.admin_token()).reveal() != tokens[1]:  # noqa: ASYNC110 - the clock decides
                await anyio.sleep(0.01)
    assert sign_in.call_count == 1


async def test_when_the_session_has_ended_too_the_admin_signs_in_again(router: respx.MockRouter) -> None:
    sign_in = router.post(SIGN_IN).mock(return_value=SIGNED_IN)
    first, second = make_jwt(n=1), make_jwt(n=2)
    router.get(TOKEN).side_effect = [
        httpx.Response(200, json={"token": first}),
        httpx.Response(401),
        httpx.Response(200, json={"token": second}),
    ]
    listed = router.get("/api/v1/admin/personas")
    listed.side_effect = [httpx.Response(401), httpx.Response(200, json={"personas": []})]
    async with AuthService(URL, ADMIN, patience=QUICK) as service:
        assert await service.list_personas() == ()
    assert sign_in.call_count == 2
    assert listed.calls[1].request.headers["authorization"] == f"Bearer {second}"


async def test_a_service_without_any_sign_in_does_not_offer_it(
    service: AuthService, router: respx.MockRouter
) -> None:
    router.post(SIGN_IN).respond(404)
    with pytest.raises(NotOffered):
        await service.sign_in(ADA, PASSWORD)
