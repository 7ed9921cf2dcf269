"""`personas token`: get an admin's JWT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.cli import options
from personas.settings import DEFAULT_AUTH, DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from personas.cli.run import Run


def token(
    auth: options.Auth = DEFAULT_AUTH,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Print an admin's token, and nothing else.

    It lives for 15 minutes. Signs in with MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; the embedded service
    needs neither.
    """
    from personas.cli.asked import Asked
    from personas.cli.conduct import print_only
    from personas.cli.console import emit

    asked = Asked(
        command="token",
        auth=auth,
        jwt=jwt,
        allow_http=allow_http,
        timeout=timeout,
        quiet=True,
        verbose=verbose,
        debug=debug,
    )

    async def job(run: Run) -> None:
        async with run.connect() as service:
            emit((await service.admin_token()).reveal())

    print_only(asked, job)
