"""What is going on, on stderr: a bar on a terminal, lines for waiting and for --verbose."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from personas.cli.streams import print_line
from personas.config import is_ci
from personas.errors import ServiceError


@contextmanager
def show_progress(
    what: str, total: int | None = None, *, hidden: bool = False
) -> Iterator[Callable[[], None]]:
    """Show a bar, for `total` steps where the number is known; only on a terminal.

    Gives the function that counts a step as finished.
    """
    if hidden or not sys.stderr.isatty() or is_ci():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=console.is_dumb_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def log_request(method: str, path: str, result: int | ServiceError, seconds: float) -> None:
    """Print a request and its result."""
    print_line(f"{method} {path} {getattr(result, 'message', result)} {seconds:.3f} s")


def log_wait(seconds: float, reason: str) -> None:
    """Print that the service asked for a pause."""
    print_line(f"Waiting {seconds:.0f} s: {reason}")
