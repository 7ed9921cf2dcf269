"""The two output streams: what is written there acts on no terminal, a closed pipe is not an error; a bar."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from personas.config import is_ci
from personas.redact import redact


class _Pipe(io.FileIO):
    """A pipe or file; what nothing reads any more (`| head`) or what failed once is dropped quietly."""

    lost = False

    def write(self, data: Any) -> int:
        try:
            if not self.lost:
                return super().write(data)
        except OSError as error:
            self.lost = True
            # A log line that is lost must not end a run.
            if not isinstance(error, BrokenPipeError) and self.fileno() != 2:
                raise
        return len(memoryview(data))


def prepare_streams() -> None:
    """Let both streams replace characters that their encoding lacks, and ignore readers that have gone."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:  # closed by the caller
            stream = io.TextIOWrapper(io.BytesIO())
        elif not stream.isatty():
            raw = io.BufferedWriter(_Pipe(stream.fileno(), "wb", closefd=False))
            stream = io.TextIOWrapper(raw, stream.encoding, line_buffering=name == "stderr")
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        setattr(sys, name, stream)


def write_stdout(text: str, *, machine: bool = False) -> None:
    """Write a text to stdout; for machines in UTF-8 whatever the locale."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8" if machine else sys.stdout.encoding, "replace"))
    sys.stdout.buffer.flush()


def print_line(text: str) -> None:
    """Print one line on stderr, without secrets, control characters and commands of a CI runner."""
    from personas.report.sanitize import disarm, visible

    print(disarm(visible(redact(text))), file=sys.stderr, flush=True)


def can_ask() -> bool:
    """Return whether a question can be shown and answered; never in CI."""
    return not is_ci() and bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


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


def log_wait(seconds: float, reason: str) -> None:
    """Print that the service asked for a pause."""
    print_line(f"Waiting {seconds:.0f} s: {reason}")
