from __future__ import annotations

from collections.abc import Iterator

import pytest
from original import Original

from .world import World, world


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def _one_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    form = getattr(request, "param", "embedded")
    app = Original if form == "original" else None
    with world(tmp_path_factory.mktemp("world"), app=app) as made:
        yield made


@pytest.fixture
def real(_one_world: World) -> World:
    """The embedded service on a port, with nobody in it."""
    _one_world.start_anew()
    return _one_world
