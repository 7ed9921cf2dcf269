from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import EMAILS, World, open_world


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases that tests start from."""
    folder = tmp_path_factory.mktemp("prepared")
    with open_world(folder / "world.db") as world:
        world.seed(*EMAILS)
    shutil.copy(folder / "world.db", folder / "sharing.db")
    with open_world(folder / "sharing.db") as world:
        run = world.run()
        assert run.results == {"flat": "done", "desk": "done"}, run.messages
    return folder


@pytest.fixture
def world(prepared: Path, tmp_path: Path) -> Iterator[World]:
    """A service with four personas and no shared space."""
    with open_world(Path(shutil.copy(prepared / "world.db", tmp_path))) as world:
        yield world


@pytest.fixture
def sharing(prepared: Path, tmp_path: Path) -> Iterator[World]:
    """The same with the catalog's spaces."""
    with open_world(Path(shutil.copy(prepared / "sharing.db", tmp_path))) as world:
        yield world
