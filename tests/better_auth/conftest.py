from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .server import Simulated

Start = Callable[..., Simulated]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a simulated Better Auth with these options."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Simulated(**options).serve())
