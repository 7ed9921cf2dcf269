"""The commands, listed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from personas import __version__
from personas.cli import (
    cleanup,
    listing,
    login,
    password,
    schema,
    seed,
    show,
    token,
    validate,
)

# Plain help: rich would more than double the time that --help takes.
app = typer.Typer(
    name="personas",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Keep the test users of an auth service true to one JSON catalog.",
)

app.command("seed")(seed.seed)
app.command("dry-run")(seed.dry_run)
app.command("cleanup")(cleanup.cleanup)
app.command("list")(listing.list_)
app.command("show")(show.show)
app.command("validate")(validate.validate)
app.command("password")(password.password)
app.command("login")(login.login)
app.command("token")(token.token)
app.command("schema")(schema.schema)


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
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape instead of a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
