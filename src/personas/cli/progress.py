"""What is going on, on stderr: a bar on a terminal, lines for waiting and for --verbose."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from personas.cli.streams import print_line
from personas.config import is_ci
from personas.errors import ServiceError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Progress:
    """The progress of one run: a bar, only on a terminal and not if `quiet`.

    Attributes:
        observe: Prints each request, if `verbose`.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.observe = self._log_request if verbose else None
        self._shown = not quiet and not verbose and sys.stderr.isatty() and not is_ci()
        self._bar: Bar | None = None

    def start(self, what: str, total: int | None = None) -> None:
        """Show a bar for `total` steps, or a spinner where the number is not known."""
        self.stop()
        if not self._shown:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bar, SpinnerColumn, TextColumn

        known = (BarColumn(bar_width=30), MofNCompleteColumn()) if total is not None else ()
        console = Console(stderr=True, highlight=False)
        if console.is_dumb_terminal:
            return
        text = TextColumn("{task.description}", markup=False)
        self._bar = Bar(SpinnerColumn(), text, *known, console=console, transient=True)
        self._bar.add_task(what, total=total)
        self._bar.start()

    def advance(self) -> None:
        """Count one step as finished."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _log_request(self, method: str, path: str, result: int | ServiceError, seconds: float) -> None:
        print_line(f"{method} {path} {getattr(result, 'message', result)} {seconds:.3f} s")

    def log_wait(self, seconds: float, reason: str) -> None:
        """Print that the service asked for a pause."""
        print_line(f"Waiting {seconds:.0f} s: {reason}")
