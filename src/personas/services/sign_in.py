"""Sign-in with a password, session cookies, the Origin of a service, and the admin's token."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
from pydantic import TypeAdapter, ValidationError

from personas.config import DEFAULT_CONCURRENCY, DEFAULT_ENDPOINT, DEFAULT_TIMEOUT, Address, parse_address
from personas.errors import (
    CredentialsError,
    NoResponseError,
    NotOfferedError,
    RateLimitedError,
    ResponseError,
    ServiceError,
    WrongPasswordError,
)
from personas.redact import Secret, redact
from personas.services.answers import parse_date
from personas.services.base import RequestObserver, WaitObserver
from personas.services.http import DEFAULT_RETRY, HttpClient, RetryPolicy
from personas.services.models import Answer, PasswordCheck, Session, Verdict

AUTH = "/api/auth"
EMBEDDED_URL = "http://embedded.localhost"
# Services limit sign-ins first, often to three at once; three hide the time that hashing takes.
SIGN_INS_AT_ONCE = 3
RENEW_BEFORE_SECONDS = 60.0

_USE_JWT = "Pass an admin's token with --jwt (MANA_ADMIN_JWT)."
_CHECK_URL = "Check --auth (MANA_AUTH_URL): it must be the address of the auth service, without a path."
# What a Cookie header, a shell and a CI log can hold.
_COOKIE = re.compile(r"[\w!#$%&'*+.^`|~-]{1,200}=[!#-+\--:<-\[\]-~]{1,4000}", re.ASCII)
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class UnverifiedError(ResponseError):
    """The password is right, but the email is not verified, so the service opens no session."""


class TwoFactorError(ResponseError):
    """The password is right, but the service asks for a second factor."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One of: a token, an admin's email and password, or a function that makes tokens.

    Attributes:
        token: An admin's JWT; it cannot be renewed.
        email: An admin's email; with `password`, tokens are requested and renewed.
        password: The admin's password.
        token_factory: Returns a fresh token, for the embedded service.
    """

    token: Secret | None = None
    email: str | None = None
    password: Secret | None = None
    token_factory: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        for name in ("token", "password"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, Secret(value))


class SignInService:
    """The part of `Service` that concerns accounts and sessions, as Better Auth offers it below `/api/auth`.

    Args:
        address: The service's address, or its URL.
        credentials: What opens the admin endpoints; not needed to sign in as a persona.
        endpoint: The path of the persona endpoints.
        timeout: Seconds for one attempt of a call.
        concurrency: How many calls to make at once.
        app: An ASGI application to call in this process.
        observe: Called after each attempt of a call.
        on_wait: Called when all calls wait because the service asked for it.
        retry: How long calls are repeated.
    """

    def __init__(
        self,
        address: Address | str,
        credentials: Credentials | None = None,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        timeout: float = DEFAULT_TIMEOUT,
        concurrency: int = DEFAULT_CONCURRENCY,
        app: Any = None,
        observe: RequestObserver | None = None,
        on_wait: WaitObserver | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> None:
        place = parse_address(address) if isinstance(address, str) else address
        self.address = str(place)
        self.notes: list[str] = []
        self.concurrency = concurrency
        self._endpoint = endpoint
        self._http = HttpClient(
            place.url or EMBEDDED_URL,
            loopback=place.loopback,
            timeout=timeout,
            concurrency=concurrency,
            app=app,
            observe=observe,
            on_wait=on_wait,
            retry=retry,
        )
        self._origin = ""
        self._credentials = credentials or Credentials()
        self._admin: AdminToken
        self._slots: anyio.CapacityLimiter

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        self._slots = anyio.CapacityLimiter(SIGN_INS_AT_ONCE)
        self._admin = AdminToken(self._credentials, self)
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._admin.close()
        await self._http.__aexit__(*args)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._http.requests

    async def admin_token(self) -> Secret:
        """Return the admin's token; raises CredentialsError."""
        return await self._admin.get()

    async def sign_in(self, email: str, password: Secret) -> Session:
        """Sign in; raises WrongPasswordError, UnverifiedError, TwoFactorError or another ServiceError."""
        what = f"signing in as {email}"
        async with self._slots:
            # No Origin: without a cookie the service does not ask for one, and a wrong one could be refused.
            # Not repeated after a lost answer: a wrong password may count towards a lock.
            answer = await self._http.request(
                "POST",
                f"{AUTH}/sign-in/email",
                what=what,
                body={"email": email, "password": password.reveal()},
                secrets=(password,),
                repeat=False,
            )
        body = answer.body
        match answer.status, answer.code:
            case 200, _ if isinstance(body, dict):
                if body.get("twoFactorRedirect") is True:
                    raise TwoFactorError(f"{what}: this account uses two-factor sign-in.")
                return read_session(email, body, answer.set_cookies)
            case 401, "INVALID_EMAIL_OR_PASSWORD":
                raise WrongPasswordError(f"{what}: email or password is wrong.")
            case 403, "EMAIL_NOT_VERIFIED":
                raise UnverifiedError(f"{what}: the password is right, but the email is not verified.")
            case 200 | 401 | 404 | 405, _:
                message = f"{what}: this is not the auth service's sign-in (HTTP {answer.status})."
                raise NotOfferedError(message, hint=_CHECK_URL)
        raise response_error(answer, what)

    async def check_password(self, email: str, password: Secret) -> PasswordCheck:
        """Return whether the password signs in; signs out again. Raises UnreachableError only."""
        try:
            session = await self.sign_in(email, password)
        except WrongPasswordError:
            return PasswordCheck(Verdict.WRONG)
        except (UnverifiedError, TwoFactorError):
            return PasswordCheck(Verdict.RIGHT)
        except (ResponseError, NoResponseError) as error:
            limited = isinstance(error, RateLimitedError)
            return PasswordCheck(Verdict.UNKNOWN, error.message, rate_limited=limited)
        await self.sign_out(session)
        return PasswordCheck(Verdict.RIGHT)

    async def sign_out(self, session: Session) -> None:
        """End a session; errors are ignored, the session expires."""
        with contextlib.suppress(ServiceError):
            await self.call(session, "POST", "sign-out", what=f"signing out {session.email}", body={})

    async def token(self, session: Session) -> Secret:
        """Return a JWT of the signed-in account; raises NotOfferedError, or ResponseError if signed out."""
        what = f"getting a token for {session.email}"
        # Reading with a cookie needs no Origin, which only this token tells.
        answer = await self._http.request("GET", f"{AUTH}/token", what=what, cookie=session.header)
        if answer.status in {404, 405}:
            raise NotOfferedError(f"{what}: the service has no tokens (HTTP {answer.status}).")
        if answer.status == 401:
            raise ResponseError(f"{what}: the session has ended.")
        token = answer.body.get("token") if isinstance(answer.body, dict) else None
        if answer.status != 200 or not isinstance(token, str) or not _JWT.fullmatch(token):
            raise response_error(answer, what, "the answer has no token")
        self.remember_origin(Secret(token))
        return Secret(token)

    async def find_session(self, session: Session) -> Session | None:
        """Return the session as the service knows it now; None if it has ended."""
        what = f"reading the session of {session.email}"
        answer = await self._http.request("GET", f"{AUTH}/get-session", what=what, cookie=session.header)
        match answer.status, answer.body:
            case (200, None) | (401, _) if answer.is_json:
                return None
            case 200, {"user": {"email": str(email), "id": str(user_id)}, "session": dict(details)}:
                expires_at = _read_moment(details.get("expiresAt")) or session.expires_at
                return replace(session, email=email, expires_at=expires_at, user_id=user_id)
        raise response_error(answer, what, "the answer has no session")

    async def call(
        self,
        session: Session,
        method: str,
        path: str,
        *,
        what: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        """Call a path below `/api/auth` with a session; any status is returned."""
        return await self._http.request(
            method,
            f"{AUTH}/{path}",
            what=what,
            params=params,
            body=body,
            cookie=session.header,
            origin=await self._origin_of(session),
        )

    def remember_origin(self, token: Secret) -> None:
        """Note the `iss` of a token: the base URL that the service compares Origin with."""
        issuer = urlsplit(str((read_claims(token) or {}).get("iss", "")))
        if issuer.scheme in {"http", "https"} and re.fullmatch(r"[\w.:\[\]-]+", issuer.netloc, re.ASCII):
            self._origin = f"{issuer.scheme}://{issuer.netloc}"

    async def _origin_of(self, session: Session) -> str:
        if not self._origin:
            with contextlib.suppress(ResponseError):
                await self.token(session)
        if not self._origin:
            base = urlsplit(self._http.base_url)
            self._origin = f"{base.scheme}://{base.netloc}"
        return self._origin


class AdminToken:
    """The admin's JWT: the given one, or one that is requested, and renewed before it expires."""

    def __init__(self, credentials: Credentials, service: SignInService) -> None:
        self._credentials = credentials
        self._service = service
        self._lock = anyio.Lock()
        self._token: Secret | None = None
        self._renew_at = 0.0
        self._session: Session | None = None
        self._refused: CredentialsError | None = None

    async def get(self) -> Secret:
        """Return a token that is expected to work; raises CredentialsError."""
        async with self._lock:
            if self._refused is not None:
                # Every worker would try the same wrong password again.
                raise CredentialsError(self._refused.message, hint=self._refused.hint)
            if self._token is None or time.monotonic() >= self._renew_at:
                try:
                    self._token = await self._request()
                except CredentialsError as error:
                    self._refused = error
                    raise
            return self._token

    def renew(self, token: Secret) -> bool:
        """Forget a token that the service refused; False if there is no way to get another one."""
        if self._token is token and not self._credentials.token:
            self._token = None
        return not self._credentials.token

    def refusal(self, detail: str) -> CredentialsError:
        """Return the error for a token that the service refused with a 401."""
        claims = read_claims(self._token) if self._token else None
        if self._credentials.token and (expired := _expired(claims or {})):
            return expired
        return CredentialsError(f"The service refused the admin token{': ' if detail else ''}{detail}.")

    async def close(self) -> None:
        """End the session that was opened for the admin."""
        if self._session is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                await self._service.sign_out(self._session)
            self._session = None

    async def _request(self) -> Secret:
        given = self._credentials
        if given.token:
            token, account = given.token, "The token is not an admin's"
        elif given.token_factory is not None:
            token, account = Secret(given.token_factory()), "The token is not an admin's"
        elif given.email and given.password:
            account = f"{given.email} is not an admin"
            token = await self._sign_in_admin(given.email, given.password)
        else:
            hint = "Pass --jwt (MANA_ADMIN_JWT), or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD."
            raise CredentialsError("The admin's credentials are missing.", hint=hint)
        claims = read_claims(token)
        if claims is None:
            raise CredentialsError("The admin token is not a JWT.", hint=_USE_JWT)
        if given.token and (expired := _expired(claims)):
            raise expired
        if (role := claims.get("role", "admin")) != "admin":
            hint = "Use the token, or the email and password, of an admin."
            raise CredentialsError(f"{account}: its role is {redact(repr(role)[:40])}.", hint=hint)
        self._service.remember_origin(token)
        # The token's own times, because the clocks of both machines may differ.
        lifetime = (_seconds(claims, "exp") or 0) - (_seconds(claims, "iat") or time.time())
        renewable = not given.token and "exp" in claims
        early = min(RENEW_BEFORE_SECONDS, lifetime / 2)
        self._renew_at = time.monotonic() + lifetime - early if renewable else float("inf")
        return token

    async def _sign_in_admin(self, email: str, password: Secret) -> Secret:
        if self._session is not None:
            try:
                return await self._service.token(self._session)
            except ResponseError:
                self._session = None
        try:
            self._session = await self._service.sign_in(email, password)
        except WrongPasswordError:
            message = f"The service refused the admin {email}: email or password is wrong."
            hint = "Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD."
            raise CredentialsError(message, hint=hint) from None
        except UnverifiedError:
            message = f"The email of the admin {email} is not verified."
            raise CredentialsError(message, hint=f"Verify it. {_USE_JWT}") from None
        except TwoFactorError as error:
            raise CredentialsError(error.message, hint=_USE_JWT) from None
        return await self._service.token(self._session)


def response_error(answer: Answer, what: str, problem: str = "") -> ResponseError:
    """Return the error for an answer that refuses one call, or that has not what it should."""
    parts = (what, problem, f"HTTP {answer.status}", answer.detail)
    return ResponseError(": ".join(filter(None, parts)) + ".")


def read_session(email: str, body: Mapping[str, Any], set_cookies: tuple[str, ...]) -> Session:
    """Return the session of a sign-in; raises ResponseError without a usable session cookie.

    As in RFC 6265: the first `name=value`, then attributes by name, of which unknown ones are ignored.
    """
    user = body.get("user")
    user = user if isinstance(user, dict) else {}
    for header in reversed(set_cookies):
        pair, *rest = (part.strip() for part in header.split(";"))
        name, _, value = pair.partition("=")
        # Behind https the name has a prefix.
        if not name.endswith("session_token") or not _COOKIE.fullmatch(pair):
            continue
        attributes = {key.strip().lower(): text.strip() for key, _, text in (a.partition("=") for a in rest)}
        same_site = attributes.get("samesite", "").title()
        domain = attributes.get("domain", "").lstrip(".").lower()
        return Session(
            email=email,
            cookie_name=name,
            cookie=Secret(value),
            domain=f".{domain}" if domain else None,
            path=attributes.get("path") or "/",
            secure="secure" in attributes,
            http_only="httponly" in attributes,
            same_site=same_site if same_site in {"Strict", "Lax", "None"} else "Lax",
            expires_at=_expiry(attributes),
            user_id=user.get("id"),
            name=user.get("name"),
        )
    raise ResponseError(f"signing in as {email}: the service set no usable session cookie.")


def read_claims(token: Secret) -> dict[str, Any] | None:
    """Return what a JWT says, unverified; None if it is not a JWT."""
    if not _JWT.fullmatch(token.reveal()):
        return None
    payload = token.reveal().split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _expired(claims: Mapping[str, Any]) -> CredentialsError | None:
    seconds = _seconds(claims, "exp")
    if seconds is None or seconds > time.time():
        return None
    since = datetime.fromtimestamp(max(seconds, 0), UTC)
    message = f"The admin token has expired: since {since:%Y-%m-%d %H:%M:%S} UTC."
    hint = "Get a new one, or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD: tokens are then renewed."
    return CredentialsError(message, hint=hint)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e11 else None


def _expiry(attributes: Mapping[str, str]) -> datetime | None:
    """Return when a cookie expires; Max-Age goes before Expires."""
    if re.fullmatch(r"-?\d{1,9}", attributes.get("max-age", ""), re.ASCII):
        return datetime.now(UTC) + timedelta(seconds=int(attributes["max-age"]))
    return parse_date(attributes.get("expires", ""))


def _read_moment(value: object) -> datetime | None:
    try:
        return TypeAdapter(datetime).validate_python(value)
    except ValidationError:
        return None
