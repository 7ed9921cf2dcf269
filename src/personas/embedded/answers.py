"""Answers as the real service gives them, with its shapes of errors.

{statusCode, message}       a missing or bad token; an error of the service itself
{error}, {error, message}   the calls under /api/v1
{error, details}            an invalid persona
{message, code}             the calls under /api/auth, which are Better Auth's
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response


class Refusal(Exception):
    """An answer that ends a request: a status, a JSON body (None for an empty one), and perhaps headers."""

    def __init__(
        self, status: int, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers

    def answer(self) -> Response:
        """The answer itself."""
        if self.body is None:
            return Response(None, self.status, self.headers, media_type="application/json")
        return JSONResponse(self.body, self.status, self.headers)


class Crash(Exception):
    """Something that the real service does not expect, and so answers with 500."""


def refused(status: int, error: str, message: str | None = None) -> Refusal:
    """An error under /api/v1: `{error}` or `{error, message}`."""
    return Refusal(status, {"error": error} if message is None else {"error": error, "message": message})


def service_error(status: int, message: str) -> Refusal:
    """An error of the service itself: `{statusCode, message}`."""
    return Refusal(status, {"statusCode": status, "message": message})


def auth_error(status: int, code: str, message: str | None = None) -> Refusal:
    """An error under /api/auth: `{message, code}`; without a message, the code in words."""
    return Refusal(status, {"message": message or code.replace("_", " ").capitalize(), "code": code})


def not_found(request: Request) -> Response:
    """The answer for a path or a method that does not exist."""
    if request.url.path.startswith("/api/auth/"):
        return Response(status_code=404)
    return PlainTextResponse("404 Not Found", 404, {"content-type": "text/plain; charset=UTF-8"})


def crash(request: Request) -> Response:
    """The answer for an error that the service did not expect."""
    if request.url.path.startswith("/api/auth/"):
        return Response(status_code=500)
    return service_error(500, "Internal server error").answer()


def iso(moment: dt.datetime | None) -> str | None:
    """A moment as JavaScript writes it: `2026-11-23T08:28:49.577Z`."""
    if moment is None:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _camel_case(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


def as_json(row: sa.Row[*tuple[Any, ...]] | Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """The columns of a row, or those with a prefix: names in camelCase, moments as text."""
    columns = row if isinstance(row, Mapping) else row._asdict()
    return {
        _camel_case(name.removeprefix(prefix)): iso(value) if isinstance(value, dt.datetime) else value
        for name, value in columns.items()
        if name.startswith(prefix)
    }


def query_text(request: Request, name: str) -> str | None:
    """A parameter of the query, the first if there are several, or None."""
    return next(iter(request.query_params.getlist(name)), None)


def query_number(request: Request, name: str, *, default: int) -> int | None:
    """A number in the query as parseInt reads it: None for text that is not a number."""
    text = query_text(request, name)
    if not text:
        return default
    found = re.match(r"\s*([+-]?[0-9]{1,20})", text)
    return int(found[1]) if found else None
