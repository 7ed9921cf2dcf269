"""AuthService: the only module that knows the service's endpoints, statuses and bodies."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any, Self, TypeGuard
from urllib.parse import quote, urlsplit

import anyio

from personas.credentials import TOKEN_HINT, Credentials, check_token
from personas.errors import BadAnswer, CredentialsRefused, ServiceError
from personas.http import NOTHING, Answer, Call, Line, Patience, Retry, reason_of
from personas.live import (
    FoundUser,
    LiveDetail,
    LivePersona,
    Login,
    LoginCheck,
    ModuleFeedback,
    RecentAction,
)
from personas.pacing import spread
from personas.secret import Secret
from personas.settings import DEFAULT_CONCURRENCY, DEFAULT_ENDPOINT, DEFAULT_TIMEOUT, Address, parse_auth

USERS = "/api/v1/admin/users"
LOGIN = "/api/v1/auth/login"
SIGN_IN = "/api/auth/sign-in/email"
SIGN_OUT = "/api/auth/sign-out"
TOKEN = "/api/auth/token"  # noqa: S105 - a path
USERS_PER_PAGE = 100
MOST_PAGES = 1000
RENEW_BEFORE = timedelta(seconds=60)
SIGN_INS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in.

    Attributes:
        email: Who.
        cookie_name: The session cookie's name.
        cookie: Its value, signed.
        expires_at: When the session ends; None when the service does not say.
        secure: Whether the cookie is for https only.
        user_id: The user's id, when the service tells it.
        name: The user's name, when the service tells it.
    """

    email: str
    cookie_name: str
    cookie: Secret
    expires_at: datetime | None = None
    secure: bool = False
    user_id: str | None = None
    name: str | None = None

    @property
    def header(self) -> Secret:
        """What a Cookie header holds."""
        return Secret(f"{self.cookie_name}={self.cookie.reveal()}")


class NotOffered(BadAnswer):
    """The service does not have this call."""


class WrongPassword(CredentialsRefused):
    """The service says that the password is wrong."""


class NotFound(BadAnswer):
    """The service says that there is no such persona."""


