"""`personas serve`: the embedded auth service on a port."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from personas.cli import options
from personas.cli.options import option
from personas.config import EMBEDDED_FILE, is_production, variable
from personas.errors import SafetyError, UsageError


def serve(
    port: Annotated[int, option("--port -p", "0 takes a free one; default 3001.", "N")] = 3001,
    host: Annotated[str, option("--host", "Where to listen; default 127.0.0.1.", "ADDRESS")] = "127.0.0.1",
    database: Annotated[
        str, option("--database", f"A file (default {EMBEDDED_FILE}) or postgresql://…", "PLACE")
    ] = EMBEDDED_FILE,
    base_url: Annotated[
        str | None, option("--base-url", "What clients use; needed if other machines can connect.", "URL")
    ] = None,
    admin_password_file: Annotated[
        str | None, option("--admin-password-file", "By default the first start prints a password.", "FILE")
    ] = None,
    reset: Annotated[bool, option("--reset", "Delete everything in the database first.")] = False,
    yes: Annotated[bool, option("--yes -y", "Do not ask before --reset.")] = False,
    verbose: options.Verbose = False,
) -> None:
    """Run the embedded auth service until Ctrl-C; its address has a page for people.

    The calls of a runner need the header X-Service-Key with the value of the
    variable MANA_SERVICE_KEY.

    Examples:
      personas serve
      personas serve --port 0 --database test.db --admin-password-file admin.txt
      personas serve --host 0.0.0.0 --base-url http://192.168.1.5:3001
    """
    from personas.cli.confirm import confirm
    from personas.cli.connect import explain_embedded_errors
    from personas.cli.runner import start_run

    with start_run("serve", verbose=verbose) as run, explain_embedded_errors():
        from personas.embedded import serve as run_server

        if not 0 <= port <= 65535:
            raise UsageError("--port must be from 0 to 65535.")
        if reset and is_production():
            raise SafetyError("--reset is refused in production.", hint="Unset NODE_ENV and PERSONAS_ENV.")
        if reset and ("://" in database or Path(database).exists()):
            confirm(run, "Everything in the database will be deleted.", "Delete it?", yes=yes)
        run_server(
            database,
            print_line=partial(print, flush=True),
            host=host,
            port=port,
            base_url=base_url,
            service_key=variable("MANA_SERVICE_KEY"),
            admin_password_file=Path(admin_password_file) if admin_password_file else None,
            reset=reset,
        )
