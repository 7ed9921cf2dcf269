"""The program: its commands, and the way in and out of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from personas import __version__
from personas.cli.cleanup import cleanup
from personas.cli.listing import list_
from personas.cli.login import login
from personas.cli.password import password
from personas.cli.schema import schema
from personas.cli.seed import dry_run, seed
from personas.cli.serve import serve
from personas.cli.show import show
from personas.cli.token import token
from personas.cli.validate import validate
from personas.secret import without_tokens


class _Commands(TyperGroup):
    """The commands; a token in a wrong place is not repeated in what typer says of it."""

    def make_context(self, *args: Any, **given: Any) -> Any:
        with _masked_usage_errors():
            return super().make_context(*args, **given)

    def invoke(self, ctx: Any) -> Any:
        with _masked_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _masked_usage_errors() -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        # Whoever forgets the option before it has typed it all the same.
        error.message = without_tokens(error.message)
        raise


app = typer.Typer(
    name="personas",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback of typer's would show the values of variables
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Keep the test users of an auth service true to one JSON catalog.",
    epilog="Credentials come from --jwt (MANA_ADMIN_JWT), or from MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD. "
    "Personas' passwords are derived from PERSONA_SEED_SECRET. "
    "To try without a service: personas seed --auth embedded",
)
app.command()(seed)
app.command("dry-run")(dry_run)
app.command()(cleanup)
app.command("list")(list_)
app.command()(show)
app.command()(validate)
app.command()(password)
app.command()(login)
app.command()(token)
app.command()(schema)
app.command()(serve)


def _version(value: bool) -> None:
    if value:
        print(f"personas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; the console script."""
    # A closed stream is None: whatever is said there goes nowhere.
    if sys.stdout is None or sys.stderr is None:
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the end
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape instead of a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code = 0
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except OSError as error:
        # Help that cannot be written; what commands print has its own boundary.
        print(f"error: standard output cannot be written: {error.strerror}", file=sys.stderr)
        code = 1
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End at once: to free every module one by one takes longer than several calls of the service."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            pass
        except OSError:
            code = code or 1
    os._exit(code)
