"""What is going on, on stderr: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from personas.cli.console import Terminal, harmless, say
from personas.errors import ServiceError
from personas.reconcile.outcome import Outcome, Result

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 2.0


class Progress:
    """Narrates one run.

    Args:
        quiet: Say nothing at all.
        ci: Plain lines, also where stderr is a terminal.
        no_color: A bar without colours.
    """

    def __init__(self, *, quiet: bool, ci: bool, no_color: bool) -> None:
        self._quiet = quiet
        self._on_terminal = not quiet and not ci and sys.stderr.isatty()
        self._no_color = no_color
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._last_line = time.monotonic()
        self._done = 0
        self._total = 0

    def say(self, text: str) -> None:
        """One line of narration."""
        if not self._quiet:
            self._print(text)

    def requested(self, method: str, path: str, told: int | ServiceError, seconds: float) -> None:
        """Tell one request, for `--verbose`: what was asked, what came of it, how long it took."""
        came = told if isinstance(told, int) else told.message
        self._print(f"{method} {path} {came} {seconds:.3f} s")

    def note(self, what: str, done: int, total: int) -> None:
        """Note how much of something is done; of how much, is not known where `total` is 0."""
        if self._quiet:
            return
        if self._on_terminal:
            self._advance_bar(what, done, total)
            return
        # Lines are for whoever reads a log: none for what is done at once, a few for what lasts.
        now = time.monotonic()
        if total and (
            now - self._last_line > SECONDS_BETWEEN_LINES or (done == total and what == self._what)
        ):
            self._last_line, self._what = now, "" if done == total else what
            say(f"{what}: {done} of {total}")

    def start_writing(self, total: int) -> None:
        """Note that writing starts."""
        self._done, self._total = 0, total
        if total:
            self.note("writing", 0, total)

    def wrote(self, outcome: Outcome) -> None:
        """Note one outcome; a failure is told at once."""
        self._done += 1
        if outcome.result in {Result.FAILED, Result.UNKNOWN}:
            self.say(f"{outcome.result}: {outcome.message}")
        self.note("writing", self._done, self._total)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(harmless(text), markup=False, highlight=False, soft_wrap=True)
        else:
            say(text)

    def _advance_bar(self, what: str, done: int, total: int) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, SpinnerColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[count]}", markup=False),
                console=Terminal(no_color=self._no_color).err,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(what, total=total or None, count="")
        if self._task is not None:
            count = f"{done:,} of {total:,}" if total else ""
            self._bar.update(self._task, description=what, completed=done, total=total or None, count=count)
