"""Requests as wholes, and what may be in them: for a test's application that stands before another one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from typing import Self

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BROKEN: Final = object()  # a body that is no JSON
STAND_IN: Final = "\N{REPLACEMENT CHARACTER}"  # for NUL, which the embedded service takes nowhere


@dataclass(frozen=True)
class Call:
    """A request that has arrived as a whole."""

    scope: Scope
    receive: Receive
    body: bytes

    @classmethod
    async def arrived(cls, scope: Scope, receive: Receive) -> Self:
        """The request when all of its body is there; raises ClientDisconnect when it never is."""
        return cls(scope, receive, await Request(scope, receive).body())

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])

    @cached_property
    def query(self) -> dict[str, str]:
        """Of a parameter that is given twice, the first."""
        given = parse_qs(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return {name: values[0] for name, values in given.items()}

    @cached_property
    def json(self) -> Any:
        """The body, or BROKEN."""
        try:
            return json.loads(self.body, parse_constant=int)  # NaN is no JSON
        except (ValueError, RecursionError):
            return BROKEN

    @property
    def fields(self) -> dict[str, Any]:
        """The body's fields; none when it is no object."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def is_broken(self) -> bool:
        """Whether the body was meant to be JSON and is not."""
        is_form = (b"content-type", b"application/x-www-form-urlencoded") in self.scope["headers"]
        return self.json is BROKEN and bool(self.body) and not is_form

    @property
    def has_nul(self) -> bool:
        """Whether there is a NUL in any text of the path, the query or the body."""
        return has_nul([self.path, self.query, self.json])

    def to(self, path: str) -> Call:
        """The same call to another path."""
        return replace(self, scope={**self.scope, "path": path, "raw_path": path.encode()})

    def sending(self, **fields: Any) -> Call:
        """The same call with other fields in its body."""
        return replace(self, body=json.dumps({**self.fields, **fields}).encode())

    def storable(self) -> Call:
        """The same call without NUL in its query and its body."""
        query = self.scope["query_string"].replace(b"%00", b"%EF%BF%BD")
        call = self.sending(**storable(self.fields)) if has_nul(self.fields) else self
        return replace(call, scope={**self.scope, "query_string": query})

    def forwarded(self) -> Call:
        """The same call as a proxy passes it on."""
        headers = [*self.scope["headers"], (b"x-forwarded-for", b"203.0.113.7")]
        return replace(self, scope={**self.scope, "headers": headers})

    async def answered_by(self, app: ASGIApp) -> Response:
        """The answer of an application, as a whole."""
        sent: list[Message] = []
        given = [self.body]

        async def receive() -> Message:
            return {"type": "http.request", "body": given.pop()} if given else await self.receive()

        async def send(message: Message) -> None:
            sent.append(message)

        await app(self.scope, receive, send)
        answer = Response(b"".join(message.get("body", b"") for message in sent), sent[0]["status"])
        answer.raw_headers = list(sent[0]["headers"])
        return answer

    async def answer(self, answer: Response, send: Send) -> None:
        """Send an answer to whoever called."""
        await answer(self.scope, self.receive, send)


def content(answer: Response) -> Any:
    """The JSON of an answer."""
    return json.loads(bytes(answer.body))


def has_content(answer: Response) -> bool:
    """Tell whether the answer is what was asked for; that of a HEAD has no body."""
    return answer.status_code == 200 and bool(answer.body)


def changed(answer: Response, value: Any, status: int | None = None) -> Response:
    """The same answer with other JSON, and perhaps another status."""
    made = JSONResponse(value, status or answer.status_code)
    own = [header for header in answer.raw_headers if not header[0].startswith(b"content-")]
    made.raw_headers += own
    return made


def was_refused(answer: Response) -> bool:
    """Tell whether the embedded service has found fault with what was sent."""
    is_json = answer.headers.get("content-type") == "application/json"
    return is_json and answer.status_code in (400, 404)


def storable(value: Any) -> Any:
    """The same without NUL in any text."""
    if isinstance(value, str):
        return value.replace("\0", STAND_IN)
    if isinstance(value, list):
        return [storable(each) for each in value]
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    return value


def has_nul(value: Any) -> bool:
    """Tell whether there is a NUL in any text of the value."""
    return bool(storable(value) != value)


def number(text: str | None, default: int) -> int:
    """A number in a query, as JavaScript's parseInt reads it."""
    found = re.match(r"\s*[+-]?\d+", text or "")
    return int(found.group()) if found else default
