"""Signing in: sessions, whether a password is right, and the admin's token that renews itself."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import anyio

from personas.errors import (
    BadAnswer,
    CredentialsRefused,
    RateLimited,
    ServiceError,
    Unanswered,
    Unreachable,
)
from personas.secret import Secret
from personas.service.answers import read
from personas.service.calls import Answer, Call, Retry, reason_of
from personas.service.cookies import find_session_cookie
from personas.service.credentials import Credentials, TokenExpired, check_token
from personas.service.models import FoundSession, IssuedToken, LoggedIn, Login, LoginCheck, SignInAnswer
from personas.service.transport import Line

LOGIN = "/api/v1/auth/login"
SIGN_IN = "/api/auth/sign-in/email"
SIGN_OUT = "/api/auth/sign-out"
SESSION = "/api/auth/get-session"
TOKEN = "/api/auth/token"  # noqa: S105 - a path
KEYS = "/api/auth/jwks"
RENEW_BEFORE = timedelta(seconds=60)
SIGN_INS_AT_ONCE = 3
# So many sign-ins in a row without an answer mean that the service is gone.
MOST_UNANSWERED = 3


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


class SignIn:
    """Signs in and out over a line.

    Args:
        line: The line to the service.
        origin: The service's own origin, which it wants to be told.
    """

    def __init__(self, line: Line, origin: str) -> None:
        self.line = line
        self.origin = origin
        # Sign-ins are what services limit first, often to three in ten seconds; three hide the hashing.
        self._at_once = anyio.CapacityLimiter(SIGN_INS_AT_ONCE)
        self._unanswered = 0
        self._limited = ""

    async def check_password(self, email: str, password: Secret) -> LoginCheck:
        """Whether a password is right, by the one endpoint that tells the truth; at most one wrong try.

        Signs out again, so that no session is left behind. Once the service has refused to be asked again
        and again, it is asked no more: the verdict is that it is not known.

        Raises:
            Unreachable: The service is gone.
        """
        check, session = await self.try_password(email, password, safety=True)
        if session is not None:
            await self.sign_out(session, safety=True)
        return check

    async def try_password(
        self, email: str, password: Secret, *, safety: bool = False
    ) -> tuple[LoginCheck, Session | None]:
        """As `check_password`, and the session that came of it; None also where the email is not verified."""
        try:
            session = await self._signed_in(email, password, checks=True, safety=safety)
        except Unreachable as error:
            self._unanswered += 1
            if not isinstance(error, Unanswered) or self._unanswered >= MOST_UNANSWERED:
                raise
            return LoginCheck(Login.NOT_KNOWN, error.message), None
        except WrongPassword:
            check, session = LoginCheck(Login.WRONG_PASSWORD), None
        except ServiceError as error:
            if isinstance(error, RateLimited):
                self._limited = error.message
            check, session = LoginCheck(Login.NOT_KNOWN, error.message), None
        else:
            check = LoginCheck(Login.WORKS)
        self._unanswered = 0
        return check, session

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
        with contextlib.suppress(ServiceError):
            await self.line.call(call)

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
        if answer.status in {401, 403}:
            raise CredentialsRefused(f"{what}: the session has ended{reason_of(answer, call.secrets)}")
        problem = f"the answer (HTTP {answer.status}) has no token"
        if answer.status != 200:
            raise BadAnswer(f"{what}: {problem}")
        return Secret(read(IssuedToken, answer.json(), what, problem=problem).token)

    async def find_session(self, session: Session) -> Session | None:
        """A session as the service knows it now: whose it is, and when it ends; None when it has ended.

        Raises:
            BadAnswer: The answer does not tell.
        """
        what = f"looking up the session of {session.email}"
        call = Call(
            "GET",
            SESSION,
            what,
            headers={"cookie": session.header, "origin": self.origin},
            secrets=(session.cookie,),
        )
        answer = await self.line.call(call)
        body = answer.json()
        if answer.status in {401, 403} or (answer.status == 200 and body is None):
            return None
        problem = f"the answer (HTTP {answer.status}) does not tell whose it is"
        if answer.status != 200:
            raise BadAnswer(f"{what}: {problem}")
        found = read(FoundSession, body, what, problem=problem)
        return replace(
            session,
            email=found.user.email,
            expires_at=found.session.expires_at,
            user_id=found.user.id,
            name=found.user.name,
        )

    async def ask_the_time(self) -> None:
        """Have the service answer anything: every answer tells its time. It is no failure when none comes."""
        with contextlib.suppress(ServiceError):
            await self.line.call(Call("GET", KEYS, "asking the service for its time"))

    async def _signed_in(
        self, email: str, password: Secret, *, checks: bool = False, safety: bool = False
    ) -> Session | None:
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
        async with self._at_once:
            if checks and self._limited:
                raise RateLimited(self._limited)
            answer = await self.line.call(call)
        if answer.status == 200:
            return _session(email, read(SignInAnswer, answer.json(), what), answer)
        refusal = answer.refusal()
        code = refusal.code if refusal is not None else "no JSON"
        match answer.status:
            case 403 if code == "EMAIL_NOT_VERIFIED":
                return None
            case 401 if code in {None, "INVALID_EMAIL_OR_PASSWORD"}:
                raise WrongPassword(f"{what}: the service says that email or password is wrong")
            case 404:
                raise NotOffered(f"{what}: the service has no sign-in at {SIGN_IN}")
        raise BadAnswer(f"{what}: HTTP {answer.status}{reason_of(answer, call.secrets)}")


class AdminToken:
    """The admin's JWT: the given one, or one that is got, and got anew before it ends.

    Args:
        credentials: Where it comes from.
        signing: How to sign in for it.
    """

    def __init__(self, credentials: Credentials, signing: SignIn) -> None:
        self.renewable = credentials.token is None
        self._credentials = credentials
        self._signing = signing
        self._token: Secret | None = None
        self._renew_at: datetime | None = None
        self._session: Session | None = None
        self._renewing = anyio.Lock()
        self._refused: CredentialsRefused | None = None

    def drop(self, token: Secret) -> None:
        """Forget a token that the service refused; the next one is fresh."""
        if self._token is token:
            self._token = None

    async def get(self) -> Secret:
        """The admin's JWT: the given one, or one that is got, and got anew before it ends.

        Raises:
            CredentialsRefused: There is none to be had, or what there is will be refused.
        """
        if (token := self._still_good()) is not None:
            return token
        async with self._renewing:
            if (token := self._still_good()) is not None:
                return token
            if self._refused is not None:
                # Asked once: a wrong password that every worker tries again would lock the admin out.
                raise CredentialsRefused(self._refused.message, hint=self._refused.hint)
            try:
                token = await self._fresh_token()
                self._renew_at = await self._check(token)
            except CredentialsRefused as error:
                self._refused = CredentialsRefused(error.message, hint=error.hint)
                raise
            self._token = token
            return token

    async def give_back(self) -> None:
        """End the session that was opened for the admin; one that cannot be ended runs out by itself."""
        session, self._session = self._session, None
        if session is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                await self._signing.sign_out(session)

    def _still_good(self) -> Secret | None:
        if self._renew_at is not None and self._now >= self._renew_at:
            return None
        return self._token

    @property
    def _now(self) -> datetime:
        """The time by the clock of the service, which is what a token is measured with."""
        return datetime.now(UTC) + self._signing.line.clock_difference

    async def _check(self, token: Secret) -> datetime | None:
        """Tell what the service would refuse; when to renew the token, by the service's clock."""
        line = self._signing.line
        try:
            claims = check_token(token, datetime.now(UTC), clock_difference=line.clock_difference)
        except TokenExpired:
            if line.requests:
                raise
            # Nothing was asked yet: it may be the clock here that is wrong.
            await self._signing.ask_the_time()
            claims = check_token(token, datetime.now(UTC), clock_difference=line.clock_difference)
        if claims.expires_at is None or not self.renewable:
            return None
        # A token that lives for less than the margin is renewed at half its life.
        return claims.expires_at - min(RENEW_BEFORE, (claims.expires_at - self._now) / 2)

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
        if self._session is not None:
            try:
                return await self._signing.token_of(self._session)
            except CredentialsRefused:
                self._session = None
        try:
            self._session = await self._signing.sign_in(credentials.email, credentials.password)
        except WrongPassword:
            raise CredentialsRefused(
                f"the service refused the admin {credentials.email}: email or password is wrong",
                hint="Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD.",
            ) from None
        except NotOffered:
            return await self._login_token(credentials.email, credentials.password)
        return await self._signing.token_of(self._session)

    async def _login_token(self, email: str, password: Secret) -> Secret:
        """A token from the older log-in, where the service has no other sign-in."""
        what = f"logging in the admin {email}"
        body = Secret(json.dumps({"email": email, "password": password.reveal()}))
        call = Call("POST", LOGIN, what, body=body, secrets=(password,), retry=Retry.IF_UNSENT)
        answer = await self._signing.line.call(call)
        told = f"{what}: HTTP {answer.status}{reason_of(answer, call.secrets)}"
        if answer.status == 200:
            try:
                found = read(LoggedIn, answer.json(), what, problem="the answer has no token")
                return Secret(found.access_token)
            except BadAnswer as error:
                told = error.message
        raise CredentialsRefused(
            told, hint="Check MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; a rate limit can answer the same."
        )


def _session(email: str, told: SignInAnswer, answer: Answer) -> Session:
    morsel = find_session_cookie(answer.cookies)
    if morsel is None:
        raise BadAnswer(f"signing in as {email}: the service set no session cookie that could be used")
    age = str(morsel["max-age"])
    seconds = int(age) if age.isdecimal() and len(age) < 10 else None
    return Session(
        email=email,
        cookie_name=morsel.key,
        cookie=Secret(morsel.coded_value),
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None,
        secure=bool(morsel["secure"]),
        user_id=told.user.id,
        name=told.user.name,
    )
