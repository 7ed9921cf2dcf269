from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import respx
from fake import JWT, PERSONAS, URL, FakeAuth, recorded
from making import make_jwt

from personas.errors import BadAnswer, CredentialsRefused, Unanswered, Unreachable
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.models import Login
from personas.service.signing import (
    KEYS,
    LOGIN,
    MOST_UNANSWERED,
    SESSION,
    SIGN_IN,
    SIGN_OUT,
    TOKEN,
    NotOffered,
    WrongPassword,
)

pytestmark = pytest.mark.anyio

ADA = "persona.ada@mana.test"
PASSWORD = Secret("04F5dvKlKv3DgU9R0Kt9ZWY5tHUchxRI")
ADMIN = Credentials(email="admin@example.com", password=Secret("admin-password"))
COOKIE = "mana.session_token=abc.def%3D; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
SIGNED_IN: dict[str, Any] = {"headers": {"Set-Cookie": COOKIE}, "json": {"user": {"id": "u1", "name": "Ada"}}}
WRONG = recorded("signin-wrong")


@pytest.fixture
def auth(auth: FakeAuth) -> FakeAuth:
    """Where everybody is signed in, and has the token of an admin."""
    auth.post(SIGN_IN, name="sign-in").respond(200, **SIGNED_IN)
    auth.post(SIGN_OUT, name="sign-out").respond(200, json={"success": True})
    auth.get(TOKEN, name="token").respond(200, json={"token": JWT})
    auth.get(PERSONAS, name="list").respond(200, json={"personas": []})
    return auth


async def test_the_recorded_sign_in_gives_a_session(auth: FakeAuth) -> None:
    auth["sign-in"].mock(return_value=recorded("signin-cookie"))
    session = await auth.client.sign_in(ADA, PASSWORD)
    assert session.cookie_name == "mana.session_token"
    assert session.expires_at is not None
    assert timedelta(days=6) < session.expires_at - datetime.now(UTC) <= timedelta(days=7)
    assert not session.secure
    request = auth["sign-in"].calls[0].request
    assert request.headers["origin"] == URL
    assert json.loads(request.content) == {"email": ADA, "password": PASSWORD.reveal()}


async def test_a_session_is_sent_back_as_it_came_and_shown_to_nobody(auth: FakeAuth) -> None:
    session = await auth.client.sign_in(ADA, PASSWORD)
    assert (await auth.client.token_of(session)).reveal() == JWT
    assert auth["token"].calls[0].request.headers["cookie"] == "mana.session_token=abc.def%3D"
    assert (session.user_id, session.name) == ("u1", "Ada")
    assert "abc" not in repr(session)


async def test_behind_https_the_cookie_has_another_name_and_is_known(auth: FakeAuth) -> None:
    cookies = [("Set-Cookie", "other=1"), ("Set-Cookie", f"__Secure-{COOKIE}; Secure")]
    auth["sign-in"].respond(200, headers=cookies, json={})
    session = await auth.client.sign_in(ADA, PASSWORD)
    assert (session.cookie_name, session.secure) == ("__Secure-mana.session_token", True)


@pytest.mark.parametrize("header", ["", "other=1", "mana.session_token=", "\x7f=;;;", "=x"])
async def test_a_sign_in_without_a_session_is_not_taken_for_one(auth: FakeAuth, header: str) -> None:
    auth["sign-in"].respond(200, headers={"Set-Cookie": header}, json={})
    with pytest.raises(BadAnswer, match="no session cookie"):
        await auth.client.sign_in(ADA, PASSWORD)


# Whether a password is right


async def test_a_right_password_works_and_leaves_no_session_behind(auth: FakeAuth) -> None:
    check = await auth.client.check_password(ADA, PASSWORD)
    assert check.verdict is Login.WORKS
    assert auth["sign-out"].calls[0].request.headers["cookie"] == "mana.session_token=abc.def%3D"
    assert auth.client.safety_requests == auth.client.requests == 2


async def test_an_email_that_is_not_verified_had_the_right_password(auth: FakeAuth) -> None:
    auth["sign-in"].respond(403, json={"code": "EMAIL_NOT_VERIFIED"})
    assert (await auth.client.check_password(ADA, PASSWORD)).verdict is Login.WORKS
    with pytest.raises(CredentialsRefused, match="not verified") as caught:
        await auth.client.sign_in(ADA, PASSWORD)
    assert "personas seed" in caught.value.hint


