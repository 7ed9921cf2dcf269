"""What the values of a report's document are: texts that UTF-8 can carry, times, numbers that JSON has."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text without halves of surrogate pairs, which UTF-8 cannot carry: each becomes U+FFFD."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def _in_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        return when.replace(tzinfo=UTC)
    try:
        return when.astimezone(UTC)
    except OverflowError:  # at the ends of time
        return when.replace(tzinfo=UTC)


def _written(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _or_null(value: object) -> object:
    """None for what JSON has no number for: NaN, infinities, integers beyond all floats."""
    huge = isinstance(value, int | float) and not abs(value) <= sys.float_info.max
    return None if huge else value


def _or_nan(value: object) -> object:
    return math.nan if _or_null(value) is None else value


Text = Annotated[str, AfterValidator(storable)]
Time = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "A time in UTC."}),
]
# What JSON has no number for is null there, and as a weight it is read as NaN, which equals no other.
Measure = Annotated[float | None, BeforeValidator(_or_null)]
Weight = Annotated[
    float,
    BeforeValidator(_or_nan),
    WithJsonSchema({"type": ["number", "null"]}),
]
Whole = Annotated[int, Field(ge=0)]
Position = Annotated[int, Field(ge=1)]
Weights = Annotated[
    dict[Text, Weight],
    BeforeValidator(lambda value: dict(value) if isinstance(value, Mapping) else value),
]
Value = Text | Weights | None


class Model(BaseModel):
    """What all parts of the document share: camelCase in JSON, nothing converted, nothing changed later."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        strict=True,
        from_attributes=True,
        hide_input_in_errors=True,
        json_schema_serialization_defaults_required=True,
        field_title_generator=lambda name, info: info.alias or to_camel(name),
    )
