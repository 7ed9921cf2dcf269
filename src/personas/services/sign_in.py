"""Sign-in with a password, session cookies, the Origin of a service, and the admin's token."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Self, TypeVar, Unpack

import anyio
from pydantic import ValidationError

from personas.config import DEFAULT_ENDPOINT, Address, parse_address
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
from personas.services.http import WRONG_SERVICE, HttpClient, HttpOptions, parse_date
from personas.services.models import Answer, Body, Params, PasswordCheck, ServiceModel, Session, Verdict

Model = TypeVar("Model", bound=ServiceModel)
Grant = TypeVar("Grant")  # a JWT or a session

AUTH = "/api/auth"
EMBEDDED_URL = "http://embedded.localhost"
# Services limit sign-ins first, often to three at once; three hide the time that hashing takes.
SIGN_INS_AT_ONCE = 3
RENEW_BEFORE_SECONDS = 60.0
TOO_LONG = "the service allows shorter passwords only. Set its maxPasswordLength to 32 or more."

_USE_JWT = "Pass an admin's token with --jwt (MANA_ADMIN_JWT)."
_CHECK_URL = "Check --auth (MANA_AUTH_URL): the address of the auth service, usually without a path."
# What a Cookie header, a shell and a CI log can hold.
_COOKIE = re.compile(r"[\w!#$%&'*+.^`|~-]{1,200}=[!#-+\--:<-\[\]-~]{1,4000}", re.ASCII)
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class NoSessionError(ResponseError):
    """The password is right, but the service opens no session: unverified, banned or with a second factor."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An admin's token, an admin's email and password, or a function that returns a fresh token.

    Email and password replace a token that has expired. Plain strings become secrets.
    """

    token: Secret | None = None
    email: str | None = None
    password: Secret | None = None
    token_factory: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        for name in ("token", "password"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, Secret(value) if value else None)


class SignInService:
    """What `Service` says of accounts and sessions, as Better Auth offers it below `/api/auth`."""

    def __init__(
        self,
        address: Address | str,
        credentials: Credentials | None = None,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        base_path: str = AUTH,
        **options: Unpack[HttpOptions],
    ) -> None:
        place = parse_address(address) if isinstance(address, str) else address
        self.address = str(place)
        self.notes: list[str] = []
        self._http = HttpClient(place.url or EMBEDDED_URL, loopback=place.loopback, **options)
        self.concurrency = self._http.concurrency
        self._endpoint = endpoint
        self._base_path = base_path
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

    async def admin_token(self) -> Secret:
        """Return the admin's token; raises CredentialsError."""
        return await self._admin.get()

    async def sign_in(self, email: str, password: Secret) -> Session:
        """Sign in; raises WrongPasswordError, NoSessionError or another ServiceError."""
        what = f"signing in as {email}"
        body = {"email": email, "password": password.reveal()}
        async with self._slots:
            # Needs no Origin without a cookie. A wrong password may count towards a lock: never repeat it.
            path = f"{self._base_path}/sign-in/email"
            answer = await self._http.request("POST", path, what=what, body=body, repeat=False)
        match answer.status, answer.code:
            case 200, _ if isinstance(answer.body, dict):
                if answer.body.get("twoFactorRedirect") is True:
                    raise NoSessionError(f"{what}: this account uses two-factor sign-in.")
                session = read_session(email, answer.body.get("user"), answer.set_cookies)
                return replace(session, bearer=answer.bearer)
            case 401, "INVALID_EMAIL_OR_PASSWORD":
                raise WrongPasswordError(f"{what}: email or password is wrong.")
            case 403, "EMAIL_NOT_VERIFIED":
                raise NoSessionError(f"{what}: the email of this account is not verified.")
            case 403, "BANNED_USER":
                raise NoSessionError(f"{what}: this account is banned.")
            case 400, "PASSWORD_TOO_LONG":
                raise ResponseError(f"{what}: {TOO_LONG}")
            case 400, "EMAIL_PASSWORD_DISABLED":
                raise NotOfferedError(f"{what}: the service does not allow sign-in with a password.")
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
        except NoSessionError:
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
        # Reading needs no Origin, which is known from this token only.
        answer = await self._http.request("GET", f"{self._base_path}/token", what=what, cookie=session.header)
        match answer.status, answer.body:
            case 200, {"token": str(text)} if _JWT.fullmatch(text):
                self.remember_origin(token := Secret(text))
                return token
            case 404 | 405, _:
                raise NotOfferedError(f"{what}: the service has no tokens (HTTP {answer.status}).")
            case 401, _:
                raise ResponseError(f"{what}: the session has ended.")
        raise response_error(answer, what, "the answer has no token")

    async def find_session(self, session: Session) -> Session | None:
        """Return the session as the service knows it now; None if it has ended."""
        what = f"reading the session of {session.email}"
        answer = await self._http.request(
            "GET", f"{self._base_path}/get-session", what=what, cookie=session.header
        )
        match answer.status, answer.body:
            case (200, None) | (401, _) if answer.is_json:
                return None
            case 200, {"user": {"email": str(email), "id": str(user_id)}, "session": {"expiresAt": str(end)}}:
                with contextlib.suppress(ValueError):
                    ends = datetime.fromisoformat(end)
                    session = replace(session, expires_at=ends if ends.tzinfo else ends.replace(tzinfo=UTC))
                return replace(session, email=email, user_id=user_id)
        raise response_error(answer, what, "the answer has no session")

    async def call(
        self, session: Session, method: str, path: str, *, what: str, params: Params = None, body: Body = None
    ) -> Answer:
        """Call a path below `/api/auth` with a session; any status is returned."""
        with contextlib.suppress(ResponseError):
            if not self._origin:
                await self.token(session)
        # Only now, because other calls must not send a guess meanwhile.
        self._origin = self._origin or _origin(self._http.base_url)
        return await self._http.request(
            method,
            f"{self._base_path}/{path}",
            what=what,
            params=params,
            body=body,
            cookie=session.header,
            origin=self._origin,
        )

    def remember_origin(self, token: Secret) -> None:
        """Note the `iss` of a token: the base URL that the service compares Origin with."""
        self._origin = _origin(str((read_claims(token) or {}).get("iss"))) or self._origin


