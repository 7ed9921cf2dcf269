"""The ASGI application: all routes, and the answers to errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import exc
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded import auth, members, organizations, page, personas, runner
from personas.embedded.answers import Crash, Refusal, crash, iso, not_found
from personas.embedded.passwords import SCRYPT_N
from personas.embedded.service import FRONT_END, Service

BASE_URL: Final = "http://embedded.localhost"
logger: Final = logging.getLogger("personas.embedded")


def make_app(service: Service, *, allowed_hosts: Sequence[str] = ("*",)) -> Starlette:
    """The application of a service. It needs no lifespan, so `httpx.ASGITransport` can call it."""
    app = Starlette(
        routes=[
            Route("/health", health),
            *personas.routes,
            *auth.routes,
            *members.routes,
            *organizations.routes,
            *runner.routes,
            *page.routes,
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts, www_redirect=False),
            Middleware(
                CORSMiddleware,
                allow_origins=[FRONT_END],
                allow_methods=["*"],
                allow_headers=["*"],
                allow_credentials=True,
            ),
        ],
        # SQLite raises an OverflowError for an integer of more than eight bytes.
        exception_handlers=dict.fromkeys(
            (Refusal, HTTPException, Crash, exc.SQLAlchemyError, OverflowError), _answer
        ),
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return app


async def health(request: Request) -> Response:
    """Whether the service runs."""
    moment = iso(Service.of(request).clock())
    return JSONResponse({"status": "ok", "service": "mana-auth", "timestamp": moment})


async def _answer(request: Request, error: Exception) -> Response:
    if isinstance(error, Refusal):
        return error.answer()
    if isinstance(error, HTTPException):
        return not_found(request)  # a wrong method is a wrong path to the real service
    if isinstance(error, exc.OperationalError):
        logger.error("the database failed: %s", error.orig)
    return crash(request)


@dataclass(frozen=True, slots=True)
class EmbeddedService:
    """A service that is called in process; `admin_token()` is an admin's access token for 15 minutes."""

    app: Starlette
    base_url: str
    admin_token: Callable[[], str]


@asynccontextmanager
async def open_embedded(file: Path | None, *, scrypt_n: int = SCRYPT_N) -> AsyncIterator[EmbeddedService]:
    """Open a service on an SQLite file, which is created if it does not exist; None is a temporary one.

    A small power of two as `scrypt_n` makes quick password hashes, for tests. Raises EmbeddedError.
    """
    with TemporaryDirectory(prefix="personas-") as folder:
        place = Path(folder) / "auth.db" if file is None else file
        service = await run_in_threadpool(Service, place, base_url=BASE_URL, scrypt_n=scrypt_n)
        try:
            yield EmbeddedService(make_app(service), service.base_url, service.admin_token)
        finally:
            await run_in_threadpool(service.close)
