"""The two streams: what a command prints goes through here and acts on no terminal and no CI runner.

Width and colour are decided here and not by rich, which would count a pipe as a terminal when it finds
FORCE_COLOR. rich is loaded when a page is shown: what prints one line does without.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from personas.errors import UsageError, why_unusable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from personas.settings import Settings


def emit(text: str) -> None:
    """Write to standard output as it is, now; a reader who has gone is no error.

    Raises:
        UsageError: It cannot be written for any other reason, such as a full disk.
    """
    try:
        _write_whole(text if text.endswith("\n") or not text else text + "\n")
    except BrokenPipeError:
        _silence_stdout()
    except OSError as error:
        _silence_stdout()
        raise UsageError(f"standard output cannot be written: {why_unusable(error)}") from None


def somebody_to_ask(settings: Settings) -> bool:
    """Whether a question would be read, and could be answered."""
    return not settings.ci and bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


def say(text: str) -> None:
    """One line of narration on stderr, made harmless."""
    print(harmless(text), file=sys.stderr)


def harmless(text: str) -> str:
    """One line that stays one line: nothing in it is invisible, or a command to a terminal or a CI runner."""
    from personas.report.visible import inert, visible

    return inert(visible(text))


def _write_whole(text: str) -> None:
    """Write all of a text, also when a signal comes in the middle of it."""
    stream = sys.stdout
    stream.flush()
    raw = getattr(stream, "buffer", None)
    if raw is None or os.linesep != "\n":
        stream.write(text)
        stream.flush()
        return
    # With PYTHONUNBUFFERED a write may end early, and the stream itself would drop the rest of the text.
    rest = memoryview(_encoded(text, stream))
    while rest:
        rest = rest[raw.write(rest) or 0 :]
    raw.flush()


def _encoded(text: str, stream: TextIO) -> bytes:
    """The text in the stream's encoding; what it has no character for is written as an escape."""
    strict = (stream.errors or "strict") == "strict"
    return text.encode(stream.encoding, "backslashreplace" if strict else stream.errors or "strict")


def _silence_stdout() -> None:
    # What is still buffered would fail again at exit.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Written(io.StringIO):
    """A text in memory, of which rich believes that it goes to a stream with this encoding."""

    encoding = "utf-8"

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.encoding = encoding


@dataclass(frozen=True)
class Terminal:
    """The consoles of one run.

    Attributes:
        no_color: No colours, as NO_COLOR and TERM=dumb ask.
        force_color: Colours in a pipe too, as FORCE_COLOR asks; `no_color` is the stronger.
    """

    no_color: bool = False
    force_color: bool = False

    @cached_property
    def err(self) -> Console:
        """Standard error, for narration and progress."""
        return self._console(sys.stderr)

    def show(self, page: RenderableType) -> None:
        """Print a page to standard output.

        Raises:
            UsageError: It cannot be written, for another reason than that its reader has gone.
        """
        # Made whole in memory first: what cannot be written is then told by `emit`, and nothing else fails.
        written = _Written(sys.stdout.encoding or "utf-8")
        self._console(sys.stdout, written).print(page, crop=False)
        emit(written.getvalue())

    def tell(self, page: RenderableType) -> None:
        """Print a page to standard error."""
        self.err.print(page, crop=False)

    def _console(self, stream: TextIO, file: TextIO | None = None) -> Console:
        """A console that looks as one on this stream does."""
        from rich.console import Console

        terminal = stream.isatty()
        color = (terminal or self.force_color) and not self.no_color
        return Console(
            file=file or stream,
            width=max(shutil.get_terminal_size((80, 24)).columns, 40),
            color_system="standard" if color else None,
            # Cursor movements are for terminals alone, whoever asks for colours in a pipe.
            force_terminal=terminal,
            force_interactive=terminal,
            no_color=not color,
            markup=False,
            highlight=False,
            emoji=False,
            _environ={},
        )