class AdminAccess(ABC, Generic[Grant]):
    """What admin calls carry: requested with the first call, and again when it has expired."""

    def __init__(self, credentials: Credentials, service: SignInService) -> None:
        self._credentials = credentials
        self._service = service
        self._token = credentials.token  # the given one, until it is refused
        self._can_sign_in = bool(credentials.email and credentials.password)
        self._lock = anyio.Lock()
        self._grant: Grant | None = None
        self._renew_at = float("inf")
        self._session: Session | None = None

    async def get(self) -> Grant:
        """Return what is expected to work; raises CredentialsError."""
        async with self._lock:
            if self._grant is None or time.monotonic() >= self._renew_at:
                self._grant = await self._request()
            return self._grant

    def renew(self, grant: Grant) -> bool:
        """Forget what the service refused; False for a given token without email and password."""
        if self._token and not self._can_sign_in:
            return False
        if self._grant is grant:
            self._grant = self._token = None
        return True

    def hand_over(self) -> None:
        """Leave the session open: the user gets it."""
        self._session = None

    async def close(self) -> None:
        """End the session that was opened for the admin."""
        if self._session is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                await self._service.sign_out(self._session)
            self._session = None

    @abstractmethod
    async def _request(self) -> Grant:
        """Return the given token, or something new; raises CredentialsError."""

    async def _sign_in(self, email: str, password: Secret, prefix: str, hint: str) -> Session:
        """Open a session; `prefix` is how the names of the variables begin."""
        await self.close()
        try:
            self._session = await self._service.sign_in(email, password)
        except WrongPasswordError:
            message = f"The service refused the admin {email}: email or password is wrong."
            check = f"Check {prefix}_ADMIN_EMAIL and {prefix}_ADMIN_PASSWORD."
            raise CredentialsError(message, hint=check) from None
        except NoSessionError as error:
            raise CredentialsError(error.message, hint=hint) from None
        return self._session


