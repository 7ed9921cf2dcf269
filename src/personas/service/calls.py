"""A call as it is meant, an answer as it came, and what can be read in it; nothing is sent here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from personas.secret import MASK, Secret, masked


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


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


def reason_of(answer: Answer, secrets: Iterable[Secret] = ()) -> str:
    """What a refusal says of its reason, `: …` or nothing, from any of four shapes, and no secret."""
    body = answer.json()
    parts: list[str] = []
    if isinstance(body, dict):
        for key in ("error", "message", "details", "hint"):
            value = body.get(key)
            if isinstance(value, str) and value not in parts:
                parts.append(value)
            elif isinstance(value, list):
                parts += [item for item in value if isinstance(item, str)]
            elif isinstance(value, dict) and isinstance(value.get("message"), str):
                parts.append(value["message"])
    text = "; ".join(part for part in parts if part.strip())
    for secret in secrets:
        if secret:  # short ones too: a reason may lose an innocent word
            text = text.replace(secret.reveal(), MASK)
    text = " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())
    return f": {text[:300]}{'…' if len(text) > 300 else ''}" if text else ""


def asked_wait(answer: Answer) -> float | None:
    """Seconds that Retry-After (seconds or a date), X-Retry-After (seconds) or a lock's body asks for."""
    for name in ("retry-after", "x-retry-after"):
        text = answer.headers.get(name, "").strip()
        if not text:
            continue
        try:
            seconds = float(text)
        except ValueError:
            try:
                # Imported where a date comes, which is seldom: it takes time at every start.
                from email.utils import parsedate_to_datetime

                at = parsedate_to_datetime(text)
                at = at if at.tzinfo else at.replace(tzinfo=UTC)
                seconds = (at - datetime.now(UTC)).total_seconds()
            except (ValueError, TypeError, LookupError, OverflowError):
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    body = answer.json()
    remaining = body.get("remainingSeconds") if isinstance(body, dict) else None
    if isinstance(remaining, int) and not isinstance(remaining, bool):
        return float(min(max(remaining, 0), 10**9))
    return None


def _without(secrets: tuple[Secret, ...], value: Any) -> Any:
    """What a service said, without what it was sent and must not be shown."""
    if isinstance(value, str):
        return masked(value, secrets)
    if isinstance(value, dict):
        return {_without(secrets, key): _without(secrets, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(secrets, item) for item in value]
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
