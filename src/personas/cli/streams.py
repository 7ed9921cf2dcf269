"""The two output streams: what is written there acts on no terminal, and a closed pipe is not an error."""

from __future__ import annotations

import io
import shutil
import sys
from typing import TextIO

from personas.errors import UsageError
from personas.redact import redact


class _Pipe(io.FileIO):
    """A pipe or file; a reader that has gone, such as `head`, is not an error."""

    def write(self, data: object) -> int:
        """Write the data, or drop it where nothing reads it any more."""
        try:
            return super().write(data)  # type: ignore[arg-type]  # the buffer type has no name before 3.12
        except BrokenPipeError:
            return len(memoryview(data))  # type: ignore[arg-type]  # as above


def prepare_streams() -> None:
    """Let both streams replace characters that their encoding lacks, and ignore readers that have gone."""
    sys.stdout, sys.stderr = _prepare(sys.stdout), _prepare(sys.stderr)


def _prepare(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed by the caller
        return io.StringIO()
    if stream.isatty():
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        return stream
    raw = _Pipe(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream is sys.stderr,
        write_through=False,
    )


def write_stdout(text: str, *, machine: bool = False) -> None:
    """Write a text to stdout, whole and at once; for machines in UTF-8 whatever the locale.

    Raises:
        UsageError: It cannot be written, for example because the disk is full.
    """
    text = text if not text or text.endswith("\n") else text + "\n"
    try:
        if machine:
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
            sys.stdout.buffer.flush()
        else:
            sys.stdout.write(text)
            sys.stdout.flush()
    except OSError as error:
        raise UsageError(f"Cannot write to stdout: {error.strerror}.") from None


def print_line(text: str) -> None:
    """Print one line on stderr, without secrets and control characters."""
    from personas.report.sanitize import visible

    print(visible(redact(text)), file=sys.stderr, flush=True)


def is_interactive() -> bool:
    """Return whether a question can be shown and answered."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


def text_width() -> int:
    """Return the width of the terminal in columns; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns
