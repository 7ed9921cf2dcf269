"""`personas serve`: the embedded auth service on a port."""

from __future__ import annotations

from functools import partial
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


_option = partial(typer.Option, show_default=False)


def serve(
    port: Annotated[
        int, _option("--port", "-p", metavar="N", help="0 takes a free one; default 3001.")
    ] = 3001,
    host: Annotated[
        str, _option("--host", metavar="ADDRESS", help="Where to listen; default 127.0.0.1.")
    ] = "127.0.0.1",
    database: Annotated[
        str,
        _option("--database", metavar="PLACE", help=f"A file (default {EMBEDDED_FILE}) or postgresql://…"),
    ] = EMBEDDED_FILE,
    base_url: Annotated[
        str | None,
        _option("--base-url", metavar="URL", help="What clients use; needed if other machines can connect."),
    ] = None,
    admin_password_file: Annotated[
        str | None,
        _option(
            "--admin-password-file", metavar="FILE", help="By default the first start prints a password."
        ),
    ] = None,
    reset: Annotated[bool, _option("--reset", help="Delete everything in the database first.")] = False,
    yes: Annotated[bool, _option("--yes", "-y", help="Do not ask before --reset.")] = False,
    verbose: options.Verbose = False,
) -> None:
    """Run the embedded auth service until Ctrl-C; its address has a page for people.

    The calls of a runner need the header X-Service-Key with the value of the
    variable MANA_SERVICE_KEY.
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
        if not 0 <= port <= 65535:
            raise UsageError("--port must be from 0 to 65535.")
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
