"""What is going on, on stderr: a bar on a terminal, lines for waiting and for --verbose."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from personas.cli.streams import print_line
from personas.config import is_ci, is_color_wanted, is_dumb_terminal
from personas.errors import ServiceError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Progress:
    """Shows the progress of one run; a bar appears only on a terminal.

    Args:
        quiet: Whether to show no bar.
        verbose: Whether to print each request.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.verbose = verbose
        self._shown = not quiet and sys.stderr.isatty() and not is_ci() and not is_dumb_terminal()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def start(self, what: str, total: int | None = None) -> None:
        """Show a bar for `total` steps, or a spinner where the number is not known."""
        self.stop()
        if not self._shown:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
        if total is not None:
            columns += [BarColumn(bar_width=30), MofNCompleteColumn()]
        console = Console(stderr=True, no_color=not is_color_wanted(terminal=True), highlight=False)
        self._bar = Bar(*columns, console=console, transient=True)
        self._task = self._bar.add_task(what, total=total)
        self._bar.start()

    def advance(self) -> None:
        """Count one step as finished."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def log(self, text: str) -> None:
        """Print one line on stderr, above the bar."""
        if self._bar is None:
            print_line(text)
        else:
            # The bar's own console, so that the line does not break the bar.
            from personas.redact import redact
            from personas.report.sanitize import visible

            self._bar.console.print(visible(redact(text)), markup=False, emoji=False, soft_wrap=True)

    def log_request(self, method: str, path: str, result: int | ServiceError, seconds: float) -> None:
        """Print one request for --verbose; the client calls this after each attempt."""
        if self.verbose:
            answer = result if isinstance(result, int) else result.message
            self.log(f"{method} {path} {answer} {seconds:.3f} s")

    def log_wait(self, seconds: float, reason: str) -> None:
        """Print that the service asked for a pause."""
        self.log(f"Waiting {seconds:.0f} s: {reason}")
