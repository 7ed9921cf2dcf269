"""An auth service whose answers a test gives, for what the embedded one would never answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import respx
from making import make_jwt

from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService

URL = "http://localhost:3001"
PERSONAS = "/api/v1/admin/personas"
USERS = "/api/v1/admin/users"
JWT = make_jwt(exp=4_000_000_000)  # however long the tests take
RECORDED: dict[str, Any] = {
    exchange["name"]: exchange
    for exchange in json.loads((Path(__file__).parent / "data" / "exchanges.json").read_text("utf-8"))
}


class FakeAuth(respx.MockRouter):
    """A service that answers as its routes say.

    Attributes:
        client: Calls it, with an admin's token.
    """

    client: AuthService

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """One that has no routes yet."""
        auth = cls(base_url=URL, assert_all_called=False)
        with auth:
            async with AuthService(URL, Credentials(token=Secret(JWT))) as auth.client:
                yield auth


def recorded(name: str) -> httpx.Response:
    """The answer of an exchange that was recorded."""
    response = RECORDED[name]["response"]
    kind = "text" if isinstance(response["body"], str) else "json"
    return httpx.Response(response["status"], headers=response["headers"], **{kind: response["body"]})
