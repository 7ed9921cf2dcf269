"""`personas token`: a token of the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.cli import options

if TYPE_CHECKING:
    from personas.redact import Secret

EXAMPLES = """Examples:
  personas token --auth embedded
  export MANA_ADMIN_JWT=$(personas token)"""


def token(
    auth: options.Auth = None,
    kind: options.Service = None,
    base_path: options.BasePath = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    verbose: options.Verbose = False,
) -> None:
    """Print a token of the admin.

    Signs in with MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; the embedded service
    needs neither. A token usually lasts 15 minutes.
    """
    from personas.cli.connect import connect
    from personas.cli.runner import start_run
    from personas.cli.streams import write_stdout
    from personas.config import resolve_config

    with start_run("token", verbose=verbose) as run:
        config = resolve_config(auth, None, allow_http, timeout, service=kind, base_path=base_path)

        async def read() -> Secret:
            async with connect(run, config) as service:
                return await service.admin_token()

        write_stdout(run.read(read).reveal() + "\n")
