from __future__ import annotations

from collections.abc import Iterator

import pytest

from personas.embedded.service import Service

from .world import EMAILS, Rows, World

Prepared = tuple[World, Rows, Rows]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """One service, and two states of its database: without and with the spaces of the catalog."""
    place = tmp_path_factory.mktemp("spaces") / "auth.db"
    embedded = Service(place, base_url="http://embedded.localhost", scrypt_n=2)
    try:
        world = World(embedded)
        world.seed(*EMAILS)
        empty = world.save()
        run = world.run()
        assert run.results == {"flat": "done", "desk": "done"}, run.messages
        yield world, empty, world.save()
    finally:
        embedded.close()


@pytest.fixture
def world(prepared: Prepared) -> World:
    """A service with four personas and no shared space."""
    prepared[0].restore(prepared[1])
    return prepared[0]


@pytest.fixture
def sharing(prepared: Prepared) -> World:
    """The same with the catalog's spaces."""
    prepared[0].restore(prepared[2])
    return prepared[0]