class AuthService:
    """The service's calls, each answering with types of `live`; use it as an async context manager.

    Args:
        address: Where it is: a URL, or an Address.
        credentials: What opens the admin endpoints; not needed to sign in as a persona.
        endpoint: The path of the persona endpoints.
        timeout: Seconds for one attempt of a call.
        concurrency: How many calls at once, at the most.
        app: An ASGI application to call in process; `address` is then only its name.
        patience: How long a call is tried again.
    """

    def __init__(
        self,
        address: str | Address,
        credentials: Credentials | None = None,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        timeout: float = DEFAULT_TIMEOUT,
        concurrency: int = DEFAULT_CONCURRENCY,
        app: Any = None,
        patience: Patience | None = None,
    ) -> None:
        address = parse_auth(address) if isinstance(address, str) else address
        url = address.url or "http://embedded.localhost"
        split = urlsplit(url)
        self.origin = f"{split.scheme}://{split.netloc}"
        self.endpoint = endpoint
        self.line = Line(
            url,
            loopback=address.loopback,
            timeout=timeout,
            concurrency=concurrency,
            app=app,
            patience=patience,
        )
        self._credentials = credentials or Credentials()
        self._token: Secret | None = None
        self._renew_at: datetime | None = None
        self._admin_session: Session | None = None
        self._renewing = anyio.Lock()
        # Sign-ins are what services limit first; two at a time still hide the time of hashing.
        self._signing_in = anyio.CapacityLimiter(SIGN_INS_AT_ONCE)

    async def __aenter__(self) -> Self:
        await self.line.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.line.__aexit__()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.line.requests

    @property
    def safety_requests(self) -> int:
        """How many of them a safety rule cost."""
        return self.line.safety_requests

    # Personas

    async def list_personas(self) -> tuple[LivePersona, ...]:
        """Every live persona, in the service's order; without prompts and weights."""
        what = "listing the live personas"
        body = await self._admin("GET", self.endpoint, what)
        entries = body.get("personas")
        if not isinstance(entries, list):
            raise BadAnswer(f"{what}: the answer has no list of personas", hint=_WRONG_ENDPOINT)
        return tuple(
            _live_persona(entry, f"{what}: entry {number}") for number, entry in enumerate(entries, 1)
        )

    async def get_persona(self, user_id: str, *, who: str = "", safety: bool = False) -> LiveDetail:
        """One live persona with its prompt, weights, last actions and feedback.

        Raises:
            NotFound: There is no persona with this id.
        """
        what = f"reading {who or user_id}"
        body = await self._admin("GET", self._path_of(user_id, what), what, safety=safety)
        return _live_detail(body, what)

    async def upsert(
        self,
        *,
        email: str,
        name: str,
        password: Secret,
        archetype: str,
        system_prompt: str,
        module_mix: Mapping[str, float],
        tick_cadence: str,
    ) -> str:
        """Create a persona, or update all of it but name and password.

        Returns:
            The user's id, by the service's word that it is done.
        """
        what = f"seeding {email}"
        fields = {
            "email": email,
            "name": name,
            "password": password.reveal(),
            "archetype": archetype,
            "systemPrompt": system_prompt,
            "moduleMix": {module: _number(weight) for module, weight in module_mix.items()},
            "tickCadence": tick_cadence,
        }
        body = await self._admin(
            "POST", self.endpoint, what, body=Secret(json.dumps(fields)), secrets=(password,)
        )
        del fields
        user_id, told = body.get("userId"), body.get("email")
        if body.get("ok") is not True or not isinstance(user_id, str) or not user_id:
            raise BadAnswer(
                f"{what}: the service answered without saying that it is done", hint=_WRONG_ENDPOINT
            )
        if isinstance(told, str) and told.lower() != email.lower():
            raise BadAnswer(f"{what}: the service answered for another email")
        return user_id

    async def delete(self, user_id: str, *, who: str = "") -> bool:
        """Hard-delete a persona.

        Returns:
            True when it was deleted, False when there was none (any more).
        """
        what = f"deleting {who or user_id}"
        try:
            body = await self._admin("DELETE", self._path_of(user_id, what), what)
        except NotFound:
            return False
        deleted = body.get("deleted")
        if body.get("ok") is not True or (isinstance(deleted, str) and deleted != user_id):
            raise BadAnswer(
                f"{what}: the service answered without saying that it is done", hint=_WRONG_ENDPOINT
            )
        return True

    # Users

    async def find_users(self, emails: Sequence[str], *, domain: str) -> dict[str, FoundUser | ServiceError]:
        """Look up which of these emails belong to a user, persona or not.

        Args:
            emails: What to look for, in lower case.
            domain: The ending that they share, such as `@mana.test`.

        Returns:
            For each email that somebody has, the user; for each that could not be looked up, the error.

        Raises:
            NotOffered: The service has no look-up.
            CredentialsRefused: The look-up is forbidden.
        """
        if not emails:
            return {}
        wanted = set(emails)
        try:
            users = await self._users_in_bulk(domain, most_pages=len(wanted))
        except (NotOffered, CredentialsRefused):
            raise
        except ServiceError as error:
            return dict.fromkeys(wanted, error)
        if users is not None:
            return {email: user for email, user in users.items() if email in wanted}
        found: dict[str, FoundUser | ServiceError] = {}

        async def look_up(email: str) -> None:
            try:
                first, total = await self._users_page(email, 1)
                users = await self._users_rest(email, first, total)
                if users is None:
                    found[email] = BadAnswer(
                        f"looking up {email}: the pages of the answer do not fit together"
                    )
                elif email in users:
                    found[email] = users[email]
            except CredentialsRefused:
                raise
            except ServiceError as error:
                found[email] = error

        await spread(sorted(wanted), look_up, workers=self.line.gate.limit)
        return found

    async def _users_in_bulk(self, domain: str, *, most_pages: int) -> dict[str, FoundUser] | None:
        """Everybody with this domain; None when that takes more pages, or the pages shifted."""
        first, total = await self._users_page(domain, 1)
        if total is None or math.ceil(total / max(1, len(first))) > most_pages:
            return None
        return await self._users_rest(domain, first, total)

    async def _users_page(self, search: str, page: int) -> tuple[dict[str, FoundUser], int | None]:
        """One page: users by id, and how many there are in all, when the service tells."""
        what = f"looking up {search}"
        params: dict[str, str | int] = {"search": search, "page": page, "limit": USERS_PER_PAGE}
        try:
            body = await self._admin("GET", USERS, what, params=params, safety=True)
        except NotFound as error:
            raise NotOffered(f"{what}: the service offers no look-up of users") from error
        entries = body.get("users")
        if not isinstance(entries, list):
            raise BadAnswer(f"{what}: the answer has no list of users")
        users: dict[str, FoundUser] = {}
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("email"), str):
                raise BadAnswer(f"{what}: a user in the answer has no email")
            user = FoundUser(user_id=str(entry.get("id", entry["email"])), email=entry["email"])
            users[user.user_id] = user
        total = body.get("total")
        return users, total if _is_count(total) else None

    async def _users_rest(
        self, search: str, first: dict[str, FoundUser], total: int | None
    ) -> dict[str, FoundUser] | None:
        """All pages from the first on, by lower-case email; None when they shifted while they were read."""
        users = dict(first)
        page = 1
        more = first
        while more if total is None else len(users) < total:
            page += 1
            if page > MOST_PAGES:
                return None
            more, now = await self._users_page(search, page)
            new = more.keys() - users.keys()
            if total is None:
                more = more if new else {}
            elif not new or now is None or now < total:
                return None
            users |= more
            total = now
        return {user.email.lower(): user for user in users.values()}

    # Signing in

    async def check_password(self, email: str, password: Secret) -> LoginCheck:
        """Whether a password is right, by the one endpoint that tells the truth; at most one wrong try.

        Signs out again, so that no session is left behind.
        """
        try:
            session = await self._signed_in(email, password, safety=True)
        except WrongPassword:
            return LoginCheck(Login.WRONG_PASSWORD)
        except ServiceError as error:
            return LoginCheck(Login.NOT_KNOWN, error.message)
        if session is not None:
            await self.sign_out(session, safety=True)
        return LoginCheck(Login.WORKS)

    async def sign_in(self, email: str, password: Secret) -> Session:
        """Sign in with a password.

        Raises:
            WrongPassword: The service says so.
            CredentialsRefused: The password is right, but the email is not verified.
        """
        session = await self._signed_in(email, password)
        if session is None:
            raise CredentialsRefused(
                f"signing in as {email}: the password is right, but the email is not verified",
                hint="A persona is verified by seeding it: personas seed",
            )
        return session

    async def sign_out(self, session: Session, *, safety: bool = False) -> None:
        """End a session; one that cannot be ended runs out by itself."""
        call = Call(
            "POST",
            SIGN_OUT,
            f"signing out {session.email}",
            headers={"origin": self.origin, "cookie": session.header},
            body=Secret("{}"),
            secrets=(session.cookie,),
            retry=Retry.IF_UNSENT,
            safety=safety,
        )
        try:
            await self.line.call(call)
        except ServiceError:
            return

    async def token_of(self, session: Session) -> Secret:
        """A fresh JWT of who is signed in; it lives for minutes."""
        what = f"getting a token for {session.email}"
        call = Call(
            "GET",
            TOKEN,
            what,
            headers={"cookie": session.header, "origin": self.origin},
            secrets=(session.cookie,),
        )
        answer = await self.line.call(call)
        body = answer.json()
        if answer.status in {401, 403}:
            raise CredentialsRefused(f"{what}: the session has ended{reason_of(answer, call.secrets)}")
        token = body.get("token") if isinstance(body, dict) else None
        if answer.status != 200 or not isinstance(token, str) or not token.isascii() or not token:
            raise BadAnswer(f"{what}: the answer (HTTP {answer.status}) has no token")
        return Secret(token)

    async def _signed_in(self, email: str, password: Secret, *, safety: bool = False) -> Session | None:
        """A session; None when the password was right but the email is not verified."""
        what = f"signing in as {email}"
        call = Call(
            "POST",
            SIGN_IN,
            what,
            headers={"origin": self.origin},
            body=Secret(json.dumps({"email": email, "password": password.reveal()})),
            secrets=(password,),
            # A lost answer may have been a wrong password: a second try would count towards a lock.
            retry=Retry.IF_UNSENT,
            safety=safety,
        )
        async with self._signing_in:
            answer = await self.line.call(call)
        body = answer.json()
        code = body.get("code") if isinstance(body, dict) else None
        if answer.status == 200 and isinstance(body, dict):
            return _session(email, body, answer)
        if answer.status == 403 and code == "EMAIL_NOT_VERIFIED":
            return None
        if answer.status == 401 and isinstance(body, dict) and code in {None, "INVALID_EMAIL_OR_PASSWORD"}:
            raise WrongPassword(f"{what}: the service says that email or password is wrong")
        if answer.status == 404:
            raise NotOffered(f"{what}: the service has no sign-in at {SIGN_IN}")
        raise BadAnswer(f"{what}: HTTP {answer.status}{reason_of(answer, call.secrets)}")

    # The admin's token

    async def admin_token(self) -> Secret:
        """The admin's JWT: the given one, or one that is got, and got anew before it ends.

        Raises:
            CredentialsRefused: There is none to be had, or what there is will be refused.
        """
        now = datetime.now(UTC)
        if self._token is not None and (self._renew_at is None or now < self._renew_at):
            return self._token
        async with self._renewing:
            now = datetime.now(UTC)
            if self._token is not None and (self._renew_at is None or now < self._renew_at):
                return self._token
            token = await self._fresh_token()
            claims = check_token(token, now)
            self._token = token
            self._renew_at = None
            if claims.expires_at is not None and self._credentials.token is None:
                # A token that lives for less than the margin is renewed at half its life.
                self._renew_at = claims.expires_at - min(RENEW_BEFORE, (claims.expires_at - now) / 2)
            return token

    async def _fresh_token(self) -> Secret:
        credentials = self._credentials
        if credentials.token:
            return credentials.token
        if credentials.mint is not None:
            return Secret(credentials.mint())
        if not credentials.email or credentials.password is None:
            raise CredentialsRefused(
                "there is nothing to sign in with as an admin",
                hint="Give --jwt (MANA_ADMIN_JWT), or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD.",
            )
        if self._admin_session is not None:
            try:
                return await self.token_of(self._admin_session)
            except CredentialsRefused:
                self._admin_session = None
        try:
            self._admin_session = await self.sign_in(credentials.email, credentials.password)
        except WrongPassword:
            raise CredentialsRefused(
                f"the service refused the admin {credentials.email}: email or password is wrong",
                hint="Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD.",
            ) from None
        except NotOffered:
            return await self._login_token(credentials.email, credentials.password)
        return await self.token_of(self._admin_session)

    async def _login_token(self, email: str, password: Secret) -> Secret:
        """A token from the older log-in, where the service has no other sign-in."""
        what = f"logging in the admin {email}"
        body = Secret(json.dumps({"email": email, "password": password.reveal()}))
        call = Call("POST", LOGIN, what, body=body, secrets=(password,), retry=Retry.IF_UNSENT)
        answer = await self.line.call(call)
        found = answer.json()
        token = found.get("accessToken") if isinstance(found, dict) else None
        if answer.status != 200 or not isinstance(token, str) or not token.isascii():
            raise CredentialsRefused(
                f"{what}: HTTP {answer.status}{reason_of(answer, call.secrets)}",
                hint="Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; a rate limit can answer the same.",
            )
        return Secret(token)

    async def _admin(
        self,
        method: str,
        path: str,
        what: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Secret | None = None,
        secrets: tuple[Secret, ...] = (),
        safety: bool = False,
    ) -> dict[str, Any]:
        """One call of an admin endpoint, down to its JSON object."""
        renewed = repeated = False
        while True:
            token = await self.admin_token()
            headers = {"authorization": Secret(f"Bearer {token.reveal()}")}
            call = Call(
                method,
                path,
                what,
                params=params,
                headers=headers,
                body=body,
                secrets=(token, *secrets),
                safety=safety,
            )
            answer = await self.line.call(call)
            if answer.status == 401 and not renewed and self._credentials.token is None:
                if self._token is token:
                    self._token = None
                renewed = True
            elif answer.status == 500 and not repeated:
                # Two seeds at once can make one call fail: the next try finds the user.
                repeated = True
            else:
                return _object(answer, call)

    def _path_of(self, user_id: str, what: str) -> str:
        if not _PLAIN_ID.fullmatch(user_id):
            raise BadAnswer(f"{what}: the service gave an id that cannot be used")
        return f"{self.endpoint}/{quote(user_id, safe='')}"


