"""Run one async function over many items, a few at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import anyio

Item = TypeVar("Item")


@dataclass
class Cancel:
    """A request to stop: running calls finish, and no further item is started."""

    requested: bool = False

    def request(self) -> None:
        """Ask to stop."""
        self.requested = True


async def run_concurrently(
    items: Iterable[Item],
    worker: Callable[[Item], Awaitable[object]],
    *,
    limit: int,
    cancel: Cancel | None = None,
) -> None:
    """Call `worker` with each item, at most `limit` at once, in order of the items.

    Raises the first exception of a worker, not in a group; the other workers are cancelled.
    """
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            if cancel is not None and cancel.requested:
                return
            await worker(item)

    try:
        async with anyio.create_task_group() as group:
            for _ in range(limit):
                group.start_soon(work)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
