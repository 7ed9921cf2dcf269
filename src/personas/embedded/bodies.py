"""Bodies of requests: read as JavaScript does, held by a model for each call, refused in the right words.

    class Leave(Body):
        organization_id: str

    wanted = await read_better_auth(request, Leave)  # or 400 "[body.organizationId] Invalid input: …"

Under /api/auth a mistake is told as zod words it: `Body.check`. Elsewhere a call has words of its own, which
its fields name by `Says`: `mistakes`. What a field demands beyond its type raises `wrong` in a validator.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from personas.embedded.answers import Refusal, coded, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from pydantic_core import ErrorDetails
    from starlette.requests import Request

MAX_BODY: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 500  # deeper ones exhaust the stack of whoever writes them as JSON
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Undefined:
    """What stands in a body for a field that was not sent."""


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
    "int_type": "number",
    "float_type": "number",
    "list_type": "array",
    "dict_type": "record",
    "model_type": "object",
}


class Says(NamedTuple):
    """The words of a call for whatever is wrong with a field; stands in the field's `Annotated`."""

    words: str


class Body(BaseModel):
    """A body of one call; its fields are named as JavaScript names them.

    Attributes:
        demands: What zod says that the body itself should have been.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", alias_generator=to_camel, hide_input_in_errors=True
    )
    demands: ClassVar[tuple[str, ...]] = ("object",)

    @classmethod
    def check(cls, value: object) -> Self:
        """The body of a call under /api/auth.

        Raises:
            Refusal: 400 with every mistake, in zod's words.
        """
        if KINDS[type(value)] != "object":
            told = [_expected("body", kind, value) for kind in cls.demands]
            raise coded(400, "VALIDATION_ERROR", "; ".join(told))
        try:
            return cls.model_validate(cls._complete(value))
        except ValidationError as error:
            told = [_in_words(each) for each in error.errors(include_url=False, include_context=False)]
            raise coded(400, "VALIDATION_ERROR", "; ".join(told)) from None

    @classmethod
    def _complete(cls, value: Any) -> dict[str, Any]:
        """The body with each demanded field, so that a missing one is told by its own type."""
        required = {
            field.alias or name: UNDEFINED for name, field in cls.model_fields.items() if field.is_required()
        }
        return {**required, **value}


def mistakes(model: type[Body], error: ValidationError) -> list[str]:
    """What is wrong with a body in the words of its fields, in their order, each once."""
    words = {
        field.alias or name: says.words
        for name, field in model.model_fields.items()
        for says in field.metadata
        if isinstance(says, Says)
    }
    wrong_fields = [each["loc"][0] for each in error.errors(include_url=False, include_input=False)]
    return list(dict.fromkeys(words[str(name)] for name in wrong_fields))


def wrong(words: str = "") -> PydanticCustomError:
    """For validators: what is wrong as zod says it, `[body]` being the place; or nothing beside `Says`."""
    return PydanticCustomError("wrong", "{words}", {"words": words})


def _in_words(error: ErrorDetails) -> str:
    place = ".".join(["body", *map(str, error["loc"])])
    kind = error["type"]
    if kind in EXPECTED:
        return _expected(place, EXPECTED[kind], error["input"])
    if kind == "string_too_short":
        return f"[{place}] Too small: expected string to have >=1 characters"
    if kind == "wrong":
        return f"[{place}] {error['msg']}".replace("[body]", f"[{place}]")
    return f"[{place}] Invalid input"


def _expected(place: str, kind: str, value: object) -> str:
    return f"[{place}] Invalid input: expected {kind}, received {KINDS.get(type(value), 'object')}"


def _no_empty_list(value: object) -> object:
    if value == []:
        raise wrong(
            "Invalid input: expected string, received array; "
            "[body] Too small: expected array to have >=1 items"
        )
    return value


Filled = Annotated[str, StringConstraints(min_length=1), BeforeValidator(_no_empty_list)]


# --- looked at as JavaScript does ---------------------------------------------------------------------------


def is_falsy(value: object) -> bool:
    """Tell whether JavaScript takes a value for false; an empty list and an empty object it does not."""
    return value is None or value in ("", 0)


def as_text(value: Any) -> str:
    """A value as JavaScript makes text of it, which the original stores in a column of text."""
    return _TEXTS[type(value)](value)


_TEXTS: Final[Mapping[type, Callable[[Any], str]]] = {
    str: str,
    type(None): lambda _: "",
    bool: json.dumps,
    int: json.dumps,
    float: json.dumps,
    list: lambda values: ",".join(map(as_text, values)),
    dict: lambda _: "[object Object]",
}


Model = TypeVar("Model", bound=Body)

# --- reading ------------------------------------------------------------------------------------------------


async def read_better_auth(request: Request, model: type[Model], *, forms: bool = False) -> Model:
    """The body of a call under /api/auth.

    Raises:
        Refusal: 413, 415 or 400 for what is too large, of another type, or not what the model demands.
    """
    return model.check(await read_unchecked(request, forms=forms))


async def read_unchecked(request: Request, *, forms: bool = False) -> Any:
    """A body under /api/auth before its model looks at it: some refusals come first.

    Raises:
        Refusal: 413, 415 or 400.
    """
    raw = await read_body(request)
    if not raw:
        return UNDEFINED
    sent = request.headers.get("content-type", "")
    allowed = [FORM, JSON] if forms else [JSON]
    kind = sent.partition(";")[0].strip().lower()
    if kind not in allowed:
        told = f'Content-Type "{sent}" is not allowed' if sent else "Content-Type is required"
        raise coded(415, "UNSUPPORTED_MEDIA_TYPE", f"{told}. Allowed types: {', '.join(allowed)}")
    if kind == FORM:
        return _parse_form(raw)
    return parse_json(raw, bad=bad_json())


async def read_json(request: Request, *, bad: Refusal) -> Any:
    """A JSON value in a request's body, whatever its content type.

    Raises:
        Refusal: `bad` when it is no JSON; 413 when it is too large; 400 for what cannot be stored.
    """
    return parse_json(await read_body(request), bad=bad)


async def read_body(request: Request) -> bytes:
    """A request's body.

    Raises:
        Refusal: 413 when it is too large.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise Refusal(413, {"error": "Body too large", "message": f"At most {MAX_BODY} bytes"})
    return bytes(raw)


