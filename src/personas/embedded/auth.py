"""What Better Auth answers under /api/auth: signing up, in and out, sessions, tokens and their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field
from starlette.responses import JSONResponse

from personas.embedded import limits
from personas.embedded import users as accounts
from personas.embedded.answers import Call, Refusal, coded, is_storable, iso, utf16_length
from personas.embedded.bodies import Body, Filled, read_unchecked, wrong
from personas.embedded.passwords import MAX_PASSWORD, MIN_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

MAX_AGENT: Final = 300


def _email(text: str) -> str:
    if not accounts.is_email(text):
        raise wrong("Invalid email address")
    return text


class SignUp(Body):
    """POST sign-up/email."""

    demands: ClassVar[tuple[str, ...]] = ("object", "record")

    name: str
    email: Annotated[str, AfterValidator(_email)]
    password: Filled
    image: str = ""
    callback_url: str = Field(default="", alias="callbackURL")
    remember_me: bool = True


class SignIn(Body):
    """POST sign-in/email."""

    email: str
    password: str
    callback_url: str = Field(default="", alias="callbackURL")
    remember_me: bool = True


class AuthCalls:
    """The handlers of the calls under /api/auth that are no space's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limit = limits.SignInLimit()

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call("/api/auth/ok", self.ok, methods=["GET"]),
            Call("/api/auth/sign-up/email", self.sign_up, methods=["POST"]),
            Call("/api/auth/sign-in/email", self.sign_in, methods=["POST"]),
            Call("/api/auth/sign-out", self.sign_out, methods=["POST"]),
            Call("/api/auth/get-session", self.session, methods=["GET"]),
            Call("/api/auth/get-session", self.refuse_session, methods=["POST"]),
            Call("/api/auth/token", self.token, methods=["GET"]),
            Call("/api/auth/jwks", self.jwks, methods=["GET"]),
        ]

    async def ok(self, request: Request) -> Response:  # noqa: ARG002 - Starlette hands it over
        """Whether Better Auth runs."""
        return JSONResponse({"ok": True})

    async def sign_up(self, request: Request) -> Response:
        """Sign a human up."""
        body = await self._read_credentials(request)
        return JSONResponse(await self.register(SignUp.check(body)))

    async def register(self, wanted: SignUp) -> dict[str, Any]:
        """Sign a human up; a taken email is answered by an invented user, so that nobody learns of it.

        Raises:
            Refusal: 400 for a password of another length.
        """
        check_password(wanted.password)
        service = self._service
        new = accounts.NewUser(
            email=wanted.email,
            name=wanted.name,
            password=await service.hash(wanted.password),
            image=wanted.image or None,
        )

        def work(connection: Connection) -> dict[str, Any]:
            now = service.now()
            if accounts.find_by_email(connection, new.email) is not None:
                return accounts.invent_user(new, now)
            user_id = accounts.sign_up(connection, new, now)
            return accounts.describe_user(accounts.get_user(connection, user_id))

        return {"token": None, "user": await service.write(work)}

    async def sign_in(self, request: Request) -> Response:
        """Sign in for a session cookie."""
        wanted = SignIn.check(await self._read_credentials(request))
        if not accounts.is_email(wanted.email):
            raise coded(400, "INVALID_EMAIL", "Invalid email")
        user, session = await self.check_in(
            request, wanted.email, wanted.password, remember=wanted.remember_me
        )
        answer: dict[str, Any] = {"redirect": bool(wanted.callback_url), "token": session.token}
        if wanted.callback_url:
            answer["url"] = wanted.callback_url
        response = JSONResponse({**answer, "user": accounts.describe_user(user)})
        if wanted.callback_url:
            response.headers["location"] = wanted.callback_url
        self._service.cookies.give(response, session.token, remember=wanted.remember_me)
        return response

    async def _read_credentials(self, request: Request) -> Any:
        """A body that comes from no foreign page and leads to none."""
        body = await read_unchecked(request, forms=True)
        service = self._service
        service.origins.require_signing_in(request, service.base_url)
        if isinstance(body, dict):
            service.origins.require_own_url(body.get("callbackURL"), request, service.base_url)
        return body

    async def check_in(
        self,
        request: Request,
        email: str,
        password: str,
        *,
        remember: bool = True,
        also: Callable[[Connection], None] | None = None,
    ) -> tuple[sa.Row[Any], accounts.NewSession]:
        """Begin a session for whoever knows the password, or refuse as Better Auth does.

        Args:
            request: Where the session's address and agent come from.
            email: Whose session it is to be.
            password: The password.
            remember: Whether it lasts a week, or a day.
            also: Written together with the session, or not at all.

        Raises:
            Refusal: 401 for a wrong password or an unknown email, 403 for one that is not verified.
        """
        service = self._service
        self._limit_sign_ins(request)
        user = None
        if accounts.is_email(email):
            user = await service.read(lambda connection: accounts.find_by_email(connection, email))
        # An unknown email costs the time of a known one.
        right = await service.verify(None if user is None else user.password, password)
        if user is None or not right:
            raise coded(401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
        if not user.email_verified:
            raise coded(403, "EMAIL_NOT_VERIFIED", "Email not verified")
        user_id = user.id
        address = request.client.host if request.client else None
        agent = request.headers.get("user-agent", "")[:MAX_AGENT]
        agent = agent if is_storable(agent) else ""

        def begin(connection: Connection) -> accounts.NewSession | None:
            if accounts.find_user(connection, user_id) is None:
                return None
            if also is not None:
                also(connection)
            now = service.now()
            return accounts.begin_session(
                connection, user_id, now, address=address, agent=agent, remember=remember
            )

        session = await service.write(begin)
        if session is None:  # deleted while we hashed
            raise coded(401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
        return user, session

    def _limit_sign_ins(self, request: Request) -> None:
        forwarded = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
        if not self._service.behind_proxy or not forwarded:
            return
        seconds = self._limit.wait_seconds(forwarded, self._service.now())
        if seconds:
            body = {"message": "Too many requests. Please try again later."}
            raise Refusal(429, body, {"X-Retry-After": str(seconds)})

    async def sign_out(self, request: Request) -> Response:
        """End the session of the cookie."""
        await read_unchecked(request)
        return await self.end_session(request)

    async def end_session(self, request: Request) -> Response:
        """End the session of the cookie, whatever the body.

        Raises:
            Refusal: 403 when a foreign page sends it.
        """
        service = self._service
        service.require_origin(request)
        token = service.cookies.read(request.headers.get("cookie", ""))
        if token is not None:
            await service.write(lambda connection: accounts.end_session(connection, token))
        response = JSONResponse({"success": True})
        service.cookies.take(response)
        return response

    async def session(self, request: Request) -> Response:
        """The session of the cookie and its user, or null; one that is a day old lasts a week again."""
        service = self._service
        header = request.headers.get("cookie", "")
        token = service.cookies.read(header)
        if token is None:
            return JSONResponse(None)
        user = await service.find_session(request)
        if user is None:
            response = JSONResponse(None)
            service.cookies.take(response)
            return response
        extended = False
        if accounts.is_due(user, service.now()) and not service.cookies.is_forgetful(header):
            now = service.now()
            await service.write(lambda connection: accounts.extend_session(connection, token, now))
            user = await service.find_session(request) or user
            extended = True
        response = JSONResponse({"session": describe_session(user), "user": accounts.describe_user(user)})
        if extended:
            service.cookies.give(response, token)
        return response

    async def refuse_session(self, request: Request) -> Response:
        """A session is read with GET."""
        await read_unchecked(request)
        self._service.require_origin(request)
        message = "POST method requires deferSessionRefresh to be enabled in session config"
        raise coded(405, "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED", message)

    async def token(self, request: Request) -> Response:
        """An access token for the session of the cookie."""
        user = await self._service.require_session(request)
        return JSONResponse({"token": self._service.access_token(user, user.session_id)})

    async def jwks(self, request: Request) -> Response:  # noqa: ARG002 - Starlette hands it over
        """The public keys."""
        return JSONResponse(self._service.signer.jwks())


def check_password(password: str) -> None:
    """Refuse a password of another length than sign-up takes.

    Raises:
        Refusal: 400.
    """
    length = utf16_length(password)
    if length < MIN_PASSWORD:
        raise coded(400, "PASSWORD_TOO_SHORT", "Password too short")
    if length > MAX_PASSWORD:
        raise coded(400, "PASSWORD_TOO_LONG", "Password too long")


def describe_session(user: sa.Row[Any]) -> dict[str, Any]:
    """A session as the calls tell it, from the row that `find_session` gives."""
    return {
        "expiresAt": iso(user.session_expires_at),
        "token": user.session_token,
        "createdAt": iso(user.session_created_at),
        "updatedAt": iso(user.session_updated_at),
        "ipAddress": user.session_ip_address,
        "userAgent": user.session_user_agent,
        "userId": user.id,
        "id": user.session_id,
    }
