"""Calls and answers as the original has them, with its four shapes of error.

{statusCode, message}       no or a bad token; an error of the service itself
{error}, {error, message}   the admin and the auth calls
{error, details}            a body that misses something
{message, code}             everything under /api/auth, which is Better Auth's own
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Match, Route

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class Refusal(Exception):
    """An answer that ends the handling of a request: a status, a body and perhaps headers.

    Made anew for each request: an exception that is raised again and again keeps every frame it went through.
    """

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers

    def answer(self) -> Response:
        """The answer itself."""
        return JSONResponse(self.body, self.status, self.headers)


class Call(Route):
    """A route that is not there for any other method: the original answers 404, never 405.

    Under /api/auth, which is Better Auth's own, HEAD is such a method.
    """

    def __init__(
        self, path: str, endpoint: Callable[[Request], Awaitable[Response]], *, methods: Collection[str]
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        if self.methods is not None and path.startswith("/api/auth/"):
            self.methods.discard("HEAD")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match path and method, or nothing."""
        match, child = super().matches(scope)
        return (match, child) if match is Match.FULL else (Match.NONE, {})


def not_found() -> Response:
    """The plain text for a path that is not there; a trailing slash or a wrong method is such a path."""
    return PlainTextResponse("404 Not Found", 404, {"content-type": "text/plain; charset=UTF-8"})


def invalid(*details: str) -> Refusal:
    """A body or a query that misses something."""
    return Refusal(400, {"error": "ValidationError", "details": list(details)})


def coded(status: int, code: str, message: str) -> Refusal:
    """An error in the shape of everything under /api/auth."""
    return Refusal(status, {"message": message, "code": code})


def is_storable(text: str) -> bool:
    """Tell whether every database can store the text: NUL and lone surrogates are refused by some."""
    return UNSTORABLE.search(text) is None


def iso(moment: dt.datetime | None) -> str | None:
    """A moment as JavaScript writes it: `2026-11-23T08:28:49.577Z`."""
    if moment is None:
        return None
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def utf16_length(text: str) -> int:
    """A length as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def query_given(request: Request, name: str) -> str:
    """A query parameter as it is given, the first of several, or nothing."""
    return next(iter(request.query_params.getlist(name)), "")


def query_text(request: Request, name: str) -> str | None:
    """A query parameter that can be compared with stored text, or None when it is missing."""
    value = query_given(request, name) if name in request.query_params else None
    if value is not None and not is_storable(value):
        raise invalid(f"{name} must not contain NUL or lone surrogates")
    return value


def query_number(request: Request, name: str, *, default: int, at_most: int) -> int:
    """A whole number from 1 in the query, the default when it is missing or nonsense, at most `at_most`."""
    text = query_given(request, name)
    if not (text.isascii() and text.isdecimal()):
        return default
    number = int(text[:20])
    return min(number, at_most) if number >= 1 else default


def query_parsed(request: Request, name: str, *, default: int) -> int | None:
    """A number in the query as parseInt reads it: None for what is none, the default for nothing."""
    text = query_given(request, name)
    if not text:
        return default
    found = re.match(r"\s*([+-]?[0-9]{1,20})", text)
    return int(found[1]) if found else None


def path_id(request: Request) -> str:
    """The id in the path.

    Raises:
        Refusal: 404 when it can be nobody's.
    """
    value: str = request.path_params["id"]
    if not is_storable(value):
        raise Refusal(404, {"error": "Not found"})
    return value
