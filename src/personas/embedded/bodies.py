"""Bodies of requests: read as JSON, and checked, with problems in the words of the real service.

    LEAVE = shape(organizationId=string)
    body = validate(await read_auth_json(request), LEAVE)  # or 400 "[body.organizationId] Invalid input: …"

The real service checks the bodies under /api/auth with zod; a `Check` yields each problem as zod words it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from starlette.requests import Request

from personas.embedded.answers import Crash, Refusal, auth_error, refused

MAX_BODY: Final = 5_000_000  # bytes
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

Check: TypeAlias = Callable[[str, object], Iterator[str]]
"""Yields the problems of a value, given its place in the body, such as `body.email`."""


class Undefined:
    """Stands for a field, or a body, that was not sent."""


UNDEFINED: Final = Undefined()
KINDS: Final[Mapping[type, str]] = {
    Undefined: "undefined",
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _expect(kind: str, *, name: str | None = None) -> Check:
    def check(place: str, value: object) -> Iterator[str]:
        received = KINDS[type(value)]
        if received != kind:
            yield f"[{place}] Invalid input: expected {name or kind}, received {received}"

    return check


string: Final = _expect("string")
boolean: Final = _expect("boolean")
record: Final = _expect("object", name="record")
_object: Final = _expect("object")


def non_empty(place: str, value: object) -> Iterator[str]:
    """Check for a text that is not empty."""
    yield from string(place, value)
    if value in ("", []):
        unit = "string to have >=1 characters" if value == "" else "array to have >=1 items"
        yield f"[{place}] Too small: expected {unit}"


def optional(check: Check) -> Check:
    """Check a field only if it was sent."""
    return lambda place, value: iter(()) if value is UNDEFINED else check(place, value)


def shape(**fields: Check) -> Check:
    """Check the fields of an object; others are allowed."""

    def check(place: str, value: object) -> Iterator[str]:
        yield from _object(place, value)
        if isinstance(value, dict):
            for name, field in fields.items():
                yield from field(f"{place}.{name}", value.get(name, UNDEFINED))

    return check


def validate(body: Any, *checks: Check) -> Any:
    """Return the body of a call under /api/auth, or raise a Refusal with 400 and every problem."""
    problems = [problem for check in checks for problem in check("body", body)]
    if problems:
        raise auth_error(400, "VALIDATION_ERROR", "; ".join(problems))
    return body


async def read_auth_json(request: Request, *, forms: bool = False) -> Any:
    """The JSON body of a call under /api/auth, UNDEFINED when it is empty; `validate` takes the result.

    `forms` lists forms as allowed, as the real service does; they are not read. Broken JSON is a Crash.
    """
    raw = await read_body(request)
    if not raw:
        return UNDEFINED
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != JSON:
        what = f'Content-Type "{content_type}" is not allowed' if content_type else "Content-Type is required"
        allowed = f"{FORM}, {JSON}" if forms else JSON
        raise auth_error(415, "UNSUPPORTED_MEDIA_TYPE", f"{what}. Allowed types: {allowed}")
    return parse_json(raw, otherwise=Crash())


async def read_body(request: Request) -> bytes:
    """The body of a call; a Refusal with 413 if it is too large."""
    raw = bytearray()
    async for chunk in request.stream():  # read to its end: many clients see no answer before that
        if len(raw) <= MAX_BODY:
            raw += chunk
    if len(raw) > MAX_BODY:
        raise refused(413, "Body too large", f"A body has at most {MAX_BODY} bytes")
    return bytes(raw)


def parse_json(raw: bytes, *, otherwise: Refusal | Crash) -> Any:
    """The JSON of a body, whatever its content type; raise `otherwise` if it is not JSON."""
    try:
        return json.loads(raw.decode("utf-8-sig", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise otherwise from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