_WRONG_ENDPOINT = "Is --auth the auth service, and --endpoint its path for personas?"
# An id becomes part of a path: nothing that a server could take for a path of its own.
_PLAIN_ID = re.compile(r"(?!\.{1,2}$)[^\x00-\x20/\\?#%\x7f]{1,200}")


def _object(answer: Answer, call: Call) -> dict[str, Any]:
    reason = reason_of(answer, call.secrets)
    if answer.status == 401:
        raise CredentialsRefused(
            f"{call.what}: the service refused the admin token{reason}", hint=TOKEN_HINT
        )
    if answer.status == 403:
        raise CredentialsRefused(
            f"{call.what}: the service forbids it to this admin token{reason}",
            hint="Use a token of an admin.",
        )
    body = answer.json()
    if answer.status == 404:
        hint = "" if isinstance(body, dict) else _WRONG_ENDPOINT
        raise NotFound(f"{call.what}: not found (HTTP 404){reason}", hint=hint)
    if answer.status in {405, 501} and call.safety:
        raise NotOffered(f"{call.what}: the service does not offer it (HTTP {answer.status})")
    if 300 <= answer.status < 400:
        raise BadAnswer(
            f"{call.what}: the service sends elsewhere (HTTP {answer.status}), and redirects are not followed",
            hint="Give the final address with --auth (MANA_AUTH_URL).",
        )
    if answer.status != 200:
        raise BadAnswer(f"{call.what}: refused with HTTP {answer.status}{reason}")
    if not isinstance(body, dict):
        kind = "no JSON" if body is NOTHING else "JSON of another kind than expected"
        raise BadAnswer(f"{call.what}: the answer is {kind}", hint=_WRONG_ENDPOINT)
    return body


