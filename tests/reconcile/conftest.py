from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from personas.embedded import EmbeddedService, open_embedded

from .world import World


@pytest.fixture(scope="module")  # not longer: tests of other folders run event loops of their own
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def embedded() -> AsyncIterator[EmbeddedService]:
    async with open_embedded(None, scrypt_n=2) as opened:
        yield opened


@pytest.fixture
async def world(embedded: EmbeddedService) -> AsyncIterator[World]:
    """The same service for every test, without the users of the last one."""
    world = World(embedded)
    world.clear()
    async with world.service:
        yield world
