from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import EMAILS, World, open_world


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[World]:
    """A service without personas."""
    with open_world(tmp_path / "auth.db") as world:
        yield world


@pytest.fixture
def world(empty: World) -> World:
    """A service with four personas and no shared space."""
    empty.seed(*EMAILS)
    return empty


@pytest.fixture
def sharing(world: World) -> World:
    """The same with the catalog's spaces."""
    run = world.run()
    assert run.results == {"flat": "done", "desk": "done"}, run.messages
    return world