def _session(email: str, body: Mapping[str, Any], answer: Answer) -> Session:
    for header in answer.cookies:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(header)
        except CookieError:
            continue
        for name, morsel in jar.items():
            # Behind https the name gets a prefix.
            if name.endswith("session_token") and morsel.value:
                user = body.get("user")
                user = user if isinstance(user, dict) else {}
                age = morsel["max-age"]
                seconds = int(age) if str(age).isdecimal() and len(str(age)) < 10 else None
                return Session(
                    email=email,
                    cookie_name=name,
                    cookie=Secret(morsel.value),
                    expires_at=datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None,
                    secure=bool(morsel["secure"]),
                    user_id=_text(user.get("id")),
                    name=_text(user.get("name")),
                )
    raise BadAnswer(f"signing in as {email}: the service set no session cookie")


def _live_persona(entry: object, where: str) -> LivePersona:
    if not isinstance(entry, dict):
        raise BadAnswer(f"{where} is no persona", hint=_WRONG_ENDPOINT)
    user_id, email = entry.get("userId"), entry.get("email")
    if not isinstance(user_id, str) or not isinstance(email, str) or not user_id or not email:
        raise BadAnswer(f"{where} has no userId or no email", hint=_WRONG_ENDPOINT)
    mix = entry.get("moduleMix")
    return LivePersona(
        user_id=user_id,
        email=email,
        name=_text(entry.get("name")),
        archetype=_text(entry.get("archetype")),
        tick_cadence=_text(entry.get("tickCadence")),
        system_prompt=_text(entry.get("systemPrompt")),
        module_mix=None if mix is None else _weights(mix, where),
        created_at=_time(entry.get("createdAt")),
        last_active_at=_time(entry.get("lastActiveAt")),
        actions_7d=entry["actions7d"] if _is_count(entry.get("actions7d")) else None,
    )


