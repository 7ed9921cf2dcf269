"""`personas token`: get an admin's JWT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.cli.options import Given, taking

if TYPE_CHECKING:
    from personas.cli.run import Run


@taking("auth", "jwt", "allow_http", "timeout")
def token(given: Given) -> None:
    """Print an admin's token, and nothing else; it lives for 15 minutes.

    Signs in with MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; the embedded service needs neither.
    """
    from personas.cli.console import emit
    from personas.cli.run import listen_only

    async def job(run: Run) -> None:
        async with run.connect() as service:
            emit((await service.admin_token()).reveal())

    listen_only(given, "token", job)