async def test_the_recorded_wrong_password_is_one(auth: FakeAuth) -> None:
    auth["sign-in"].mock(return_value=WRONG)
    assert (await auth.client.check_password(ADA, PASSWORD)).verdict is Login.WRONG_PASSWORD
    with pytest.raises(WrongPassword):
        await auth.client.sign_in(ADA, PASSWORD)
    assert auth["sign-in"].call_count == 2


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
    auth: FakeAuth, response: httpx.Response
) -> None:
    auth["sign-in"].mock(return_value=response)
    check = await auth.client.check_password(ADA, PASSWORD)
    assert check.verdict is Login.NOT_KNOWN
    assert check.reason.startswith("signing in as persona.ada@mana.test: ")
    auth["sign-in"].respond(200, **SIGNED_IN)
    limited = response.status_code == 429  # then it is asked no more
    assert (await auth.client.check_password(ADA, PASSWORD) == check) is limited
    assert auth["sign-in"].call_count == (1 if limited else 2)


async def test_a_lost_answer_is_not_asked_for_again_lest_it_lock_the_account(auth: FakeAuth) -> None:
    auth["sign-in"].side_effect = httpx.ReadError("x")
    assert (await auth.client.check_password(ADA, PASSWORD)).verdict is Login.NOT_KNOWN
    assert auth["sign-in"].call_count == 1


async def test_no_more_than_three_sign_in_at_once(auth: FakeAuth) -> None:
    inside = most = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.01)
        inside -= 1
        return WRONG

    auth["sign-in"].mock(side_effect=answer)
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(auth.client.check_password, ADA, PASSWORD)
    assert most == 3


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(401), CredentialsRefused),
        (httpx.Response(403), CredentialsRefused),
        (httpx.Response(200, json={"token": ""}), BadAnswer),
        (httpx.Response(200, json={"token": 1}), BadAnswer),
        (httpx.Response(200, json={"token": "ä"}), BadAnswer),
        (httpx.Response(200, text="x"), BadAnswer),
        (httpx.Response(500, json={"token": "a.b.c"}), BadAnswer),
    ],
)
async def test_a_token_that_is_none_is_not_taken(
    auth: FakeAuth, response: httpx.Response, kind: type[Exception]
) -> None:
    auth["token"].mock(return_value=response)
    with pytest.raises(kind):
        await auth.client.token_of(await auth.client.sign_in(ADA, PASSWORD))


# The admin's token


async def admin_token(credentials: Credentials) -> str:
    async with AuthService(URL, credentials) as service:
        return (await service.admin_token()).reveal()


async def test_the_older_log_in_serves_where_there_is_no_other(auth: FakeAuth) -> None:
    auth["sign-in"].respond(404)
    auth.post(LOGIN).respond(200, json={"accessToken": JWT})
    assert await admin_token(ADMIN) == JWT


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
        (httpx.Response(404), httpx.Response(500, json={"accessToken": "a.b.c"}), "HTTP 500"),
    ],
)
async def test_an_admin_who_is_refused_is_told_where_to_look(
    auth: FakeAuth, sign_in: httpx.Response, login: httpx.Response | None, text: str
) -> None:
    auth["sign-in"].mock(return_value=sign_in)
    if login is not None:
        auth.post(LOGIN).mock(return_value=login)
    with pytest.raises(CredentialsRefused, match=text) as caught:
        await admin_token(ADMIN)
    assert "MANA_ADMIN_PASSWORD" in caught.value.hint
    assert "admin-password" not in caught.value.message


async def test_whoever_signs_in_must_be_an_admin(auth: FakeAuth) -> None:
    auth["token"].respond(200, json={"token": make_jwt(role="user")})
    with pytest.raises(CredentialsRefused, match="not an admin's: its role is 'user'"):
        await admin_token(ADMIN)


async def test_email_and_password_become_a_token_that_serves_all_calls(auth: FakeAuth) -> None:
    async with AuthService(URL, ADMIN) as service, anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(service.admin_token)
        assert (await service.admin_token()).reveal() == JWT
    assert (auth["sign-in"].call_count, auth["token"].call_count) == (1, 1)


async def test_a_token_is_renewed_from_the_session_before_it_ends(auth: FakeAuth) -> None:
    end = datetime.now(UTC).timestamp()
    tokens = [make_jwt(exp=end + 1), make_jwt(exp=end + 900)]
    auth["token"].side_effect = [httpx.Response(200, json={"token": token}) for token in tokens]
    async with AuthService(URL, ADMIN) as service:
        assert (await service.admin_token()).reveal() == tokens[0]
        with anyio.fail_after(5):
            while (await service.admin_token()).reveal() != tokens[1]:  # noqa: ASYNC110 - the clock decides
                await anyio.sleep(0.01)
    assert auth["sign-in"].call_count == 1


