"""`personas cleanup`: delete every live persona, after saying what would be lost."""

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


def cleanup(
    catalog: options.Catalog = DEFAULT_CATALOG,
    only: options.Only = None,
    auth: options.Auth = DEFAULT_AUTH,
    endpoint: options.Endpoint = DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = DEFAULT_CONCURRENCY,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    force: options.Force = False,
    output: options.Format = Output.TEXT,
    report: options.Reports = None,
    full: options.Full = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Delete every live persona for good.

    Whether the catalog has it or not. Drift from the catalog is told first. Asks on a terminal; --yes says
    it elsewhere.
    """
    from personas.cli.asked import Asked
    from personas.cli.conduct import conduct, confirm
    from personas.errors import Refused
    from personas.reconcile.plan import Intent
    from personas.secret import Secret

    asked = Asked(
        command="cleanup",
        catalog=catalog,
        only=tuple(only or ()),
        auth=auth,
        endpoint=endpoint,
        jwt=jwt,
        allow_http=allow_http,
        concurrency=concurrency,
        timeout=timeout,
        dry_run=dry_run,
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
            await run.read_live(service, owners=False)
            plan = run.make_plan(Intent(purpose="cleanup", force=force))
            number = len(plan.steps)
            if dry_run or not number:
                return
            noun = "persona" if number == 1 else "personas"
            what = f"cleanup would delete {number} {noun} at {run.settings.auth}"
            if run.settings.production and not force:
                raise Refused(f"{what}, and this is production", hint="Say --force if that is meant.")
            await confirm(run, what, yes=yes)
            await run.carry_out(service, Secret(""))

    conduct(asked, job)
