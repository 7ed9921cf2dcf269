"""`personas show WHO`: one live persona with all that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from personas import settings
from personas.cli import options
from personas.cli.asked import Asked

if TYPE_CHECKING:
    from personas.cli.run import Run


def show(
    ctx: typer.Context,
    who: options.Who,
    catalog: options.Catalog = settings.DEFAULT_CATALOG,
    auth: options.Auth = settings.DEFAULT_AUTH,
    endpoint: options.Endpoint = settings.DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = settings.DEFAULT_CONCURRENCY,
    timeout: options.Timeout = settings.DEFAULT_TIMEOUT,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Show one live persona, with all that is known of it.

    Its descriptor, its drift, its spaces, its last 20 actions, and its feedback by module.
    """
    from personas.cli.conduct import conduct
    from personas.reconcile.plan import Intent

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            email = await run.read_one(service, who, run.secret_if_any())
            run.make_plan_of(email, Intent())

    conduct(Asked.of(ctx), job)