async def test_when_the_session_has_ended_too_the_admin_signs_in_again(auth: FakeAuth) -> None:
    first, second = make_jwt(n=1), make_jwt(n=2)
    auth["token"].side_effect = [
        httpx.Response(200, json={"token": first}),
        httpx.Response(401),
        httpx.Response(200, json={"token": second}),
    ]
    auth["list"].side_effect = [httpx.Response(401), httpx.Response(200, json={"personas": []})]
    async with AuthService(URL, ADMIN) as service:
        assert await service.list_personas() == ()
    assert auth["sign-in"].call_count == 2
    assert auth["list"].calls[1].request.headers["authorization"] == f"Bearer {second}"


async def test_a_service_without_any_sign_in_does_not_offer_it(auth: FakeAuth) -> None:
    auth["sign-in"].respond(404)
    with pytest.raises(NotOffered):
        await auth.client.sign_in(ADA, PASSWORD)


@pytest.mark.parametrize(
    "credentials", [Credentials(email="admin@example.com"), Credentials(password=Secret("admin-password"))]
)
async def test_half_of_an_email_and_password_is_nothing_to_sign_in_with(
    auth: FakeAuth, credentials: Credentials
) -> None:
    with pytest.raises(CredentialsRefused, match="nothing to sign in with as an admin") as caught:
        await admin_token(credentials)
    assert "MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD" in caught.value.hint
    assert not auth.calls


async def test_an_admin_who_is_refused_is_asked_for_once_whoever_asks_again(auth: FakeAuth) -> None:
    auth["sign-in"].mock(return_value=WRONG)
    async with AuthService(URL, ADMIN) as service:
        for _ in range(3):
            with pytest.raises(CredentialsRefused, match="email or password is wrong") as caught:
                await service.list_personas()
            assert "MANA_ADMIN_PASSWORD" in caught.value.hint
    assert auth["sign-in"].call_count == 1


@pytest.mark.parametrize("age", ["soon", "-1", "0", "9999999999999999999", "1e3", ""])
async def test_a_session_whose_age_is_none_has_no_known_end(auth: FakeAuth, age: str) -> None:
    cookie = f"mana.session_token=abc; Max-Age={age}; Path=/"
    auth["sign-in"].respond(200, headers={"Set-Cookie": cookie}, json={})
    assert (await auth.client.sign_in(ADA, PASSWORD)).expires_at is None


async def test_sign_ins_that_get_no_answer_again_and_again_mean_that_the_service_is_gone(
    auth: FakeAuth,
) -> None:
    auth["sign-in"].side_effect = httpx.ReadError("x")
    for _ in range(MOST_UNANSWERED - 1):
        assert (await auth.client.check_password(ADA, PASSWORD)).verdict is Login.NOT_KNOWN
    with pytest.raises(Unanswered):
        await auth.client.check_password(ADA, PASSWORD)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (httpx.Response(200, **SIGNED_IN), Login.WORKS),
        (WRONG, Login.WRONG_PASSWORD),
        (httpx.Response(400), Login.NOT_KNOWN),
    ],
    ids=["right", "wrong", "refused"],
)
async def test_an_answer_between_them_of_whatever_kind_means_that_it_is_not(
    auth: FakeAuth, answer: httpx.Response, verdict: Login
) -> None:
    for _ in range(MOST_UNANSWERED):
        auth["sign-in"].side_effect = httpx.ReadError("x")
        assert (await auth.client.check_password(ADA, PASSWORD)).verdict is Login.NOT_KNOWN
        auth["sign-in"].side_effect = [answer]
        assert (await auth.client.check_password(ADA, PASSWORD)).verdict is verdict


async def test_nothing_at_the_address_is_no_verdict_but_an_error(auth: FakeAuth) -> None:
    auth["sign-in"].side_effect = httpx.ConnectError("x")
    with pytest.raises(Unreachable, match="nothing answers"):
        await auth.client.check_password(ADA, PASSWORD)


async def test_only_a_check_is_counted_as_one(auth: FakeAuth) -> None:
    await auth.client.sign_out(await auth.client.sign_in(ADA, PASSWORD))
    assert (auth.client.requests, auth.client.safety_requests) == (2, 0)


