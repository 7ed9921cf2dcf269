"""`personas list`: the live personas, what they did lately, and their state against the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli import options
from personas.cli.options import Output
from personas.settings import (
    DEFAULT_AUTH,
    DEFAULT_CATALOG,
    DEFAULT_CONCURRENCY,
    DEFAULT_ENDPOINT,
    DEFAULT_TIMEOUT,
)

if TYPE_CHECKING:
    from personas.cli.run import Run


def list_(
    catalog: options.Catalog = DEFAULT_CATALOG,
    only: options.Only = None,
    auth: options.Auth = DEFAULT_AUTH,
    endpoint: options.Endpoint = DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = DEFAULT_CONCURRENCY,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    output: options.Format = Output.TEXT,
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
    from personas.cli.asked import Asked
    from personas.cli.conduct import conduct
    from personas.reconcile.plan import Intent

    asked = Asked(
        command="list",
        catalog=catalog,
        only=tuple(only or ()),
        auth=auth,
        endpoint=endpoint,
        jwt=jwt,
        allow_http=allow_http,
        concurrency=concurrency,
        timeout=timeout,
        output=output,
        report=tuple(report or ()),
        full=full,
        quiet=quiet,
        verbose=verbose,
        debug=debug,
    )

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            secret = run.secret_for_reading() if full else None
            await run.read_live(service, secret=secret, owners=full, whole=full)
            # Spaces are read by signing in as their owners, which a look at the list is not worth.
            run.make_plan(Intent(), spaces=full)

    conduct(asked, job)
