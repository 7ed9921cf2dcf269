"""The recorded exchanges with Better Auth."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx

FILE = Path(__file__).parents[1] / "data" / "better_auth" / "exchanges.json"


class Recorded(NamedTuple):
    """One request, and the answer of Better Auth."""

    request: dict[str, Any]
    status: int
    headers: list[tuple[str, str]]
    body: Any

    @property
    def response(self) -> httpx.Response:
        """The answer, for respx."""
        content = b"" if self.body == "" else json.dumps(self.body).encode()
        return httpx.Response(self.status, headers=self.headers, content=content)


@cache
def _exchanges() -> dict[str, Recorded]:
    found = {}
    for exchange in json.loads(FILE.read_text("utf-8")):
        answer = exchange["response"]
        pairs = ((name, value) for name, value in answer["headers"].items())
        headers = [
            (name, text) for name, value in pairs for text in (value if isinstance(value, list) else [value])
        ]
        found[exchange["name"]] = Recorded(exchange["request"], answer["status"], headers, answer["body"])
    return found


def recorded(name: str) -> Recorded:
    """Return the exchange with this name."""
    return _exchanges()[name]
