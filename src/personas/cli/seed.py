"""`personas seed` and `personas dry-run`: one run, with and without its last step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from personas import settings
from personas.cli import options
from personas.cli.asked import Asked
from personas.errors import UsageError

if TYPE_CHECKING:
    from personas.cli.run import Run


def seed(
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
    prune: options.Prune = False,
    recreate: options.Recreate = False,
    check_login: options.CheckLogin = False,
    expect_plan: options.ExpectPlan = None,
    yes: options.Yes = False,
    force: options.Force = False,
    fail_on_drift: options.FailOnDrift = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    full: options.Full = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Make the catalog true on the service.

    Personas are created and updated. Strays (live personas that the catalog
    lacks) are reported and kept; --prune deletes them. Emails that belong to
    somebody else are refused before anything is written, and so is the whole run
    with another seed secret than the live personas were seeded with.
    """
    from personas.cli.conduct import conduct
    from personas.cli.consent import check_plan, confirm_deletions, losses
    from personas.reconcile.plan import Intent, Step

    intent = Intent(prune=prune, recreate=recreate, force=force)

    async def job(run: Run) -> None:
        run.read_catalog()
        secret = run.secret()
        async with run.connect() as service:
            await run.read_for_seeding(service, secret, intent, check_login=check_login)
            plan = run.make_plan(intent)
            check_plan(run, plan, expect_plan)
            if dry_run or not plan.steps:
                return
            if what := losses(plan):
                lost = [change for change in plan.personas if change.step in {Step.DELETE, Step.RECREATE}]
                await confirm_deletions(run, what, lost, yes=yes, force=force)
            await run.carry_out(service, secret)

    conduct(Asked.of(ctx), job)


def dry_run(
    ctx: typer.Context,
    catalog: options.Catalog = settings.DEFAULT_CATALOG,
    only: options.Only = None,
    against: options.Against = None,
    max_age: options.MaxAge = None,
    auth: options.Auth = settings.DEFAULT_AUTH,
    endpoint: options.Endpoint = settings.DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = settings.DEFAULT_CONCURRENCY,
    timeout: options.Timeout = settings.DEFAULT_TIMEOUT,
    offline: options.Offline = None,
    prune: options.Prune = False,
    recreate: options.Recreate = False,
    check_login: options.CheckLogin = False,
    expect_plan: options.ExpectPlan = None,
    force: options.Force = False,
    fail_on_drift: options.FailOnDrift = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    full: options.Full = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Show what seed would do, and write nothing.

    Without credentials the catalog alone is looked at, unless a comparison was asked for: by --online,
    --expect-plan, --fail-on-drift or --quiet.
    """
    from personas.cli.conduct import conduct
    from personas.cli.consent import check_plan
    from personas.cli.run import no_credentials
    from personas.reconcile.plan import Intent

    intent = Intent(prune=prune, recreate=recreate, force=force)
    compares = offline is False or expect_plan is not None or fail_on_drift or quiet

    async def job(run: Run) -> None:
        if against is not None and (offline is not None or check_login):
            raise UsageError(
                "--against compares with a file: --offline, --online and --check-login do not go with it"
            )
        if offline and (expect_plan is not None or fail_on_drift):
            raise UsageError(
                "--offline compares nothing: --expect-plan and --fail-on-drift do not go with it"
            )
        if max_age is not None and against is None:
            raise UsageError("--max-age is about the age of a snapshot", hint="Name one with --against.")
        run.read_catalog()
        if against is not None:
            run.read_snapshot(against)
        elif offline or not (run.has_credentials or compares):
            run.offline = True
        elif not run.has_credentials:
            raise no_credentials(f"there are no credentials to compare with {run.settings.auth}")
        else:
            async with run.connect() as service:
                secret = run.secret_for_reading()
                await run.read_for_seeding(service, secret, intent, check_login=check_login)
        check_plan(run, run.make_plan(intent), expect_plan)

    conduct(Asked.of(ctx, dry_run=True), job)