def bad_json() -> Refusal:
    """A body under /api/auth that is no JSON."""
    return coded(400, "INVALID_JSON", "Invalid JSON in request body")


def parse_json(raw: bytes, *, bad: Refusal) -> Any:
    """A value as JavaScript reads it: numbers are doubles, lone surrogates are nothing.

    Raises:
        Refusal: `bad` when it is no JSON; 400 for a NUL, which no database stores, or too many levels.
    """
    text = raw.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_number, parse_float=_number)
        if _SURROGATE.search(text):
            value = json.loads(_well_formed(json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise bad from None
    if _NUL.search(text):
        raise invalid("text must not contain NUL")
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise invalid(f"at most {MAX_DEPTH} levels of nesting")
    return value


def _parse_form(raw: bytes) -> dict[str, str]:
    """The fields of a form."""
    text = raw.decode("utf-8", "replace")
    try:
        fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise invalid("at most 100 fields in a form") from None
    if "\x00" in "".join([*fields, *fields.values()]):
        raise invalid("text must not contain NUL")
    return fields


def _refuse(name: str) -> None:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _number(text: str) -> int | float | None:
    """A number as JSON.stringify(JSON.parse(…)) writes it: 1.0 as 1, what no double holds as null."""
    number = float(text)
    if not math.isfinite(number):
        return None
    is_plain = number.is_integer() and abs(number) < 1e21
    return int(Decimal(repr(number))) if is_plain else number


def _well_formed(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def _depth(text: str) -> int:
    brackets = re.findall(r"[\[\]{}]", _TEXT.sub("", text))
    return max(itertools.accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)
