"""How fast a service may be asked: several workers, and one gate that they share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import TypeVar

import anyio

T = TypeVar("T")


async def spread(
    items: Iterable[T],
    work: Callable[[T], Awaitable[object]],
    *,
    workers: int,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Do the same for every item, several at a time, in order of starting.

    Args:
        items: The items; none is started twice.
        work: What to do; the first error that leaves it cancels the others, and is raised as it is.
        workers: How many at a time.
        go_on: Asked before each start; once it says no, nothing more is started.
    """
    waiting = iter(items)
    failures: list[Exception] = []

    async def worker() -> None:
        for item in waiting:
            if not go_on():
                return
            try:
                await work(item)
            except Exception as error:  # noqa: BLE001 - raised below, without the group around it
                failures.append(error)
                group.cancel_scope.cancel()
                return

    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(worker)
    if failures:
        raise failures[0]


class Gate:
    """Lets a number of calls through at once, pauses all of them together, and slows down when told to.

    A pause halves the number; each call that went well raises it again by a fraction, so that it is back
    after about as many rounds as it lost.

    Args:
        limit: How many calls may be under way at once, at the most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.allowed = float(limit)
        self._active = 0
        self._resume_at = 0.0
        self._changed = anyio.Event()

    @property
    def paused_for(self) -> float:
        """How many seconds the pause still lasts; 0 when there is none."""
        return max(0.0, self._resume_at - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Hold back every call for so many seconds, and let fewer through at once afterwards."""
        # Calls under way together are told the same thing: only the first of them halves the number.
        if not self.paused_for:
            self.allowed = max(1.0, self.allowed / 2)
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def went_well(self) -> None:
        """Note that a call was answered, and let more through again."""
        self.allowed = min(float(self.limit), self.allowed + 1 / self.allowed)

    async def __aenter__(self) -> None:
        # No lock: nothing is awaited between the last look and the entry.
        while (wait := self.paused_for) or self._active >= int(self.allowed):
            with anyio.move_on_after(wait or None):
                await self._changed.wait()
        self._active += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._active -= 1
        self._changed.set()
        self._changed = anyio.Event()