def _live_detail(body: Mapping[str, Any], what: str) -> LiveDetail:
    return LiveDetail(
        persona=_live_persona(body.get("persona"), f"{what}: the answer"),
        recent_actions=tuple(
            RecentAction(
                tool=_text(entry.get("toolName")) or "?",
                result=_text(entry.get("result")) or "?",
                created_at=_time(entry.get("createdAt")),
                latency_ms=_finite(entry.get("latencyMs")),
                error_message=_text(entry.get("errorMessage")),
            )
            for entry in _entries(body.get("recentActions"))
        ),
        feedback=tuple(_feedback(entry) for entry in _entries(body.get("feedbackByModule"))),
    )


def _feedback(entry: Mapping[str, Any]) -> ModuleFeedback:
    module = _text(entry.get("module")) or "?"
    average, ratings = _finite(entry.get("avgRating")), entry.get("ratings")
    if _is_count(ratings):
        return ModuleFeedback(module, ratings=ratings, mean=average)
    # Without a count beside it, the service's "avgRating" is the number of ratings, not their mean.
    if average is not None and average == int(average):
        return ModuleFeedback(module, ratings=int(average))
    return ModuleFeedback(module, mean=average)


def _entries(value: object) -> Iterable[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _weights(value: object, where: str) -> Mapping[str, float]:
    if not isinstance(value, dict):
        raise BadAnswer(f"{where}: moduleMix is no object")
    weights = {module: _finite(weight) for module, weight in value.items()}
    if None in weights.values():
        raise BadAnswer(f"{where}: moduleMix has a weight that is no number")
    return {module: weight for module, weight in weights.items() if weight is not None}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _number(weight: float) -> float | int:
    """A weight as it is written by hand: 1, not 1.0."""
    return int(weight) if weight == int(weight) and abs(weight) < 2**53 else weight


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
