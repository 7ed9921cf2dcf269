from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from original import Original

from .spaces import have
from .world import World, world


@pytest.fixture(scope="session")
def _one_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    form = getattr(request, "param", "embedded")
    app = Original if form == "original" else None
    with world(tmp_path_factory.mktemp("world"), app=app) as made:
        yield made


@pytest.fixture
def real(_one_world: World, tmp_path: Path) -> World:
    """The embedded service on a port, with nobody in it."""
    _one_world.start_anew(tmp_path)
    return _one_world


@pytest.fixture
def sharing(real: World) -> World:
    """The same with the people and spaces of the catalog SHARED, which is the one that commands are given."""
    have(real)
    return real


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[World]:
    """A service in production, behind a proxy: three sign-ins in ten seconds for each address."""
    with world(tmp_path, behind_proxy=True) as made:
        yield made