# The session


FOUND = {
    "session": {"expiresAt": "2030-01-02T03:04:05.678Z"},
    "user": {"id": "u1", "email": ADA, "name": "Ada"},
}


async def test_a_session_is_found_as_the_service_knows_it(auth: FakeAuth) -> None:
    session = await auth.client.sign_in("somebody@mana.test", PASSWORD)
    auth.get(SESSION).respond(200, json=FOUND)
    found = await auth.client.find_session(session)
    assert found is not None
    assert (found.email, found.name, found.user_id, found.header) == (ADA, "Ada", "u1", session.header)
    assert str(found.expires_at) == "2030-01-02 03:04:05.678000+00:00"


@pytest.mark.parametrize(
    "response", [httpx.Response(401), httpx.Response(403), httpx.Response(200, text="null")]
)
async def test_a_session_that_has_ended_is_none(auth: FakeAuth, response: httpx.Response) -> None:
    auth.get(SESSION).mock(return_value=response)
    assert await auth.client.find_session(await auth.client.sign_in(ADA, PASSWORD)) is None


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (httpx.Response(500, json=FOUND), r"\(HTTP 500\) does not tell whose it is$"),
        (httpx.Response(200, json={"user": FOUND["user"]}), "whose it is: session is missing"),
        (httpx.Response(200, json=FOUND | {"user": {"email": 1}}), "user.email is no text"),
        (httpx.Response(200, json=FOUND | {"user": {}}), "user.email is missing"),
        (httpx.Response(200, text="<html>"), "is no JSON"),
    ],
)
async def test_an_answer_that_does_not_tell_whose_a_session_is_is_an_error(
    auth: FakeAuth, response: httpx.Response, told: str
) -> None:
    auth.get(SESSION).mock(return_value=response)
    with pytest.raises(BadAnswer, match=told):
        await auth.client.find_session(await auth.client.sign_in(ADA, PASSWORD))


# The clock


def dated(route: respx.Route, ahead: timedelta) -> respx.Route:
    """Let a route answer as a service does whose clock is so far ahead of ours."""
    assert route.return_value is not None
    route.return_value.headers["date"] = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    return route


def ending(after: timedelta, **claims: object) -> str:
    """A token that ends so long from now, by our clock."""
    return make_jwt(exp=(datetime.now(UTC) + after).timestamp(), **claims)


@pytest.mark.parametrize("ahead", [timedelta(minutes=-20), timedelta(days=-400), timedelta(minutes=20)])
async def test_a_fresh_token_is_good_whatever_the_difference_of_the_clocks(
    auth: FakeAuth, ahead: timedelta
) -> None:
    token = ending(ahead + timedelta(minutes=15))
    dated(auth["sign-in"], ahead)
    dated(auth["token"].respond(200, json={"token": token}), ahead)
    async with AuthService(URL, ADMIN) as service:
        assert (await service.admin_token()).reveal() == token
        assert (await service.admin_token()).reveal() == token
    assert auth["token"].call_count == 1


async def test_a_token_is_renewed_by_the_clock_of_the_service(auth: FakeAuth) -> None:
    ahead = timedelta(minutes=-20)
    first, second = ending(ahead + timedelta(seconds=30)), ending(ahead + timedelta(minutes=15))
    dated(auth["sign-in"], ahead)
    dated(auth["token"].respond(200, json={"token": first}), ahead)
    dated(auth["list"], ahead + timedelta(seconds=20))  # fifteen are half of what the first token has
    async with AuthService(URL, ADMIN) as service:
        await service.list_personas()
        dated(auth["token"].respond(200, json={"token": second}), ahead)
        await service.list_personas()
    sent = [call.request.headers["authorization"] for call in auth["list"].calls]
    assert sent == [f"Bearer {first}", f"Bearer {second}"]


@pytest.mark.parametrize(("seconds", "renewed"), [(830, False), (850, True)])
async def test_a_token_is_renewed_a_minute_before_it_ends(
    auth: FakeAuth, seconds: int, renewed: bool
) -> None:
    auth["token"].respond(200, json={"token": ending(timedelta(minutes=15))})
    dated(auth["list"], timedelta(seconds=seconds))
    async with AuthService(URL, ADMIN) as service:
        await service.list_personas()
        await service.list_personas()
    assert auth["token"].call_count == 1 + renewed


