"""`personas token`: a token of the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.cli import options

if TYPE_CHECKING:
    from personas.redact import Secret

EXAMPLES = """Examples:
  personas token --auth embedded
  curl -H "Authorization: Bearer $(personas token)" http://localhost:3001/api/v1/admin/personas"""


def token(
    auth: options.Auth = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    verbose: options.Verbose = False,
) -> None:
    """Print a token of the admin.

    Signs in with MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; the embedded service needs neither. The
    service decides how long it lasts, usually 15 minutes.
    """
    from personas.cli.connect import connect
    from personas.cli.runner import start_run
    from personas.cli.streams import write_stdout
    from personas.config import resolve_config

    with start_run("token", verbose=verbose) as run:
        config = resolve_config(auth=auth, timeout=timeout, allow_http=allow_http)

        async def read() -> Secret:
            async with connect(run, config) as service:
                return await service.admin_token()

        write_stdout(run.read(read, "Signing in").reveal())
