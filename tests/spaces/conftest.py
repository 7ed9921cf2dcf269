from __future__ import annotations

from collections.abc import Iterator

import pytest

from personas.embedded.service import Service

from .world import EMAILS, World


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service, and two states of its database: without and with the spaces of the catalog."""
    embedded = Service(
        tmp_path_factory.mktemp("spaces") / "auth.db", base_url="http://embedded.localhost", scrypt_n=2
    )
    world = World(embedded)
    world.seed(*EMAILS)
    world.save("empty")
    assert world.run().results == {"flat": "done", "desk": "done"}
    world.save("sharing")
    yield world
    embedded.close()


@pytest.fixture
def world(prepared: World) -> World:
    """A service with four personas and no shared space."""
    return prepared.restore("empty")


@pytest.fixture
def sharing(prepared: World) -> World:
    """The same with the catalog's spaces."""
    return prepared.restore("sharing")