async def test_a_given_token_that_ends_in_a_run_is_left_to_the_service(auth: FakeAuth) -> None:
    dated(auth["list"], timedelta(hours=1))
    given = Credentials(token=Secret(ending(timedelta(minutes=15))))
    async with AuthService(URL, given) as service:
        await service.list_personas()
        await service.list_personas()
    assert auth["list"].call_count == 2


async def test_a_given_token_that_seems_to_have_ended_is_good_when_the_service_says_what_time_it_is(
    auth: FakeAuth,
) -> None:
    token = ending(timedelta(minutes=-5))
    asked = dated(auth.get(KEYS).respond(200, json={"keys": []}), timedelta(minutes=-20))
    assert await admin_token(Credentials(token=Secret(token))) == token
    assert asked.call_count == 1
    assert "authorization" not in asked.calls[0].request.headers


async def test_the_time_is_not_asked_where_an_answer_has_told_it(auth: FakeAuth) -> None:
    asked = auth.get(KEYS).respond(200, json={"keys": []})
    async with AuthService(URL, Credentials(mint=lambda: ending(timedelta(minutes=-5)))) as service:
        dated(auth["sign-in"], timedelta())
        await service.sign_in(ADA, PASSWORD)
        with pytest.raises(CredentialsRefused, match="expired 5 minutes ago"):
            await service.admin_token()
    assert not asked.called


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (timedelta(), r"expired 5 minutes ago, at .* UTC$"),
        (timedelta(seconds=-100), r"expired 3 minutes ago, at .* UTC$"),
        (timedelta(minutes=-4), r"expired .* ago, at .* UTC; this machine's clock is 4 minutes ahead of the"),
        (timedelta(hours=2), r"expired 2 hours ago, at .* UTC; this machine's clock is .* behind the"),
        (None, r"expired 5 minutes ago, at .* UTC$"),
    ],
)
async def test_a_given_token_that_has_ended_is_told_with_the_difference_of_the_clocks(
    auth: FakeAuth, ahead: timedelta | None, told: str
) -> None:
    keys = auth.get(KEYS).respond(404)
    if ahead is None:
        keys.mock(side_effect=httpx.ConnectError("x"))
    else:
        dated(keys, ahead)
    with pytest.raises(CredentialsRefused, match=told):
        await admin_token(Credentials(token=Secret(ending(timedelta(minutes=-5, seconds=-1)))))


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (timedelta(minutes=30), "Invalid token; this machine's clock is .* minutes behind the service's"),
        (timedelta(minutes=-30, seconds=-9), "Invalid token; this machine's clock is 30 minutes ahead of"),
        (timedelta(minutes=1), "Invalid token$"),
    ],
)
async def test_a_refused_token_is_told_with_the_difference_of_the_clocks(
    auth: FakeAuth, ahead: timedelta, told: str
) -> None:
    dated(auth["list"].respond(401, json={"message": "Invalid token"}), ahead)
    with pytest.raises(CredentialsRefused, match=told):
        await auth.client.list_personas()


# The end


async def test_the_admins_session_is_ended_with_the_run(auth: FakeAuth) -> None:
    async with AuthService(URL, ADMIN) as service:
        await service.admin_token()
        assert not auth["sign-out"].called
    (call,) = auth["sign-out"].calls
    assert call.request.headers["cookie"] == "mana.session_token=abc.def%3D"


async def test_the_admins_session_is_ended_also_when_the_run_is_cancelled(auth: FakeAuth) -> None:
    ended: list[str] = []

    async def end(request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()  # where a cancelled call would end
        ended.append(request.headers["cookie"])
        return httpx.Response(200)

    auth["sign-out"].mock(side_effect=end)
    with anyio.CancelScope() as scope:
        async with AuthService(URL, ADMIN) as service:
            await service.admin_token()
            scope.cancel()
            await anyio.sleep_forever()
    assert ended == ["mana.session_token=abc.def%3D"]


async def test_a_session_that_cannot_be_ended_is_no_failure(auth: FakeAuth) -> None:
    auth["sign-out"].side_effect = httpx.ReadError("x")
    assert await admin_token(ADMIN) == JWT
    assert (await auth.client.check_password(ADA, PASSWORD)).verdict is Login.WORKS


@pytest.mark.parametrize("credentials", [Credentials(), Credentials(token=Secret(make_jwt())), ADMIN])
async def test_without_a_session_of_an_admin_there_is_none_to_end(
    auth: FakeAuth, credentials: Credentials
) -> None:
    async with AuthService(URL, credentials):
        pass
    assert not auth.calls
