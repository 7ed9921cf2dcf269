from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World, world


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def real(tmp_path: Path) -> Iterator[World]:
    """The embedded service on a port."""
    with world(tmp_path) as made:
        yield made
