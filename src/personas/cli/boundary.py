"""The one error boundary: every error becomes one message on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from personas.cli.console import say
from personas.errors import PersonasError
from personas.secret import masked, without_tokens

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


def show_error(error: PersonasError, *, debug: bool = False) -> None:
    """One message: what happened, and what to do next."""
    if debug:
        show_traceback(error)
    say(without_tokens(f"error: {error.message}"))
    if error.hint:
        say(without_tokens(f"  {error.hint}"))


def show_traceback(error: BaseException) -> None:
    """Where an error came from, without the values of variables, and without a secret in its message."""
    import traceback

    trace = traceback.TracebackException(type(error), error, error.__traceback__, capture_locals=False)
    for part in trace.format(chain=False):
        for line in without_tokens(masked(part)).splitlines():
            say(line)
