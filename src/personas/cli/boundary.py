"""The one error boundary: every error becomes one message on stderr and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from personas.errors import PersonasError, UsageError
from personas.secret import masked

INTERRUPTED = 130


@contextmanager
def boundary(*, debug: bool) -> Iterator[None]:
    """Turn errors into a message and an exit code; with `debug`, show where they came from as well."""
    try:
        yield
    except PersonasError as error:
        show_error(error, debug=debug)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except typer.Exit:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary: whatever is left is a bug, and told as one
        if debug:
            show_traceback(error)
        print(
            f"error: a bug in personas: {type(error).__name__}\n"
            "  It would help to report it, with the traceback that --debug shows.",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None


def emit(text: str) -> None:
    """Write to standard output, now; a reader who has gone is no error.

    Raises:
        UsageError: It cannot be written for any other reason, such as a full disk.
    """
    try:
        _write_whole(text if text.endswith("\n") or not text else text + "\n")
    except BrokenPipeError:
        _silence_stdout()
    except OSError as error:
        _silence_stdout()
        reason = (error.strerror or "unknown reason").lower()
        raise UsageError(f"standard output cannot be written: {reason}") from None


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
    rest = memoryview(text.encode(stream.encoding, stream.errors or "strict"))
    while rest:
        rest = rest[raw.write(rest) or 0 :]
    raw.flush()


def _silence_stdout() -> None:
    # What is still buffered would fail again at exit.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_error(error: PersonasError, *, debug: bool = False) -> None:
    """One message: what happened, and what to do next."""
    if debug:
        show_traceback(error)
    print(f"error: {visible(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"  {visible(error.hint)}", file=sys.stderr)


def show_traceback(error: BaseException) -> None:
    """Where an error came from, without the values of variables, and without a secret in its message."""
    import traceback

    trace = traceback.TracebackException(type(error), error, error.__traceback__, capture_locals=False)
    for line in trace.format(chain=False):
        print(visible(masked(line), keep="\n"), end="", file=sys.stderr)


def visible(text: str, *, keep: str = "") -> str:
    """A text whose control characters cannot act on the terminal."""
    return "".join(ch if ch.isprintable() or ch in keep else f"\\x{ord(ch):02x}" for ch in text)
