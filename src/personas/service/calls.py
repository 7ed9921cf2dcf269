"""A call as it is meant, an answer as it came, and what can be read in it; nothing is sent here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

from personas.secret import Secret, masked
from personas.service.models import Refusal

LONGEST_REASON = 300


class Retry(Enum):
    """When a call may be sent again."""

    ALWAYS = auto()  # it is idempotent
    IF_UNSENT = auto()  # only when the service did not act on it: no connection, or 429


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and how to speak of it.

    Attributes:
        what: What it does in words, such as `creating persona.ada@mana.test`.
        secrets: What the service might echo and must not be shown.
        safety: Whether a safety rule asks for it.
    """

    method: str
    path: str
    what: str
    params: Mapping[str, str | int] | None = None
    headers: Mapping[str, Secret | str] = field(default_factory=dict)
    body: Secret | None = None
    secrets: tuple[Secret, ...] = ()
    retry: Retry = Retry.ALWAYS
    safety: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: The HTTP status.
        headers: The headers, names in lower case; `cookies` has the Set-Cookie ones.
        content: The body.
        secrets: What the call had sent, should the service say it again.
        lost: Whether an earlier try of the same call got no answer.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    cookies: tuple[str, ...] = field(repr=False)
    content: bytes = field(repr=False)
    secrets: tuple[Secret, ...] = ()
    lost: bool = False

    def json(self) -> object:
        """The body as JSON, without the call's secrets; `NOTHING` when it is none."""
        try:
            return _without(self.secrets, json.loads(self.content, parse_constant=_refuse_constant))
        except (ValueError, RecursionError):
            return NOTHING

    def refusal(self) -> Refusal | None:
        """What the body says of why it was refused; None when it is no JSON object."""
        body = self.json()
        return Refusal.model_validate(body) if isinstance(body, dict) else None


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


def reason_of(answer: Answer, secrets: Iterable[Secret] = ()) -> str:
    """What a refusal says of its reason, `: …` or nothing, from any of four shapes, and no secret."""
    refusal = answer.refusal()
    text = "; ".join(reason[:10_000] for reason in refusal.reasons) if refusal is not None else ""
    for secret in secrets:  # short ones too: a reason may lose an innocent word
        text = secret.hidden_in(text)
    text = " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())
    return f": {text[:LONGEST_REASON]}{'…' if len(text) > LONGEST_REASON else ''}" if text else ""


def asked_wait(answer: Answer) -> float | None:
    """Seconds that Retry-After (seconds or a date), X-Retry-After (seconds) or a lock's body asks for."""
    for name in ("retry-after", "x-retry-after"):
        text = answer.headers.get(name, "")
        try:
            seconds = float(text)
        except ValueError:
            at = read_date(text)
            if at is None:
                continue
            seconds = (at - datetime.now(UTC)).total_seconds()
        if math.isfinite(seconds):
            return max(0.0, seconds)
    refusal = answer.refusal()
    return refusal.remaining_seconds if refusal is not None else None


def read_date(text: str) -> datetime | None:
    """The moment of an HTTP date, with its zone; None for anything that is none."""
    try:
        at = parsedate_to_datetime(text)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    return at if 1 < at.year < 9999 else None


def _without(secrets: tuple[Secret, ...], value: Any) -> Any:
    """What a service said, without what it was sent and must not be shown; changed in its place."""
    match value:
        case str():
            return masked(value, secrets)
        case dict():
            for key in list(value):
                value[key] = _without(secrets, value[key])
                if (shown := masked(key, secrets)) != key:
                    value[shown] = value.pop(key)
        case list():
            for number, item in enumerate(value):
                value[number] = _without(secrets, item)
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
