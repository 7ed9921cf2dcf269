from __future__ import annotations

from collections.abc import Iterator

import pytest

from personas.embedded.service import Service
from tests.world import open_service

from .world import EMAILS, Rows, World

Prepared = tuple[Service, Rows, Rows]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """One service, and two states of its database: without and with the spaces of the catalog."""
    with open_service(tmp_path_factory.mktemp("spaces")) as embedded:
        world = World(embedded)
        world.create(*EMAILS)
        empty = world.save()
        assert world.run().results == {"flat": "done", "desk": "done"}
        yield embedded, empty, world.save()


@pytest.fixture
def world(prepared: Prepared) -> World:
    """A service with four personas and no shared space."""
    return World(*prepared[:2])


@pytest.fixture
def sharing(prepared: Prepared) -> World:
    """The same with the catalog's spaces."""
    return World(prepared[0], prepared[2])
