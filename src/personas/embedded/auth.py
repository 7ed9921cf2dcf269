"""Sign-up, sign-in and out, sessions, access tokens and their key."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded import users
from personas.embedded.answers import Crash, Refusal, as_json, auth_error, service_error
from personas.embedded.bodies import Body, NonEmpty, problem, read_auth_json, read_json
from personas.embedded.passwords import MAX_PASSWORD, MIN_PASSWORD, utf16_length
from personas.embedded.service import Service

MAX_AGENT: Final = 300


def _email(text: str) -> str:
    if not users.is_email(text):
        raise problem("Invalid email address")
    return text


class SignUp(Body):
    """The body of `sign-up/email`."""

    expected: ClassVar[tuple[str, ...]] = ("object", "record")

    name: str
    email: Annotated[str, AfterValidator(_email)]
    password: NonEmpty
    image: str = ""


class SignIn(Body):
    """The body of `sign-in/email`."""

    email: str
    password: str
    remember_me: bool = True  # checked, and otherwise ignored


async def _read_credentials(request: Request) -> Any:
    body = await read_auth_json(request, forms=True)
    Service.of(request).require_origin(request)
    callback = body.get("callbackURL") if isinstance(body, dict) else None
    if isinstance(callback, str) and not callback.startswith("/"):
        raise auth_error(403, "INVALID_CALLBACK_URL", "Invalid callbackURL")
    return body


async def sign_up(request: Request) -> Response:
    """Sign a human up."""
    service = Service.of(request)
    body = await _read_credentials(request)
    return JSONResponse({"token": None, "user": await create_user(service, SignUp.check(body))})


async def register(request: Request) -> Response:
    """Sign a human up, with the local part of the email for a missing name; every problem is a crash."""
    body = await read_json(request, otherwise=service_error(500, "Internal server error"))
    if not isinstance(body, dict):
        raise Crash
    name = body.get("name")
    if name in (None, False, 0, ""):
        name = str(body.get("email")).partition("@")[0]
    credentials = {name: value for name, value in body.items() if name in ("email", "password")}
    try:
        user = await create_user(Service.of(request), SignUp.check({**credentials, "name": name}))
    except Refusal as refusal:
        if refusal.status != 422:
            raise Crash from None
        taken = {"error": "Email already registered", "code": "EMAIL_ALREADY_REGISTERED"}
        raise Refusal(409, taken) from None
    return JSONResponse({"token": None, "user": user})


async def create_user(service: Service, wanted: SignUp) -> dict[str, Any]:
    """Sign a human up and describe the user; a taken email gives an invented user.

    Refuses a password of the wrong length with 400, and a NUL in the name with 422.
    """
    if utf16_length(wanted.password) < MIN_PASSWORD:
        raise auth_error(400, "PASSWORD_TOO_SHORT")
    if utf16_length(wanted.password) > MAX_PASSWORD:
        raise auth_error(400, "PASSWORD_TOO_LONG")
    new = users.NewUser(
        email=wanted.email,
        name=wanted.name,
        password=await service.hash(wanted.password),
        image=wanted.image or None,
    )
    user = await service.write(_add_user, new, service.clock())
    if user is None:
        raise auth_error(422, "FAILED_TO_CREATE_USER")
    return user


def _add_user(connection: Connection, new: users.NewUser, now: dt.datetime) -> dict[str, Any] | None:
    if users.find_by_email(connection, new.email.lower()) is not None:
        return users.invent_user(new, now)
    name = new.name.replace("\0", "")
    user = users.add_user(connection, replace(new, name=name), now)
    if name != new.name:
        return None  # the real service fails here and leaves the user behind, without a space
    users.add_personal_space(connection, user.id, new, now)
    return users.describe_user(user)


async def sign_in(request: Request) -> Response:
    """Begin a session and set its cookie."""
    service = Service.of(request)
    service.limit_sign_ins(request)
    body = await _read_credentials(request)
    wanted = SignIn.check(body)
    if not users.is_email(wanted.email):
        raise auth_error(400, "INVALID_EMAIL")
    user = await service.read(users.find_by_email, wanted.email.lower())
    # An unknown email costs the time of a known one.
    right = await service.verify(None if user is None else user.password, wanted.password)
    if user is None or not right:
        raise auth_error(401, "INVALID_EMAIL_OR_PASSWORD")
    if not user.email_verified:
        raise auth_error(403, "EMAIL_NOT_VERIFIED")
    address = request.client.host if request.client else None
    agent = request.headers.get("user-agent", "")[:MAX_AGENT]
    token = await service.write(users.begin_session, user.id, service.clock(), address, agent)
    response = JSONResponse({"redirect": False, "token": token, "user": users.describe_user(user)})
    service.cookies.set(response, token)
    return response


async def sign_out(request: Request) -> Response:
    """End the session of the cookie."""
    service = Service.of(request)
    await read_auth_json(request)
    service.require_origin(request)
    token = service.cookies.read(request.headers.get("cookie", ""))
    if token is not None:
        await service.write(users.end_session, token)
    response = JSONResponse({"success": True})
    service.cookies.clear(response)
    return response


async def get_session(request: Request) -> Response:
    """The session of the cookie and its user, or null; one that is a day old lasts for a week again."""
    service = Service.of(request)
    token = service.cookies.read(request.headers.get("cookie", ""))
    if token is None:
        return JSONResponse(None)
    user = await service.find_session(request)
    if user is None:
        response = JSONResponse(None)
        service.cookies.clear(response)
        return response
    extended = users.is_due(user, service.clock())
    if extended:
        await service.write(users.extend_session, token, service.clock())
        user = await service.find_session(request) or user
    response = JSONResponse({"session": as_json(user, "session_"), "user": users.describe_user(user)})
    if extended:
        service.cookies.set(response, token)
    return response


async def token(request: Request) -> Response:
    """An access token for the session of the cookie."""
    service = Service.of(request)
    user = await service.require_session(request)
    return JSONResponse({"token": service.access_token(user, user.session_id)})


async def jwks(request: Request) -> Response:
    """The public key of the access tokens."""
    return JSONResponse(Service.of(request).signer.jwks())


routes: Final = [
    Route("/api/v1/auth/register", register, methods=["POST"]),
    Route("/api/auth/sign-up/email", sign_up, methods=["POST"]),
    Route("/api/auth/sign-in/email", sign_in, methods=["POST"]),
    Route("/api/auth/sign-out", sign_out, methods=["POST"]),
    Route("/api/auth/get-session", get_session),
    Route("/api/auth/token", token),
    Route("/api/auth/jwks", jwks),
]
