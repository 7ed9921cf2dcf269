"""The command line: the only place that prints, asks or exits."""

from __future__ import annotations

import gc
import os
import signal
from types import FrameType


def main() -> None:
    """Run the command line; the console script."""
    # What is imported stays: to search all of it for garbage time and again takes a tenth of a start.
    gc.set_threshold(100_000)
    # While the program loads, and when it is already ending; in between, a run listens by itself.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from personas.cli.app import main as run

    run()


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: there is nothing to finish, and an exception would surface as some library's traceback."""
    del number, frame
    os.write(2, b"interrupted\n")
    os._exit(130)


__all__ = ["main"]
