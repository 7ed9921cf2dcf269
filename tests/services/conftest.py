"""A client of a small server, and a service with answers from respx."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import pytest
import respx

from personas.config import parse_address
from personas.errors import ServiceError
from personas.redact import Secret
from personas.services.http import RetryPolicy
from personas.services.mana import ManaService
from personas.services.sign_in import Credentials

from .server import Server, serve

URL = "http://localhost:3001"
PERSONAS = "/api/v1/admin/personas"
QUICK = RetryPolicy(attempts=4, first_wait=0.001, max_wait=0.002, connect=0.05, total=5)


def jwt(**claims: Any) -> str:
    """A token with these claims; nothing here verifies its signature."""
    claims = {"role": "admin", "iss": URL, "iat": time.time(), "exp": time.time() + 900, **claims}
    parts = (json.dumps(part).encode() for part in ({"alg": "EdDSA"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2ln"])


async def error_of(call: Awaitable[object]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve() as running:
        yield running


@pytest.fixture
def mana() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        router.post("/api/auth/sign-out", name="out").respond(json={"success": True})
        yield router


@pytest.fixture
async def service(
    mana: respx.MockRouter,  # noqa: ARG001 - answers its calls
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[ManaService]:
    monkeypatch.setenv("HTTP_PROXY", "ftp://not.used.on.loopback")
    async with ManaService(parse_address(URL), Credentials(token=Secret(jwt())), retry=QUICK) as opened:
        yield opened
