"""Registering, signing in and out, sessions, access tokens and the keys that verify them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from starlette.responses import JSONResponse

from personas.embedded import limits
from personas.embedded import users as accounts
from personas.embedded.answers import (
    Call,
    Refusal,
    bad_json,
    coded,
    is_storable,
    iso,
    read_object,
    utf16_length,
)
from personas.embedded.schema import users

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service


class AuthCalls:
    """The handlers of the auth calls."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limit = limits.SignInLimit()

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call("/api/v1/auth/register", self.register, methods=["POST"]),
            Call("/api/v1/auth/login", self.login, methods=["POST"]),
            Call("/api/v1/auth/session", self.session, methods=["GET"]),
            Call("/api/auth/sign-up/email", self.sign_up, methods=["POST"]),
            Call("/api/auth/sign-in/email", self.sign_in, methods=["POST"]),
            Call("/api/auth/sign-out", self.sign_out, methods=["POST"]),
            Call("/api/auth/get-session", self.session, methods=["GET"]),
            Call("/api/auth/token", self.token, methods=["GET"]),
            Call("/api/auth/jwks", self.jwks, methods=["GET"]),
        ]

    async def register(self, request: Request) -> Response:
        """Sign a human up; errors in the shape of the versioned calls."""
        try:
            return await self._sign_up(await read_object(request, bad=bad_json()))
        except Refusal as refusal:
            if "code" not in refusal.body:
                raise
            body = {"error": refusal.body["message"], "code": refusal.body["code"]}
            raise Refusal(refusal.status, body) from None

    async def sign_up(self, request: Request) -> Response:
        """Sign a human up."""
        return await self._sign_up(await read_object(request, bad=bad_json()))

    async def _sign_up(self, body: dict[str, Any]) -> Response:
        email, password = _credentials(body)
        name = body.get("name")
        if not isinstance(name, str):
            raise _wrong_type("name", name)
        if not accounts.is_email(email):
            raise coded(400, "INVALID_EMAIL", "Invalid email")
        if utf16_length(password) < accounts.MIN_PASSWORD:
            raise coded(400, "PASSWORD_TOO_SHORT", "Password too short")
        if utf16_length(password) > accounts.MAX_PASSWORD:
            raise coded(400, "PASSWORD_TOO_LONG", "Password too long")
        service = self._service
        new = accounts.NewUser(email=email, name=name, password=await service.hash(password))

        def work(connection: Connection) -> dict[str, Any]:
            if accounts.find_by_email(connection, email) is not None:
                code = "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"
                raise coded(422, code, "User already exists. Use another email.")
            user_id = accounts.sign_up(connection, new, service.now())
            row = connection.execute(sa.select(users).where(users.c.id == user_id)).one()
            return accounts.describe_user(row)

        return JSONResponse({"token": None, "user": await service.write(work)})

    async def login(self, request: Request) -> Response:
        """Sign in for tokens, without a cookie; locked after five wrong passwords.

        It tells everything but an unverified email as "Invalid credentials", the rate limit behind a proxy
        too, and counts each such answer towards the lock: so does the original.
        """
        bad = Refusal(400, {"error": "Invalid JSON body"})
        body = await read_object(request, bad=bad)
        email, password = body.get("email"), body.get("password")
        if not isinstance(email, str) or not isinstance(password, str) or not email or not password:
            raise Refusal(400, {"error": "Email and password are required"})
        service = self._service
        now = service.now()
        seconds = await service.read(lambda connection: limits.locked_seconds(connection, email, now))
        if seconds:
            raise Refusal(429, {"error": "Account locked", "remainingSeconds": seconds})
        try:
            user, session = await self.check_in(request, email, password)
        except Refusal as refusal:
            if refusal.status == 403:
                raise Refusal(403, {"error": "Email not verified", "code": "EMAIL_NOT_VERIFIED"}) from None
            now = service.now()
            await service.write(lambda connection: limits.record_failure(connection, email, now))
            raise Refusal(401, {"error": "Invalid credentials"}) from None
        await service.write(lambda connection: limits.forget_failures(connection, email))
        return JSONResponse(
            {
                **_signed_in(user, session),
                "accessToken": service.access_token(user, session.id),
                "refreshToken": session.token,
            }
        )

    async def sign_in(self, request: Request) -> Response:
        """Sign in for a session cookie."""
        email, password = _credentials(await read_object(request, bad=bad_json()))
        if not accounts.is_email(email):
            raise coded(400, "INVALID_EMAIL", "Invalid email")
        user, session = await self.check_in(request, email, password)
        cookie = self._service.cookies.set(session.token)
        return JSONResponse(_signed_in(user, session), headers={"set-cookie": cookie})

    async def check_in(
        self, request: Request, email: str, password: str
    ) -> tuple[sa.Row[Any], accounts.NewSession]:
        """Begin a session for whoever knows the password, or refuse as Better Auth does."""
        service = self._service
        self._limit_sign_ins(request)
        user = await service.read(lambda connection: accounts.find_by_email(connection, email))
        # An unknown email costs the time of a known one.
        right = await service.verify(None if user is None else user.password, password)
        if user is None or not right:
            raise coded(401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
        if not user.email_verified:
            raise coded(403, "EMAIL_NOT_VERIFIED", "Email not verified")
        user_id = user.id
        address = request.client.host if request.client else None
        agent = request.headers.get("user-agent", "")[:300]
        agent = agent if is_storable(agent) else ""

        def begin(connection: Connection) -> accounts.NewSession | None:
            if connection.scalar(sa.select(users.c.id).where(users.c.id == user_id)) is None:
                return None
            return accounts.begin_session(connection, user_id, service.now(), address=address, agent=agent)

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
        self._service.require_origin(request)
        token = self._service.cookies.read(request.headers.get("cookie", ""))
        if token is not None:
            await self._service.write(lambda connection: accounts.end_session(connection, token))
        return JSONResponse({"success": True}, headers={"set-cookie": self._service.cookies.clear()})

    async def session(self, request: Request) -> Response:
        """The session of the cookie and its user, or null."""
        user = await self._service.find_session(request)
        if user is None:
            return JSONResponse(None)
        session = {
            "expiresAt": iso(user.session_expires_at),
            "token": user.session_token,
            "createdAt": iso(user.session_created_at),
            "updatedAt": iso(user.session_updated_at),
            "ipAddress": user.session_ip_address,
            "userAgent": user.session_user_agent,
            "userId": user.id,
            "id": user.session_id,
        }
        return JSONResponse({"session": session, "user": accounts.describe_user(user)})

    async def token(self, request: Request) -> Response:
        """An access token for the session of the cookie."""
        user = await self._service.require_session(request)
        return JSONResponse({"token": self._service.access_token(user, user.session_id)})

    async def jwks(self, request: Request) -> Response:  # noqa: ARG002 - Starlette hands it over
        """The public keys."""
        return JSONResponse(self._service.signer.jwks())


def _credentials(body: dict[str, Any]) -> tuple[str, str]:
    email, password = body.get("email"), body.get("password")
    if not isinstance(email, str):
        raise _wrong_type("email", email)
    if not isinstance(password, str):
        raise _wrong_type("password", password)
    return email, password


def _wrong_type(field: str, value: object) -> Refusal:
    names = {type(None): "undefined", bool: "boolean", int: "number", float: "number", list: "array"}
    got = names.get(type(value), "object")
    message = f"[body.{field}] Invalid input: expected string, received {got}"
    return coded(400, "VALIDATION_ERROR", message)


def _signed_in(user: sa.Row[Any], session: accounts.NewSession) -> dict[str, Any]:
    return {"redirect": False, "token": session.token, "user": accounts.describe_user(user)}
