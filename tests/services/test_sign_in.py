"""Signing in and out, session cookies, Origin, and the admin's token."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
import respx

from personas.errors import (
    CredentialsError,
    NoResponseError,
    NotOfferedError,
    RateLimitedError,
    ResponseError,
    ServiceError,
    UnreachableError,
    WrongPasswordError,
)
from personas.redact import Secret
from personas.services.http import RetryPolicy
from personas.services.mana import ManaService
from personas.services.models import PasswordCheck, Session, Verdict
from personas.services.sign_in import Credentials, NoSessionError, read_session

from .conftest import PERSONAS, QUICK, URL, jwt
from .server import CLOSE, Server, closed_port

pytestmark = pytest.mark.anyio

ADA, ADMIN = "persona.ada@mana.test", "admin@mana.test"
PASSWORD = Secret("correct-horse-battery")
COOKIE = "mana.session_token=abc.def%3D; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
SESSION = Session(email=ADA, cookie_name="mana.session_token", cookie=Secret("abc.def-ghi"))
WRONG = {"message": "Invalid email or password", "code": "INVALID_EMAIL_OR_PASSWORD"}
OCTOBER = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
UNVERIFIED = {"message": "Email not verified", "code": "EMAIL_NOT_VERIFIED"}
SIGNED_IN = {"redirect": False, "token": "abc", "user": {"id": "u1", "name": "Ada", "email": ADA}}
BY_PASSWORD = Credentials(email=ADMIN, password=PASSWORD)

Router = respx.MockRouter


def admin_service(credentials: Credentials | None = BY_PASSWORD, **options: Any) -> ManaService:
    return ManaService(URL, credentials, retry=QUICK, **options)


def let_sign_in(mana: Router, *tokens: str) -> tuple[respx.Route, respx.Route]:
    signing = mana.post("/api/auth/sign-in/email")
    signing.respond(json=SIGNED_IN, headers={"set-cookie": COOKIE})
    getting = mana.get("/api/auth/token")
    getting.side_effect = [httpx.Response(200, json={"token": token}) for token in tokens]
    return signing, getting


async def test_a_sign_in_gives_a_session(mana: Router) -> None:
    signing, _ = let_sign_in(mana)
    async with admin_service(None) as service:
        session = await service.sign_in(ADA, PASSWORD)
    assert (session.email, session.user_id, session.name) == (ADA, "u1", "Ada")
    assert session.header.reveal() == "mana.session_token=abc.def%3D"
    assert "abc.def" not in repr(session)
    request = signing.calls.last.request
    assert json.loads(request.content) == {"email": ADA, "password": "correct-horse-battery"}
    assert not {"origin", "cookie", "authorization"} & set(request.headers)


@pytest.mark.parametrize(
    ("status", "body", "kind", "text", "verdict"),
    [
        (401, WRONG, WrongPasswordError, "email or password is wrong", Verdict.WRONG),
        (403, UNVERIFIED, NoSessionError, "the email of this account is not verified", Verdict.RIGHT),
        (200, {"twoFactorRedirect": True}, NoSessionError, "uses two-factor sign-in", Verdict.RIGHT),
        (401, {"error": "Invalid credentials"}, NotOfferedError, "not the auth service's sign-in", None),
        (401, "Unauthorized", NotOfferedError, "not the auth service's sign-in (HTTP 401)", None),
        (404, "404 Not Found", NotOfferedError, "not the auth service's sign-in (HTTP 404)", None),
        (405, {}, NotOfferedError, "not the auth service's sign-in (HTTP 405)", None),
        (200, "<html>", NotOfferedError, "not the auth service's sign-in (HTTP 200)", None),
        (403, {"code": "INVALID_ORIGIN", "message": "Invalid origin"}, ResponseError, "Invalid origin", None),
        (500, {"message": "Internal server error"}, ResponseError, "HTTP 500: Internal server err", None),
        (200, SIGNED_IN, ResponseError, "set no usable session cookie", None),
        (200, {"user": []}, ResponseError, "set no usable session cookie", None),
        (429, {"message": "Too many requests"}, RateLimitedError, "rate limited (HTTP 429: Too m", None),
        (503, {}, NoResponseError, "the service is not available (HTTP 503)", None),
    ],
)
async def test_what_an_answer_says_about_the_password(
    mana: Router, status: int, body: object, kind: type[ServiceError], text: str, verdict: Verdict | None
) -> None:
    signing = mana.post("/api/auth/sign-in/email")
    content = {"text": body} if isinstance(body, str) else {"json": body}
    signing.respond(status, **content)
    async with admin_service(None) as service:
        with pytest.raises(ServiceError) as caught:
            await service.sign_in(ADA, PASSWORD)
        check = await service.check_password(ADA, PASSWORD)
    assert type(caught.value) is kind
    assert caught.value.message.startswith(f"signing in as {ADA}: ")
    assert text in caught.value.message
    assert check.verdict is (verdict or Verdict.UNKNOWN)
    assert check.rate_limited is (status == 429)
    assert check.reason == ("" if verdict else caught.value.message)
    if kind is NotOfferedError:
        assert "MANA_AUTH_URL" in caught.value.hint
    assert signing.call_count == (2 * QUICK.attempts if status == 429 else 2)


async def test_a_right_password_signs_out_again(mana: Router) -> None:
    let_sign_in(mana, jwt(iss="https://auth.example.test"))
    out = mana.post("/api/auth/sign-out")
    async with admin_service(None) as service:
        assert await service.check_password(ADA, PASSWORD) == PasswordCheck(Verdict.RIGHT)
    assert out.calls.last.request.headers["cookie"] == "mana.session_token=abc.def%3D"
    assert out.calls.last.request.headers["origin"] == "https://auth.example.test"


async def test_a_lost_sign_in_is_not_repeated_and_says_nothing(server: Server) -> None:
    server.replies = [CLOSE]
    async with ManaService(server.url, retry=QUICK) as service:
        check = await service.check_password(ADA, PASSWORD)
    assert check.verdict is Verdict.UNKNOWN
    assert len(server.seen) == 1
    async with ManaService(f"http://127.0.0.1:{closed_port()}", retry=QUICK) as service:
        with pytest.raises(UnreachableError, match="nothing answers there"):
            await service.check_password(ADA, PASSWORD)


async def test_sign_ins_wait_for_each_other_beyond_three(mana: Router) -> None:
    running = most = 0

    async def slow(_: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.005)
        running -= 1
        return httpx.Response(401, json=WRONG)

    mana.post("/api/auth/sign-in/email").side_effect = slow
    async with admin_service(None) as service, anyio.create_task_group() as group:
        for number in range(9):
            group.start_soon(service.check_password, f"p{number}@mana.test", PASSWORD)
    assert most == 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (COOKIE, {"cookie": Secret("abc.def%3D"), "same_site": "Lax", "http_only": True, "secure": False}),
        ("__Secure-s.session_token=a; Secure", {"cookie_name": "__Secure-s.session_token", "secure": True}),
        ("better-auth.session_token=a1", {"cookie_name": "better-auth.session_token", "http_only": False}),
        ("s.session_token=a=b; Partitioned; Priority=High; New=1;;", {"cookie": Secret("a=b"), "path": "/"}),
        ("s.session_token=a; domain=mana.how; path=/app", {"domain": ".mana.how", "path": "/app"}),
        ("s.session_token=a; Domain=.Mana.How", {"domain": ".mana.how"}),
        ("s.session_token=a; Domain=", {"domain": None, "expires_at": None}),
        ("s.session_token=a; SameSite=none; Secure", {"same_site": "None", "secure": True}),
        ("s.session_token=a; SAMESITE=STRICT", {"same_site": "Strict"}),
        ("s.session_token=a; SameSite=Whatever", {"same_site": "Lax"}),
        ("s.session_token=a; Expires=Wed, 21 Oct 2026 07:28:00 GMT", {"expires_at": OCTOBER}),
        ("s.session_token=a; Expires=soon; Max-Age=x", {"expires_at": None}),
    ],
)  # fmt: skip
def test_a_session_keeps_what_the_service_set(header: str, expected: dict[str, object]) -> None:
    session = read_session(ADA, {"id": "u1"}, (header,))
    assert {name: getattr(session, name) for name in expected} == expected


def test_max_age_goes_before_expires() -> None:
    header = "s.session_token=a; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=60"
    expires_at = read_session(ADA, None, (header,)).expires_at
    assert expires_at is not None
    assert timedelta(seconds=50) < expires_at - datetime.now(UTC) <= timedelta(seconds=60)


def test_the_session_cookie_is_found_among_others() -> None:
    headers = ("mana.session_token=old", "mana.session_token=abc; Path=/", "a=b", "mana.session_token=")
    assert read_session(ADA, None, headers).cookie == Secret("abc")


@pytest.mark.parametrize(
    "header", ["", "mana.session_token", "mana.session_token=", "other=1", "a b.session_token=1",
               "s.session_token=a b", "s.session_token=a\"b", "s.session_token=a\\b", "s.session_token=ä"]
)  # fmt: skip
def test_an_unusable_cookie_is_refused(header: str) -> None:
    with pytest.raises(ResponseError, match="no usable session cookie"):
        read_session(ADA, None, (header,))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"session": {"expiresAt": "2026-12-06T21:43:16.896Z"}, "user": {"id": "u1", "email": ADA}},
         datetime(2026, 12, 6, 21, 43, 16, 896000, UTC)),
        (200, {"session": {"expiresAt": "never"}, "user": {"id": "u1", "email": ADA}}, None),
        (200, None, "ended"),
        (401, {"code": "UNAUTHORIZED"}, "ended"),
        (200, {"user": {}}, "error"),
        (200, "<html>", "error"),
        (500, {"message": "no"}, "error"),
    ],
)  # fmt: skip
async def test_a_session_is_looked_up(mana: Router, status: int, body: object, expected: object) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    route = mana.get("/api/auth/get-session").respond(status, text=content)
    async with admin_service(None) as service:
        if expected == "error":
            with pytest.raises(ResponseError, match="the answer has no session"):
                await service.find_session(SESSION)
            return
        found = await service.find_session(SESSION)
    assert route.calls.last.request.headers["cookie"] == SESSION.header.reveal()
    if expected == "ended":
        assert found is None
    else:
        assert found is not None
        assert (found.user_id, found.cookie, found.expires_at) == ("u1", SESSION.cookie, expected)


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, {"code": "UNAUTHORIZED"}, ResponseError, "the session has ended"),
        (404, {}, NotOfferedError, "the service has no tokens"),
        (200, {"token": "no jwt"}, ResponseError, "the answer has no token"),
        (200, {}, ResponseError, "the answer has no token"),
        (500, {"message": "no"}, ResponseError, "the answer has no token: HTTP 500: no"),
    ],
)
async def test_a_token_that_cannot_be_had(
    mana: Router, status: int, body: object, kind: type[ServiceError], text: str
) -> None:
    mana.get("/api/auth/token").respond(status, json=body)
    async with admin_service(None) as service:
        with pytest.raises(kind, match=text) as caught:
            await service.token(SESSION)
    assert type(caught.value) is kind


async def test_a_sign_out_that_fails_is_ignored(mana: Router) -> None:
    mana.get("/api/auth/token").respond(401)
    mana.post("/api/auth/sign-out").side_effect = httpx.ReadError("reset")
    async with admin_service(None) as service:
        await service.sign_out(SESSION)


@pytest.mark.parametrize(
    ("token", "origin"),
    [
        (jwt(iss="https://auth.example.test/base?x"), "https://auth.example.test"),
        (jwt(iss="http://[::1]:3001"), "http://[::1]:3001"),
        (jwt(iss="http://a\r\nevil: 1"), "http://a"),
        (jwt(iss="mana"), URL),
        (jwt(iss=None), URL),
        ("no.jwt", URL),
    ],
)
async def test_calls_with_a_cookie_send_the_issuer_as_origin(mana: Router, token: str, origin: str) -> None:
    getting = mana.get("/api/auth/token").respond(json={"token": token})
    calling = mana.route(path="/api/auth/organization/list").respond(403, json={"code": "X", "message": "no"})
    async with admin_service(None) as service:
        for _ in range(2):
            got = await service.call(SESSION, "POST", "organization/list", what="listing", body={"a": 1})
    assert (got.status, got.code, got.detail, got.body) == (403, "X", "no", {"code": "X", "message": "no"})
    headers = calling.calls.last.request.headers
    assert (headers["origin"], headers["cookie"]) == (origin, SESSION.header.reveal())
    assert calling.calls.last.request.content == b'{"a":1}'
    assert "origin" not in getting.calls.last.request.headers
    assert origin == URL or getting.call_count == 1


async def test_the_admins_token_gives_the_origin(mana: Router) -> None:
    getting = mana.get("/api/auth/token")
    calling = mana.get("/api/auth/organization/list").respond(json=[])
    async with admin_service(Credentials(token=Secret(jwt(iss="https://own.test", exp=-1e300)))) as service:
        await service.admin_token()
        await service.call(SESSION, "GET", "organization/list", what="listing", params={"a": "b"})
    assert calling.calls.last.request.headers["origin"] == "https://own.test"
    assert calling.calls.last.request.url.query == b"a=b"
    assert getting.call_count == 0


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (jwt(exp=1577880000), "The admin token has expired: since 2020-01-01 12:00:00 UTC."),
        (jwt(exp=0), "since 1970-01-01"),
        (jwt(role="user"), "The token is not an admin's: its role is 'user'."),
        (jwt(role=None), "its role is None"),
        (jwt(role=["admin"]), "its role is ['admin']"),
        ("not-a-jwt", "The admin token is not a JWT."),
        ("eyJ.eyJ.abc", "The admin token is not a JWT."),
        ("a.W10.c", "The admin token is not a JWT."),
    ],
)
async def test_a_token_that_cannot_work_is_refused_before_a_request(
    mana: Router, token: str, text: str
) -> None:
    async with admin_service(Credentials(token=Secret(token))) as service:
        with pytest.raises(CredentialsError) as caught:
            await service.list_personas()
        assert service.requests == 0
    assert text in caught.value.message
    assert caught.value.hint
    assert token not in f"{caught.value.message}{caught.value.hint}"
    assert not mana.calls


async def test_missing_credentials_are_named(mana: Router) -> None:
    async with admin_service(Credentials(email=ADMIN)) as service:
        with pytest.raises(CredentialsError, match="credentials are missing") as caught:
            await service.admin_token()
    assert "--jwt (MANA_ADMIN_JWT), or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD" in caught.value.hint
    assert not mana.calls


async def test_plain_strings_become_secrets() -> None:
    given = Credentials(token="to.k.en", password="hunter22")  # type: ignore[arg-type]  # what users may pass
    assert (given.token, given.password) == (Secret("to.k.en"), Secret("hunter22"))
    assert "hunter22" not in repr(given)


@pytest.mark.parametrize(
    ("status", "body", "kind", "text", "hint"),
    [
        (401, WRONG, CredentialsError, f"refused the admin {ADMIN}: email or password is wrong",
         "Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD."),
        (403, UNVERIFIED, CredentialsError, "the email of this account is not verified", "--jwt"),
        (200, {"twoFactorRedirect": True}, CredentialsError, "this account uses two-factor sign-in", "--jwt"),
        (401, {}, NotOfferedError, "not the auth service's sign-in", "MANA_AUTH_URL"),
        (404, {}, NotOfferedError, "not the auth service's sign-in", "without a path"),
    ],
)  # fmt: skip
async def test_an_admin_who_cannot_sign_in_learns_why(
    mana: Router, status: int, body: object, kind: type[ServiceError], text: str, hint: str
) -> None:
    mana.post("/api/auth/sign-in/email").respond(status, json=body)
    async with admin_service() as service:
        with pytest.raises(kind) as caught:
            await service.list_personas()
    assert text in caught.value.message
    assert hint in caught.value.hint


async def test_email_and_password_of_another_account_are_not_an_admins(mana: Router) -> None:
    let_sign_in(mana, jwt(role="user"))
    async with admin_service() as service:
        with pytest.raises(CredentialsError) as caught:
            await service.list_personas()
    assert caught.value.message == f"{ADMIN} is not an admin: its role is 'user'."
    assert mana.routes["out"].call_count == 1


async def test_the_admin_signs_in_once_and_out_at_the_end(mana: Router) -> None:
    signing, getting = let_sign_in(mana, jwt(iss="https://own.test"))
    listing = mana.get(PERSONAS).respond(json={"personas": []})
    async with admin_service() as service:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(service.list_personas)
        assert mana.routes["out"].call_count == 0
    assert (signing.call_count, getting.call_count, listing.call_count) == (1, 1, 5)
    out = mana.routes["out"].calls.last.request
    assert out.headers["origin"] == "https://own.test"


@pytest.mark.parametrize(
    ("iat", "exp", "later", "renewed"),
    [
        (0, 900, 830, False),
        (0, 900, 850, True),
        (0, 40, 10, False),  # a short life is renewed at its half
        (0, 40, 25, True),
        (-7200, -6300, 830, False),  # the clock of the service is two hours behind
        (-7200, -6300, 850, True),
        (0, None, 10**6, False),
    ],
)
async def test_a_token_is_renewed_before_it_expires(
    mana: Router, monkeypatch: pytest.MonkeyPatch, iat: int, exp: int | None, later: int, renewed: bool
) -> None:
    now = time.time()
    first = jwt(iat=now + iat, exp=None if exp is None else now + exp)
    signing, getting = let_sign_in(mana, first, jwt(sid="second"))
    async with admin_service() as service:
        assert await service.admin_token() == Secret(first)
        clock = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: clock + later)
        token = await service.admin_token()
        monkeypatch.undo()
    assert (token != Secret(first)) is renewed
    assert signing.call_count == getting.call_count == (2 if renewed else 1)


async def test_a_refused_token_is_renewed_once(mana: Router) -> None:
    tokens = jwt(sid="1"), jwt(sid="2")
    let_sign_in(mana, *tokens)
    listing = mana.get(PERSONAS)
    listing.side_effect = [httpx.Response(401, json={}), httpx.Response(200, json={"personas": []})]
    async with admin_service() as service:
        await service.list_personas()
    sent = [call.request.headers["authorization"] for call in listing.calls]
    assert sent == [f"Bearer {token}" for token in tokens]
    assert mana.routes["out"].call_count == 2


async def test_a_token_factory_renews_as_well(mana: Router) -> None:
    tokens = [jwt(sid="1"), jwt(sid="2"), jwt(sid="3")]
    listing = mana.get(PERSONAS).respond(401, json={"message": "Invalid or expired token"})
    async with admin_service(Credentials(token_factory=lambda: tokens.pop(0))) as service:
        with pytest.raises(
            CredentialsError, match=r"refused the admin token: Invalid or expired token\."
        ) as caught:
            await service.list_personas()
    assert (listing.call_count, len(tokens)) == (2, 1)
    assert "--jwt" in caught.value.hint


@pytest.mark.parametrize(
    ("lifetime", "text"),
    [(900, "The service refused the admin token: Invalid or expired token."), (0.2, "has expired: since 20")],
)
async def test_a_given_token_that_is_refused_later_names_the_cause(
    mana: Router, monkeypatch: pytest.MonkeyPatch, lifetime: float, text: str
) -> None:
    now = time.time()
    listing = mana.get(PERSONAS).respond(401, json={"statusCode": 401, "message": "Invalid or expired token"})
    async with admin_service(Credentials(token=Secret(jwt(exp=now + lifetime)))) as service:
        await service.admin_token()
        monkeypatch.setattr(time, "time", lambda: now + 60)
        with pytest.raises(CredentialsError) as caught:
            await service.list_personas()
    assert text in caught.value.message
    assert listing.call_count == 1


async def test_a_service_is_used_again_in_another_loop(mana: Router) -> None:
    mana.get(PERSONAS).respond(json={"personas": []})
    signing, _ = let_sign_in(mana, jwt(), jwt())
    service = ManaService(URL, BY_PASSWORD, retry=RetryPolicy())
    for _ in range(2):
        async with service:
            await service.list_personas()
    assert signing.call_count == mana.routes["out"].call_count == 2
    assert service.requests == 8
