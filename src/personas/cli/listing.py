"""`personas list`: the live personas, what they did lately, and their state against the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli.options import CATALOG, REPORT, SERVICE, Given, taking

if TYPE_CHECKING:
    from personas.cli.run import Run


@taking(*CATALOG, *SERVICE, "only", *REPORT)
def list_(
    given: Given,
    *,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="All there is to know; as JSON, a snapshot for dry-run --against.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """List the live personas with their actions of 7 days and their state against the catalog."""
    from personas.cli.run import conduct
    from personas.reconcile.plan import Intent

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            secret = run.secret_for_reading() if full else None
            await run.read_live(service, secret=secret, owners=full, whole=full)
            run.make_plan(Intent())

    conduct(given, "list", job)
