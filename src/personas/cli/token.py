"""`personas token`: get an admin's JWT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from personas import settings
from personas.cli import options
from personas.cli.asked import Asked

if TYPE_CHECKING:
    from personas.cli.run import Run


def token(
    ctx: typer.Context,
    auth: options.Auth = settings.DEFAULT_AUTH,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = settings.DEFAULT_TIMEOUT,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Print an admin's token, and nothing else.

    It lives for 15 minutes. Signs in with MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; the embedded service
    needs neither.
    """
    from personas.cli.conduct import print_only
    from personas.cli.console import emit

    async def job(run: Run) -> None:
        async with run.connect() as service:
            emit((await service.admin_token()).reveal())

    print_only(Asked.of(ctx, quiet=True), job)
