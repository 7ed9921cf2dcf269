"""Ctrl-C and SIGTERM, from the start of a run until its report is written."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# While nobody listens (the run starts, or writes its report) one is kept for later, and more than one end it.
_PATIENCE = 2


class Interrupts:
    """Keeps signals from tearing a run apart; use it as a context manager around the whole of it.

    A signal is told to whoever listens, in the event loop. Where nobody listens, because the run starts or
    writes its report, which takes a moment, the first is kept and told later.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._heard = 0
        self._told = 0
        self._wake: Callable[[], None] | None = None

    def __enter__(self) -> Interrupts:
        # Only the main thread may set handlers; a program that runs us elsewhere has its own.
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def told_to(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Tell each signal by a call in this event loop, those that came before included."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            while self._told < self._heard:
                self._told += 1
                interrupt()

        def wake() -> None:
            loop.call_soon_threadsafe(tell)

        self._wake = wake
        try:
            tell()
            yield
        finally:
            self._wake = None

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._heard += 1
        if self._wake is not None and self._heard - self._told <= _PATIENCE:
            self._wake()
        elif self._heard - self._told >= _PATIENCE:
            # The loop is stuck, or something else takes long: whoever asks twice means it.
            raise KeyboardInterrupt
