"""`personas cleanup`: delete every live persona, after saying what would be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from personas import settings
from personas.cli import options
from personas.cli.asked import Asked
from personas.secret import Secret

if TYPE_CHECKING:
    from personas.cli.run import Run


def cleanup(
    ctx: typer.Context,
    catalog: options.Catalog = settings.DEFAULT_CATALOG,
    only: options.Only = None,
    auth: options.Auth = settings.DEFAULT_AUTH,
    endpoint: options.Endpoint = settings.DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = settings.DEFAULT_CONCURRENCY,
    timeout: options.Timeout = settings.DEFAULT_TIMEOUT,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    force: options.Force = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    full: options.Full = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Delete every live persona for good.

    Whether the catalog has it or not. Drift from the catalog, as far as the list
    tells it, is told first. An account with another name than in the catalog is
    left alone, unless the derived password proves that it is ours. Asks on a
    terminal; --yes says it elsewhere.
    """
    from personas.cli.conduct import conduct
    from personas.cli.consent import confirm_deletions
    from personas.reconcile.plan import Intent
    from personas.report.wording import count

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            await run.read_live(
                service, secret=run.secret_if_any(), details=False, deleting=True, everybodys_spaces=True
            )
            plan = run.make_plan(Intent(purpose="cleanup", force=force))
            if dry_run or not plan.steps:
                return
            spaces = sum(change.step is not None for change in plan.spaces)
            number = len(plan.steps) - spaces
            what = count(number, "persona") + (f" and {count(spaces, 'space')}" if spaces else "")
            await confirm_deletions(run, f"cleanup would delete {what}", plan.steps, yes=yes, force=force)
            await run.carry_out(service, Secret(""))

    conduct(Asked.of(ctx), job)
