"""The ASGI application: every call in one place, and one boundary for whatever goes wrong in it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from sqlalchemy import exc
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Router

from personas.embedded.admin import AdminCalls
from personas.embedded.answers import Call, Refusal, iso, not_found
from personas.embedded.auth import AuthCalls
from personas.embedded.browser import BrowserCalls
from personas.embedded.invitations import InvitationCalls
from personas.embedded.login import LoginCalls
from personas.embedded.memberships import MembershipCalls
from personas.embedded.organizations import OrganizationCalls
from personas.embedded.origins import Cors
from personas.embedded.runner import RunnerCalls

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from personas.embedded.service import Service

logger: Final = logging.getLogger("personas.embedded")


def make_app(service: Service) -> ASGIApp:
    """The application; it needs no lifespan, so that it also runs in process."""

    async def health(request: Request) -> Response:  # noqa: ARG001 - Starlette hands it over
        return JSONResponse({"status": "ok", "service": "mana-auth", "timestamp": iso(service.now())})

    auth = AuthCalls(service)
    routes = [
        Call("/health", health, methods=["GET"]),
        *AdminCalls(service).routes(),
        *auth.routes(),
        *LoginCalls(service, auth).routes(),
        *BrowserCalls(service, auth).routes(),
        *OrganizationCalls(service).routes(),
        *MembershipCalls(service).routes(),
        *InvitationCalls(service).routes(),
        *RunnerCalls(service).routes(),
    ]
    router = Router(routes, redirect_slashes=False, default=_Nowhere(service))
    return Cors(_Boundary(router), service.origins)


class _Nowhere:
    """What a wrong path, or a wrong method, is answered: nobody learns of paths that are not for them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        path = f"{scope['path']}/"
        if path.startswith("/api/auth/"):
            await Response(status_code=404)(scope, receive, send)
            return
        if path.startswith(("/api/v1/admin/", "/api/v1/personas/admin/")):
            self._service.require_admin(request)
        if path.startswith("/api/v1/internal/"):
            self._service.require_service_key(request)
        await not_found()(scope, receive, send)


class _Boundary:
    """Turns every exception of a handler into an answer."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        scope = {**scope, "path": _resolve(scope.get("raw_path") or scope["path"].encode())}
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._router(scope, receive, watch)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:
                raise
            await _answer_to(error)(scope, receive, send)


def _resolve(raw: bytes) -> str:
    """A path as the original routes it: dots resolved, however encoded; an encoded slash parts nothing."""
    head, *rest = raw.decode("latin-1").split("/")
    kept = [head]
    for index, segment in enumerate(rest, 1):
        dots = re.sub("%2e", ".", segment, flags=re.IGNORECASE)
        if dots not in (".", ".."):
            kept.append(segment)
            continue
        if dots == "..":
            del kept[max(1, len(kept) - 1) :]
        if index == len(rest):
            kept.append("")
    return unquote(re.sub("%2f", "%252F", "/".join(kept), flags=re.IGNORECASE))


def _answer_to(error: Exception) -> Response:
    if isinstance(error, Refusal):
        return error.answer()
    if isinstance(error, exc.IntegrityError):
        # What the call relied on was deleted, or taken, between two of its steps.
        message = "Something this call needs has changed meanwhile; try again"
        return JSONResponse({"error": "Conflict", "message": message}, 409)
    if isinstance(error, exc.OperationalError | exc.TimeoutError):
        reason = error.orig if isinstance(error, exc.OperationalError) else error
        logger.error("the database does not answer: %s", reason)
        return _service_error(503, "Database unavailable")
    logger.error("a bug in the embedded service", exc_info=error)
    return _service_error(500, "Internal server error")


def _service_error(status: int, message: str) -> Response:
    body: dict[str, Any] = {"statusCode": status, "message": message}
    return JSONResponse(body, status)
