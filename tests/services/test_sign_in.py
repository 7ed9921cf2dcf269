"""Signing in and out, session cookies, Origin, and the admin's token."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
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
from personas.services.mana import ManaService
from personas.services.models import PasswordCheck, Session, Verdict
from personas.services.sign_in import Credentials, NoSessionError, read_session

from .conftest import PERSONAS, QUICK, URL, error_of, jwt

pytestmark = pytest.mark.anyio

ADA, ADMIN = "persona.ada@mana.test", "admin@mana.test"
PASSWORD = Secret("correct-horse-battery")
COOKIE = "mana.session_token=abc.def%3D; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
SESSION = Session(email=ADA, cookie_name="mana.session_token", cookie=Secret("abc.def-ghi"))
WRONG = {"message": "Invalid email or password", "code": "INVALID_EMAIL_OR_PASSWORD"}
OCTOBER = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
UNVERIFIED = {"message": "Email not verified", "code": "EMAIL_NOT_VERIFIED"}
SIGNED_IN = {"redirect": False, "token": "abc", "user": {"id": "u1", "name": "Ada", "email": ADA}}
FRESH = "ada@new.test"
FOUND = {"session": {"expiresAt": "2026-10-21T07:28:00Z"}, "user": {"id": "u1", "email": FRESH}}
USE_JWT = "Pass an admin's token with --jwt (MANA_ADMIN_JWT)."
AN_ADMIN = "Use the token, or the email and password, of an admin."
BY_PASSWORD = Credentials(email=ADMIN, password=PASSWORD)

Router = respx.MockRouter


def admin_service(credentials: Credentials | None = BY_PASSWORD) -> ManaService:
    return ManaService(URL, credentials, retry=QUICK)


def given(**claims: Any) -> Credentials:
    return Credentials(token=Secret(jwt(**claims)))


def set_clock(monkeypatch: pytest.MonkeyPatch, now: float, monotonic: float = 0.0) -> None:
    """Stop the clock of the sign-ins only: event loops in other threads would sleep by a wrong clock."""
    clock = SimpleNamespace(time=lambda: now, monotonic=lambda: monotonic)
    monkeypatch.setattr("personas.services.sign_in.time", clock)


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
        (403, {"code": "BANNED_USER"}, NoSessionError, "this account is banned", Verdict.RIGHT),
        (200, {"twoFactorRedirect": True}, NoSessionError, "uses two-factor sign-in", Verdict.RIGHT),
        (401, {"error": "Invalid credentials"}, NotOfferedError, "not the auth service's sign-in", None),
        (401, "Unauthorized", NotOfferedError, "not the auth service's sign-in (HTTP 401)", None),
        (404, {"error": "not found"}, NotOfferedError, "not the auth service's sign-in (HTTP 404)", None),
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
    async with admin_service() as service:
        error = await error_of(service.sign_in(ADA, PASSWORD))
        check = await service.check_password(ADA, PASSWORD)
        of_admin = await error_of(service.admin_token())
    assert type(error) is kind
    assert error.message.startswith(f"signing in as {ADA}: ")
    assert text in error.message
    assert check.verdict is (verdict or Verdict.UNKNOWN)
    assert check.rate_limited is (status == 429)
    assert check.reason == ("" if verdict else error.message)
    assert kind is not NotOfferedError or "MANA_AUTH_URL" in error.hint
    assert signing.call_count == (3 * QUICK.attempts if status == 429 else 3)
    # An admin's failure says what to check; it is not a verdict on a persona.
    assert type(of_admin) is (CredentialsError if verdict else kind)
    assert text in of_admin.message
    assert ADMIN in of_admin.message
    hints = {Verdict.WRONG: "Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD.", Verdict.RIGHT: USE_JWT}
    assert of_admin.hint == (hints[verdict] if verdict else error.hint)


async def test_a_right_password_signs_out_again_if_it_can(mana: Router) -> None:
    let_sign_in(mana, jwt(iss="https://auth.example.test"))
    out = mana.routes["out"]
    async with admin_service(None) as service:
        assert await service.check_password(ADA, PASSWORD) == PasswordCheck(Verdict.RIGHT)
        assert out.calls.last.request.headers["cookie"] == "mana.session_token=abc.def%3D"
        assert out.calls.last.request.headers["origin"] == "https://auth.example.test"
        assert out.calls.last.request.content == b"{}"
        out.side_effect = httpx.ReadError("reset")
        assert await service.check_password(ADA, PASSWORD) == PasswordCheck(Verdict.RIGHT)
    assert out.call_count == 1 + QUICK.attempts


async def test_a_lost_sign_in_is_not_repeated_and_says_nothing(mana: Router) -> None:
    signing = mana.post("/api/auth/sign-in/email")
    signing.side_effect = [httpx.ReadError("reset"), *[httpx.ConnectTimeout("")] * QUICK.attempts]
    async with admin_service(None) as service:
        assert (await service.check_password(ADA, PASSWORD)).verdict is Verdict.UNKNOWN
        assert signing.call_count == 1
        error = await error_of(service.check_password(ADA, PASSWORD))
    assert type(error) is UnreachableError
    assert error.message == f"Cannot connect to {URL}: no connection in time."


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
        (COOKIE, {"cookie": Secret("abc.def%3D"), "same_site": "Lax", "http_only": True, "domain": None}),
        ("__Secure-s.session_token=a; Secure", {"cookie_name": "__Secure-s.session_token", "secure": True}),
        ("better-auth.session_token=a1", {"cookie_name": "better-auth.session_token", "http_only": False}),
        ("s.session_token=a=b; Partitioned; Priority=High; New=1;;", {"cookie": Secret("a=b"), "path": "/"}),
        ("s.session_token=a; domain=mana.how; path=/app", {"domain": ".mana.how", "path": "/app"}),
        ("s.session_token=a; Domain=.Mana.How", {"domain": ".mana.how"}),
        ("s.session_token=a; Domain=", {"domain": None, "expires_at": None, "secure": False}),
        ("s.session_token=a; SameSite=none; Secure", {"same_site": "None", "secure": True}),
        ("s.session_token=a; SAMESITE=STRICT", {"same_site": "Strict"}),
        ("s.session_token=a; SameSite=Whatever", {"same_site": "Lax"}),
        ("s.session_token=a; Expires=Wed, 21 Oct 2026 07:28:00 GMT", {"expires_at": OCTOBER}),
        ("s.session_token=a; Expires=soon; Max-Age=x", {"expires_at": None}),
        *((f"s.session_token{end}", None) for end in ("", "=", "=a b", '=a"b', "=a\\b", "=ä")),
        *((pair, None) for pair in ("", "other=1", "a b.session_token=1")),
    ],
)  # fmt: skip
def test_a_session_keeps_what_the_service_set(header: str, expected: dict[str, object] | None) -> None:
    # The last usable cookie counts, whatever stands around it.
    headers: tuple[str, ...] = ("a=b", header, "b=c", "mana.session_token=")
    if expected is None:
        with pytest.raises(ResponseError, match=f"signing in as {ADA}: .* no usable session cookie"):
            read_session(ADA, None, headers)
        headers = ("mana.session_token=old", *headers)
        expected = {"cookie": Secret("old"), "user_id": None, "name": None}
    session = read_session(ADA, None, headers)
    assert {name: getattr(session, name) for name in expected} == expected


def test_max_age_goes_before_expires() -> None:
    header = "s.session_token=a; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=60"
    expires_at = read_session(ADA, None, ("s.session_token=old", header)).expires_at
    assert expires_at is not None
    assert timedelta(seconds=50) < expires_at - datetime.now(UTC) <= timedelta(seconds=60)


@pytest.mark.parametrize(
    ("path", "status", "body", "result"),
    [
        ("get-session", 200, FOUND, (FRESH, "u1", SESSION.cookie, OCTOBER)),
        ("get-session", 200, FOUND | {"session": {"expiresAt": "?"}}, (FRESH, "u1", SESSION.cookie, None)),
        ("get-session", 200, None, None),
        ("get-session", 401, {"code": "UNAUTHORIZED"}, None),
        ("get-session", 200, {"user": {}}, "the answer has no session: HTTP 200."),
        ("get-session", 200, "<html>", "the answer has no session: HTTP 200."),
        ("get-session", 500, {"message": "no"}, "the answer has no session: HTTP 500: no."),
        ("get-session", 503, {}, "the service is not available (HTTP 503)."),
        ("token", 503, {}, "the service is not available (HTTP 503)."),
        ("token", 401, {"code": "UNAUTHORIZED"}, "the session has ended."),
        ("token", 404, {}, "the service has no tokens (HTTP 404)."),
        ("token", 405, {}, "the service has no tokens (HTTP 405)."),
        ("token", 200, {"token": "no jwt"}, "the answer has no token: HTTP 200."),
        ("token", 200, {}, "the answer has no token: HTTP 200."),
        ("token", 500, {"message": "no"}, "the answer has no token: HTTP 500: no."),
    ],
)  # fmt: skip
async def test_a_session_is_looked_up_and_gives_a_token(
    mana: Router, path: str, status: int, body: object, result: object
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    route = mana.get(f"/api/auth/{path}").respond(status, text=content)
    async with admin_service(None) as service:
        if isinstance(result, str):
            error = await error_of((service.token if path == "token" else service.find_session)(SESSION))
            kinds = {404: NotOfferedError, 405: NotOfferedError, 503: NoResponseError}
            assert (type(error), error.maybe_applied) == (kinds.get(status, ResponseError), False)
            what = "getting a token for" if path == "token" else "reading the session of"
            assert error.message == f"{what} {ADA}: {result}"
        else:
            found = await service.find_session(SESSION)
            assert (found and (found.email, found.user_id, found.cookie, found.expires_at)) == result
    assert route.calls.last.request.headers["cookie"] == SESSION.header.reveal()


@pytest.mark.parametrize(
    ("token", "origin"),
    [
        (jwt(iss="https://auth.example.test/base?x"), "https://auth.example.test"),
        (jwt(iss="http://[::1]:3001", exp=-1e300), "http://[::1]:3001"),
        (jwt(iss="http://a\r\nevil: 1"), "http://a"),
        ("e30.eyJpc3MiOiJodHRwOi8vYS5iIn0.c", "http://a.b"),  # without a role and times
        (jwt(iss="http://ä.test"), URL),
        (jwt(iss="mana"), URL),
        (jwt(iss=None), URL),
        ("no.jwt", URL),
        ("no.json.jwt", URL),
    ],
)
@pytest.mark.parametrize("as_admin", [False, True])
async def test_calls_with_a_cookie_send_the_issuer_as_origin(
    mana: Router, token: str, origin: str, as_admin: bool
) -> None:
    getting = mana.get("/api/auth/token").respond(json={"token": token})
    calling = mana.route(path="/api/auth/organization/list").respond(403, json={"code": "X", "message": "no"})
    async with admin_service(Credentials(token=Secret(token))) as service:
        if as_admin and not token.startswith("no."):
            await service.admin_token()
        for _ in range(2):
            got = await service.call(
                SESSION, "POST", "organization/list", what="listing", params={"a": "b"}, body={"a": 1}
            )
        sent = calling.calls.last.request
        calling.respond(503)
        error = await error_of(service.call(SESSION, "GET", "organization/list", what="listing"))
    assert error.message == "listing: the service is not available (HTTP 503)."
    assert (got.status, got.code, got.detail, got.body) == (403, "X", "no", {"code": "X", "message": "no"})
    assert (sent.headers["origin"], sent.headers["cookie"]) == (origin, SESSION.header.reveal())
    assert (sent.url.query, sent.content) == (b"a=b", b'{"a":1}')
    assert origin == URL or getting.call_count == (0 if as_admin else 1)
    assert not any("origin" in call.request.headers for call in getting.calls)


@pytest.mark.parametrize(
    ("credentials", "text", "hint"),
    [
        (given(exp=1577880000), "The admin token has expired: since 2020-01-01 12:00:00 UTC.", "renewed."),
        (given(exp=0), "since 1970-01-01 00:00:00 UTC.", "renewed."),
        (given(role="user"), "The token is not an admin's: its role is 'user'.", AN_ADMIN),
        (given(role=None), "its role is None.", AN_ADMIN),
        (given(role=["admin"]), "its role is ['admin'].", AN_ADMIN),
        (Credentials(token=Secret("not-a-jwt")), "The admin token is not a JWT.", USE_JWT),
        (Credentials(token=Secret("eyJ.eyJ.abc")), "The admin token is not a JWT.", USE_JWT),
        (Credentials(token=Secret(f"{jwt()} x")), "The admin token is not a JWT.", USE_JWT),
        (Credentials(token=Secret("a.W10.c")), "The admin token is not a JWT.", USE_JWT),
        (Credentials(email=ADMIN), "The admin's credentials are missing.", "and MANA_ADMIN_PASSWORD."),
        (BY_PASSWORD, f"{ADMIN} is not an admin: its role is 'user'.", AN_ADMIN),
    ],
)  # fmt: skip
async def test_credentials_that_cannot_work_are_not_sent(
    mana: Router, credentials: Credentials, text: str, hint: str
) -> None:
    signing, getting = let_sign_in(mana, jwt(role="user"))
    async with admin_service(credentials) as service:
        error = await error_of(service.list_personas())
    assert type(error) is CredentialsError
    assert error.message.endswith(text)
    assert error.hint.endswith(hint)
    assert not credentials.token or credentials.token.reveal() not in f"{error.message}{error.hint}"
    # Only email and password must be tried; the session is closed again.
    calls = [signing.call_count, getting.call_count, mana.routes["out"].call_count]
    assert calls == [int(credentials is BY_PASSWORD)] * 3
    assert mana.calls.call_count == sum(calls)


async def test_plain_strings_become_secrets() -> None:
    given = Credentials(token="to.k.en", password="hunter22")  # type: ignore[arg-type]  # what users may pass
    assert (given.token, given.password) == (Secret("to.k.en"), Secret("hunter22"))
    assert "hunter22" not in repr(given)


async def test_the_admin_signs_in_once_and_out_at_the_end(mana: Router) -> None:
    token = jwt(iss="https://own.test")
    signing, getting = let_sign_in(mana, token, token)
    listing = mana.get(PERSONAS).respond(json={"personas": []})
    service = admin_service()
    for times in (1, 2):  # a service can be opened again
        async with service:
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(service.list_personas)
            assert mana.routes["out"].call_count == times - 1
        assert mana.routes["out"].call_count == signing.call_count == getting.call_count == times
    assert (listing.call_count, mana.calls.call_count) == (10, 16)
    assert json.loads(signing.calls.last.request.content)["email"] == ADMIN
    assert mana.routes["out"].calls.last.request.headers["origin"] == "https://own.test"


async def test_an_aborted_run_ends_the_session_of_the_admin(mana: Router) -> None:
    let_sign_in(mana, jwt())
    with anyio.CancelScope() as scope:
        async with admin_service() as service:
            await service.admin_token()
            scope.cancel()
    assert mana.routes["out"].call_count == 1


@pytest.mark.parametrize(
    ("iat", "exp", "later", "renewed"),
    [
        (0, 900, 830, False),
        (0, 900, 850, True),
        (0, 40, 18, False),  # a short life is renewed at its half
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
        set_clock(monkeypatch, now, monotonic=time.monotonic() + later)
        token = await service.admin_token()
    assert (token != Secret(first)) is renewed
    assert signing.call_count == getting.call_count == (2 if renewed else 1)


async def test_a_refused_token_is_renewed_once(mana: Router) -> None:
    tokens = [jwt(sid="1"), jwt(sid="2"), jwt(sid="3")]
    made = iter(tokens)
    listing = mana.get(PERSONAS)
    ok, refused = httpx.Response(200, json={"personas": []}), httpx.Response(401, json={"message": "Expired"})
    listing.side_effect = [refused, ok, refused, refused]
    async with admin_service(Credentials(token_factory=lambda: next(made))) as service:
        await service.list_personas()
        error = await error_of(service.list_personas())
    assert (type(error), error.message) == (CredentialsError, "The service refused the admin token: Expired.")
    assert error.hint == USE_JWT
    sent = [call.request.headers["authorization"] for call in listing.calls]
    assert sent == [f"Bearer {token}" for token in (tokens[0], tokens[1], *tokens[1:])]


async def test_a_given_token_that_expires_is_named_as_the_cause(
    mana: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    listing = mana.get(PERSONAS).respond(401, json={"statusCode": 401, "message": "Invalid or expired token"})
    async with admin_service(given(exp=now + 20)) as service:
        error = await error_of(service.list_personas())
        assert error.message == "The service refused the admin token: Invalid or expired token."
        set_clock(monkeypatch, now + 60)
        error = await error_of(service.list_personas())
    assert type(error) is CredentialsError
    assert error.message.startswith("The admin token has expired: since 20")
    assert listing.call_count == 2
