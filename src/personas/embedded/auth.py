"""Sign-up, sign-in and out, sessions, access tokens and their key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded import bodies, users
from personas.embedded.answers import Crash, Refusal, as_json, auth_error
from personas.embedded.passwords import MAX_PASSWORD, MIN_PASSWORD, js_length
from personas.embedded.service import Service

MAX_AGENT: Final = 300


def _email(place: str, value: object) -> Iterator[str]:
    yield from bodies.string(place, value)
    if isinstance(value, str) and not users.is_email(value):
        yield f"[{place}] Invalid email address"


SIGN_UP: Final = bodies.shape(
    name=bodies.string, email=_email, password=bodies.non_empty, image=bodies.optional(bodies.string)
)
SIGN_IN: Final = bodies.shape(
    email=bodies.string, password=bodies.string, rememberMe=bodies.optional(bodies.boolean)
)


async def _read_credentials(request: Request) -> Any:
    body = await bodies.read_auth_json(request, forms=True)
    Service.of(request).require_origin(request)
    callback = body.get("callbackURL") if isinstance(body, dict) else None
    if isinstance(callback, str) and not callback.startswith("/"):
        raise auth_error(403, "INVALID_CALLBACK_URL", "Invalid callbackURL")
    return body


async def sign_up(request: Request) -> Response:
    """Sign a human up."""
    body = await _read_credentials(request)
    return JSONResponse({"token": None, "user": await create_user(Service.of(request), body)})


async def register(request: Request) -> Response:
    """Sign a human up, with the local part of the email for a missing name; every problem is a crash."""
    body = bodies.parse_json(await bodies.read_body(request), otherwise=Crash())
    if not isinstance(body, dict):
        raise Crash
    name = body.get("name")
    if name in (None, False, 0, ""):
        name = str(body.get("email")).partition("@")[0]
    credentials = {key: value for key, value in body.items() if key in ("email", "password")}
    try:
        user = await create_user(Service.of(request), {**credentials, "name": name})
    except Refusal as refusal:
        if refusal.status != 422:
            raise Crash from None
        taken = {"error": "Email already registered", "code": "EMAIL_ALREADY_REGISTERED"}
        raise Refusal(409, taken) from None
    return JSONResponse({"token": None, "user": user})


async def create_user(service: Service, body: Any) -> dict[str, Any]:
    """Check the body of a sign-up, sign the human up, and describe the user.

    A taken email gives an invented user. Refuses problems with 400, and a NUL in the name with 422.
    """
    wanted = bodies.validate(body, SIGN_UP, bodies.record)
    password = wanted["password"]
    if js_length(password) < MIN_PASSWORD:
        raise auth_error(400, "PASSWORD_TOO_SHORT")
    if js_length(password) > MAX_PASSWORD:
        raise auth_error(400, "PASSWORD_TOO_LONG")
    image = wanted.get("image") or None
    password_hash = await service.hash(password)
    user = users.make_user(wanted["email"], wanted["name"], service.clock(), image=image)
    if not await service.write(_add_user, user, password_hash):
        raise auth_error(422, "FAILED_TO_CREATE_USER")
    return users.describe_user(user)


def _add_user(connection: Connection, user: Mapping[str, Any], password_hash: str) -> bool:
    if users.find_by_email(connection, user["email"]) is not None:
        return True  # the real service answers as if it had stored this user
    name = user["name"].replace("\0", "")
    users.add_user(connection, {**user, "name": name}, password_hash)
    if name != user["name"]:
        return False  # the real service fails here and leaves the user behind, without a space
    users.add_personal_space(connection, user)
    return True


async def sign_in(request: Request) -> Response:
    """Begin a session and set its cookie."""
    service = Service.of(request)
    service.limit_sign_ins(request)
    wanted = bodies.validate(await _read_credentials(request), SIGN_IN)
    if not users.is_email(wanted["email"]):
        raise auth_error(400, "INVALID_EMAIL")
    user = await run_in_threadpool(service.find_user, wanted["email"].lower())
    # An unknown email costs the time of a known one.
    right = await service.verify(None if user is None else user.password, wanted["password"])
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
    await bodies.read_auth_json(request)
    service.require_origin(request)
    await service.write(users.end_session, service.cookies.read(request))
    response = JSONResponse({"success": True})
    service.cookies.clear(response)
    return response


def get_session(request: Request) -> Response:
    """The session of the cookie and its user, or null; one that is a day old lasts for a week again."""
    service = Service.of(request)
    token = service.cookies.read(request)
    if token is None:
        return JSONResponse(None)
    with service.database.read() as connection:
        user = service.find_session(request, connection)
    if user is None:
        response = JSONResponse(None)
        service.cookies.clear(response)
        return response
    extended = user.is_day_old
    if extended:
        with service.database.write() as connection:
            users.extend_session(connection, token, service.clock())
            user = service.require_session(request, connection)
    response = JSONResponse({"session": as_json(user, prefix="session_"), "user": users.describe_user(user)})
    if extended:
        service.cookies.set(response, token)
    return response


def token(request: Request) -> Response:
    """An access token for the session of the cookie."""
    service = Service.of(request)
    with service.database.read() as connection:
        user = service.require_session(request, connection)
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
