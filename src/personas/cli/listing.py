"""`personas list`: the live personas, what they did lately, and their state against the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personas import settings
from personas.cli import options
from personas.cli.asked import Asked

if TYPE_CHECKING:
    from personas.cli.run import Run


def list_(
    ctx: typer.Context,
    catalog: options.Catalog = settings.DEFAULT_CATALOG,
    only: options.Only = None,
    auth: options.Auth = settings.DEFAULT_AUTH,
    endpoint: options.Endpoint = settings.DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = settings.DEFAULT_CONCURRENCY,
    timeout: options.Timeout = settings.DEFAULT_TIMEOUT,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            rich_help_panel="Output",
            help="All there is to know of everybody; as JSON, a snapshot for dry-run --against.",
        ),
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """List the live personas: their actions of 7 days, and their state."""
    from personas.cli.conduct import conduct
    from personas.reconcile.plan import Intent

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            secret = run.secret_for_reading() if full else None
            await run.read_live(service, secret=secret, owners=full, whole=full)
            # Spaces are read by signing in as their owners, which a look at the list is not worth.
            run.make_plan(Intent(), spaces=full)

    conduct(Asked.of(ctx), job)