class AdminToken(AdminAccess[Secret]):
    """The admin's JWT: the given one, or one that is requested, and renewed before it expires."""

    def refusal(self, detail: str) -> CredentialsError:
        """Return the error for a token that the service refused with a 401."""
        if self._token and (expired := _expired(read_claims(self._token) or {})):
            return expired
        message = f"The service refused the admin token: {detail or 'HTTP 401'}."
        return CredentialsError(message, hint=_USE_JWT)

    async def _request(self) -> Secret:
        given = self._credentials
        account = "The token is not an admin's"
        if self._token and not (self._can_sign_in and _expired(read_claims(self._token) or {})):
            token = self._token
        elif given.token_factory is not None:
            token = Secret(given.token_factory())
        elif given.email and given.password:
            account = f"{given.email} is not an admin"
            session = await self._sign_in(given.email, given.password, "MANA", _USE_JWT)
            token = await self._service.token(session)
        else:
            hint = "Pass --jwt (MANA_ADMIN_JWT), or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD."
            raise CredentialsError("The admin's credentials are missing.", hint=hint)
        claims = read_claims(token)
        if claims is None:
            raise CredentialsError("The admin token is not a JWT.", hint=_USE_JWT)
        if token is self._token and (expired := _expired(claims)):
            raise expired
        if (role := claims.get("role", "admin")) != "admin":
            hint = "Use the token, or the email and password, of an admin."
            raise CredentialsError(f"{account}: its role is {redact(repr(role)[:40])}.", hint=hint)
        self._service.remember_origin(token)
        if token is not self._token:
            # By the token's own times, because the clocks of both machines may differ.
            lifetime = _seconds(claims, "exp", float("inf")) - _seconds(claims, "iat", time.time())
            self._renew_at = time.monotonic() + max(lifetime - RENEW_BEFORE_SECONDS, lifetime / 2)
        return token


def response_error(answer: Answer, what: str, problem: str = "") -> ResponseError:
    """Return the error for an answer that refuses one call, or that lacks what it should have."""
    parts = (what, problem, f"HTTP {answer.status}", answer.detail)
    return ResponseError(": ".join(filter(None, parts)) + ".")


def read_answer(model: type[Model], answer: Answer, what: str, *, written: bool = False) -> Model:
    """Return the JSON as a model; the error names the place, never what is there."""
    problem = "it is not JSON"
    if answer.is_json:
        try:
            return model.model_validate(answer.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc'][:6]))[:100]}: {first['msg']}".removeprefix(": ")
    # Raised outside the except clause: the library's error holds the whole answer.
    message = f"{what}: the answer cannot be understood: {redact(problem)}."
    raise ResponseError(message, hint=WRONG_SERVICE, maybe_applied=written)


def read_session(email: str, user: object, set_cookies: tuple[str, ...]) -> Session:
    """Return the session of a sign-in; raises ResponseError without a usable session cookie."""
    known = user.items() if isinstance(user, dict) else ()
    account = {key: value for key, value in known if isinstance(value, str)}
    for header in reversed(set_cookies):
        # As in RFC 6265: name=value, then attributes by name, of which unknown ones are ignored.
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
            user_id=account.get("id"),
            name=account.get("name"),
        )
    raise ResponseError(f"signing in as {email}: the service set no usable session cookie.")


def read_claims(token: Secret) -> dict[str, Any] | None:
    """Return what a JWT says, unverified; None if it is not a JWT."""
    if not _JWT.fullmatch(token.reveal()):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.reveal().split(".")[1] + "=="))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _expired(claims: Mapping[str, Any]) -> CredentialsError | None:
    if (end := _seconds(claims, "exp", float("inf"))) > time.time():
        return None
    message = f"The admin token has expired: since {datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M:%S} UTC."
    hint = "Get a new one, or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD: tokens are then renewed."
    return CredentialsError(message, hint=hint)


def _seconds(claims: Mapping[str, Any], name: str, default: float) -> float:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e11 else default


def _expiry(attributes: Mapping[str, str]) -> datetime | None:
    """Return when a cookie expires; Max-Age goes before Expires."""
    if re.fullmatch(r"-?\d{1,9}", attributes.get("max-age", "")):
        return datetime.now(UTC) + timedelta(seconds=int(attributes["max-age"]))
    return parse_date(attributes.get("expires", ""))


def _origin(url: str) -> str:
    """Return scheme and host of a URL; empty if it is not one."""
    match = re.match(r"https?://[\w.:\[\]-]+", url, re.ASCII)
    return match[0] if match else ""
