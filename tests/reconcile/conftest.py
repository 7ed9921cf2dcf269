from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from personas.embedded.service import Service
from tests.world import World, open_service


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with open_service(tmp_path_factory.mktemp("reconcile")) as opened:
        yield opened


@pytest.fixture
async def world(embedded: Service) -> AsyncIterator[World]:
    """The same service for every test, without the users of the last one."""
    world = World(embedded)
    world.clear()
    async with world.service:
        yield world
