"""Bodies of requests: read as JSON, checked by a model, refused in the words of the real service.

    class Leave(Body):
        organization_id: str

    body = Leave.check(await read_auth_json(request))  # or 400 "[body.organizationId] Invalid input: …"

The calls under /api/auth check their bodies with zod, and `Body.check` words each problem as zod does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, NoReturn, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.requests import Request

from personas.embedded.answers import Crash, Refusal, auth_error, refused

MAX_BODY: Final = 5_000_000  # bytes
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"


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
EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "string",
    "bool_type": "boolean",
    "dict_type": "record",
    "model_type": "object",
}


class Body(BaseModel):
    """The body of one call; its fields have camelCase names in JSON, unknown ones are dropped."""

    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel, hide_input_in_errors=True)
    expected: ClassVar[tuple[str, ...]] = ("object",)  # what zod says that the body should be

    @classmethod
    def check(cls, value: object) -> Self:
        """The body of a call under /api/auth, or a Refusal with 400 and every problem in zod's words."""
        if not isinstance(value, dict):
            problems = [_expected("body", kind, value) for kind in cls.expected]
            raise auth_error(400, "VALIDATION_ERROR", "; ".join(problems))
        # A required field that is missing is reported as a value of the wrong type.
        fields = cls.model_fields.items()
        required = {field.alias or name: UNDEFINED for name, field in fields if field.is_required()}
        try:
            return cls.model_validate({**required, **value})
        except ValidationError as error:
            problems = [_in_words(each) for each in error.errors(include_url=False, include_context=False)]
            raise auth_error(400, "VALIDATION_ERROR", "; ".join(problems)) from None


def problem(words: str) -> PydanticCustomError:
    """For validators: a problem as zod words it, `[body]` being the place of the field."""
    return PydanticCustomError("problem", "{words}", {"words": words})


def _in_words(error: ErrorDetails) -> str:
    place = ".".join(["body", *map(str, error["loc"])])
    kind = error["type"]
    if kind in EXPECTED:
        return _expected(place, EXPECTED[kind], error["input"])
    if kind == "string_too_short":
        return f"[{place}] Too small: expected string to have >=1 characters"
    if kind == "problem":
        return f"[{place}] {error['msg']}".replace("[body]", f"[{place}]")
    return f"[{place}] Invalid input"


def _expected(place: str, kind: str, value: object) -> str:
    return f"[{place}] Invalid input: expected {kind}, received {KINDS.get(type(value), 'object')}"


def _not_an_empty_list(value: object) -> object:
    if value == []:
        raise problem(
            "Invalid input: expected string, received array; "
            "[body] Too small: expected array to have >=1 items"
        )
    return value


NonEmpty = Annotated[str, StringConstraints(min_length=1), BeforeValidator(_not_an_empty_list)]


async def read_auth_json(request: Request, *, forms: bool = False) -> Any:
    """The JSON body of a call under /api/auth, UNDEFINED when it is empty; `Body.check` takes the result.

    `forms` lists forms as allowed, as the real service does; they are not read. Broken JSON is a Crash.
    """
    raw = await _read(request)
    if not raw:
        return UNDEFINED
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != JSON:
        what = f'Content-Type "{content_type}" is not allowed' if content_type else "Content-Type is required"
        allowed = f"{FORM}, {JSON}" if forms else JSON
        raise auth_error(415, "UNSUPPORTED_MEDIA_TYPE", f"{what}. Allowed types: {allowed}")
    try:
        return _parse(raw)
    except ValueError:
        raise Crash from None


async def read_json(request: Request, *, otherwise: Refusal) -> Any:
    """The JSON body of any other call, with any content type; raise `otherwise` when it is not JSON."""
    raw = await _read(request)
    try:
        return _parse(raw)
    except ValueError:
        raise otherwise from None


async def _read(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():  # read to its end: many clients see no answer before that
        if len(raw) <= MAX_BODY:
            raw += chunk
    if len(raw) > MAX_BODY:
        raise refused(413, "Body too large", f"A body has at most {MAX_BODY} bytes")
    return bytes(raw)


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8-sig", "replace"), parse_constant=_no_constant, parse_float=_number
        )
    except RecursionError:
        raise ValueError("too many levels") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> int | float | None:
    """A number as JavaScript writes it again: 1.0 as 1, one that is too large as null."""
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 1e21 else number
