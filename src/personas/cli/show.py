"""`personas show WHO`: one live persona with all that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def show(
    who: options.Who,
    catalog: options.Catalog = DEFAULT_CATALOG,
    auth: options.Auth = DEFAULT_AUTH,
    endpoint: options.Endpoint = DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = DEFAULT_CONCURRENCY,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    output: options.Format = Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Show one live persona, with all that is known of it.

    Its descriptor, its drift, its last 20 actions, and its feedback by module.
    """
    from personas.cli.asked import Asked
    from personas.cli.conduct import conduct
    from personas.reconcile.plan import Intent

    asked = Asked(
        command="show",
        catalog=catalog,
        auth=auth,
        endpoint=endpoint,
        jwt=jwt,
        allow_http=allow_http,
        concurrency=concurrency,
        timeout=timeout,
        output=output,
        report=tuple(report or ()),
        quiet=quiet,
        verbose=verbose,
        debug=debug,
    )

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            email = await run.read_one(service, who)
            run.make_plan_of(email, Intent())

    conduct(asked, job)
