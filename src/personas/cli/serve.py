"""`personas serve`: the embedded auth service on a port."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from personas.cli import options
from personas.config import EMBEDDED_FILE
from personas.errors import SafetyError, UsageError

EXAMPLES = """Examples:
  personas serve
  personas serve --port 0 --database test.db --admin-password-file admin.txt
  personas serve --host 0.0.0.0 --base-url http://192.168.1.5:3001"""


def serve(
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 3001,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    database: Annotated[
        str, typer.Option("--database", metavar="FILE|URL", help="An SQLite file, or postgresql://…")
    ] = EMBEDDED_FILE,
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            metavar="URL",
            help="The address that clients use; needed if other machines can reach the service.",
        ),
    ] = None,
    admin_password_file: Annotated[
        str | None,
        typer.Option(
            "--admin-password-file",
            metavar="FILE",
            help="The admin's password; without it the first start makes one and prints it.",
        ),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Delete everything in the database first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --reset.")] = False,
    verbose: options.Verbose = False,
) -> None:
    """Run the embedded auth service until Ctrl-C, with a page for people at its address.

    The calls of a runner need the header X-Service-Key with the value of the variable MANA_SERVICE_KEY.
    """
    from personas.cli.confirm import confirm
    from personas.cli.connect import not_installed
    from personas.cli.runner import start_run
    from personas.config import is_production, variable

    with start_run("serve", verbose=verbose) as run:
        try:
            from personas.embedded import EmbeddedError, serve as run_server
        except ModuleNotFoundError as error:
            raise not_installed(error) from None
        exists = "://" in database or Path(database).exists()
        if reset and is_production():
            raise SafetyError("--reset is refused in production.", hint="Unset NODE_ENV and PERSONAS_ENV.")
        if reset and exists:
            confirm(run, "Everything in the database will be deleted.", "Delete it?", yes=yes)
        key = variable("MANA_SERVICE_KEY")
        try:
            run_server(
                database,
                print_line=lambda line: print(line, flush=True),
                host=host,
                port=port,
                base_url=base_url,
                service_key=key,
                admin_password_file=Path(admin_password_file) if admin_password_file else None,
                reset=reset,
            )
        except EmbeddedError as error:
            raise UsageError(error.message, hint=error.hint) from None
