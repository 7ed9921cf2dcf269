"""What stands under /api/v1/auth: signing in for tokens, with a lock, and some of Better Auth's own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.responses import JSONResponse

from personas.embedded import limits
from personas.embedded import users as accounts
from personas.embedded.answers import Call, Refusal
from personas.embedded.auth import SignIn, SignUp
from personas.embedded.bodies import Body, as_text, bad_json, is_falsy, read_json

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.auth import AuthCalls
    from personas.embedded.service import Service

PREFIX: Final = "/api/v1/auth"


class Login(Body):
    """POST login: what is wrong with it is a wrong password like any other."""

    email: Any = None
    password: Any = None


class Registration(Login):
    """POST register, before Better Auth looks at it."""

    name: Any = None


class Validation(Body):
    """POST validate."""

    token: Any = None


Loose = TypeVar("Loose", bound=Body)


class LoginCalls:
    """The handlers of the calls under /api/v1/auth."""

    def __init__(self, service: Service, auth: AuthCalls) -> None:
        self._service = service
        self._auth = auth

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call(f"{PREFIX}/register", self.register, methods=["POST"]),
            Call(f"{PREFIX}/login", self.login, methods=["POST"]),
            Call(f"{PREFIX}/logout", self._auth.end_session, methods=["POST"]),
            Call(f"{PREFIX}/session", self._auth.session, methods=["GET"]),
            Call(f"{PREFIX}/session-to-token", self.exchange, methods=["POST"]),
            Call(f"{PREFIX}/refresh", self.refresh, methods=["POST"]),
            Call(f"{PREFIX}/validate", self.validate, methods=["POST"]),
            Call(f"{PREFIX}/jwks", self._auth.jwks, methods=["GET"]),
        ]

    async def register(self, request: Request) -> Response:
        """Sign a human up, by the local part of the email where no name is given."""
        body = await _read(request, Registration, bad=_in_short(bad_json()))
        try:
            name = as_text(body.email).partition("@")[0] if is_falsy(body.name) else body.name
            given = {"email": body.email, "password": body.password, "name": name}
            return JSONResponse(await self._auth.register(SignUp.check(given)))
        except Refusal as refusal:
            raise _in_short(refusal) from None

    async def login(self, request: Request) -> Response:
        """Sign in for tokens, without a cookie; locked after five wrong passwords.

        It tells everything but an unverified email as "Invalid credentials", the rate limit behind a proxy
        too, and counts each such answer towards the lock: so does the original.
        """
        body = await _read(request, Login, bad=Refusal(400, {"error": "Invalid JSON body"}))
        service = self._service
        email = body.email if limits.is_countable(body.email) else None
        if email is not None:
            now = service.now()
            seconds = await service.read(lambda connection: limits.locked_seconds(connection, email, now))
            if seconds:
                raise Refusal(429, {"error": "Account locked", "remainingSeconds": seconds})
        try:
            return JSONResponse(await self._log_in(request, body))
        except Refusal as refusal:
            if refusal.status == 403:
                raise Refusal(403, {"error": "Email not verified", "code": "EMAIL_NOT_VERIFIED"}) from None
        if email is not None:
            now = service.now()
            await service.write(lambda connection: limits.record_failure(connection, email, now))
        raise Refusal(401, {"error": "Invalid credentials"})

    async def _log_in(self, request: Request, body: Login) -> dict[str, Any]:
        wanted = SignIn.check({"email": body.email, "password": body.password})

        def forget(connection: Connection) -> None:
            limits.forget_failures(connection, wanted.email)

        user, session = await self._auth.check_in(request, wanted.email, wanted.password, also=forget)
        return {
            "redirect": False,
            "token": session.token,
            "user": accounts.describe_user(user),
            "accessToken": self._service.access_token(user, session.id),
            "refreshToken": session.token,
        }

    async def exchange(self, request: Request) -> Response:
        """Tokens for the session of the cookie."""
        return await self._tokens(request, "No valid session")

    async def refresh(self, request: Request) -> Response:
        """New tokens for the session of the cookie."""
        return await self._tokens(request, "Session expired")

    async def _tokens(self, request: Request, otherwise: str) -> Response:
        user = await self._service.find_session(request)
        if user is None:
            raise Refusal(401, {"error": otherwise})
        token = self._service.access_token(user, user.session_id)
        return JSONResponse({"accessToken": token, "refreshToken": user.session_token})

    async def validate(self, request: Request) -> Response:
        """Whether an access token is one of ours and runs, and what it says."""
        body = await _read(request, Validation, bad=Refusal(400, {"valid": False}))
        if is_falsy(body.token):
            raise Refusal(400, {"valid": False})
        claims = self._service.signer.verify(as_text(body.token), now=self._service.now())
        if claims is None:
            raise Refusal(401, {"valid": False})
        return JSONResponse({"valid": True, "payload": claims})


async def _read(request: Request, model: type[Loose], *, bad: Refusal) -> Loose:
    """A body as JavaScript looks into it: what is no object has none of the fields, null is a mistake."""
    value = await read_json(request, bad=bad)
    if value is None:
        raise bad
    return model.model_validate(value if isinstance(value, dict) else {})


def _in_short(refusal: Refusal) -> Refusal:
    """A refusal of Better Auth's in the shape of the calls here."""
    body = {"error": refusal.body["message"], "code": refusal.body["code"]}
    return Refusal(refusal.status, body)
