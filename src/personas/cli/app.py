"""The commands, listed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
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
    serve,
    show,
    token,
    validate,
)

_EPILOG = (
    "Credentials come from --jwt (MANA_ADMIN_JWT), or from MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD. "
    "Personas' passwords are derived from PERSONA_SEED_SECRET. To try without a service: "
    "personas seed --auth embedded"
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
    epilog=_EPILOG,
)

app.command("seed", short_help="Make the catalog true on the service.")(seed.seed)
app.command("dry-run", short_help="Show what seed would do; write nothing.")(seed.dry_run)
app.command("cleanup", short_help="Delete every live persona for good.")(cleanup.cleanup)
app.command("list", short_help="The live personas and their state.")(listing.list_)
app.command("show", short_help="One live persona, with all there is to know.")(show.show)
app.command("validate", short_help="Check the catalog alone.")(validate.validate)
app.command("password", short_help="Derive a persona's password.")(password.password)
app.command("login", short_help="Sign in as a persona.")(login.login)
app.command("token", short_help="Get an admin's token.")(token.token)
app.command("schema", short_help="JSON Schema of the catalog or the report.")(schema.schema)
app.command("serve", short_help="Run the embedded service on a port.")(serve.serve)


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
    try:
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
