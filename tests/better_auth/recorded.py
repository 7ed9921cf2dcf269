"""The recorded exchanges with Better Auth."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parents[1] / "data" / "better_auth" / "exchanges.json"


class Recorded(NamedTuple):
    """One request, and the answer of Better Auth; the body is "" if it was empty."""

    request: dict[str, Any]
    status: int
    body: Any
    headers: tuple[tuple[str, str], ...]

    @property
    def content(self) -> bytes:
        return b"" if self.body == "" else json.dumps(self.body).encode()


def _load(exchange: dict[str, Any]) -> Recorded:
    answer = exchange["response"]
    headers = [
        (name, text)
        for name, value in answer["headers"].items()
        for text in (value if isinstance(value, list) else [value])
    ]
    return Recorded(exchange["request"], answer["status"], answer["body"], tuple(headers))


@cache
def _exchanges() -> dict[str, Recorded]:
    return {each["name"]: _load(each) for each in json.loads(FILE.read_text("utf-8"))}


def recorded(name: str) -> Recorded:
    """Return the exchange with this name."""
    return _exchanges()[name]
