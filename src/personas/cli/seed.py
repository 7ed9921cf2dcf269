"""`personas seed` and `personas dry-run`: one run, with and without its last step."""

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
    from personas.reconcile.plan import Plan


def seed(
    catalog: options.Catalog = DEFAULT_CATALOG,
    only: options.Only = None,
    auth: options.Auth = DEFAULT_AUTH,
    endpoint: options.Endpoint = DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = DEFAULT_CONCURRENCY,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    dry_run: options.DryRun = False,
    prune: options.Prune = False,
    recreate: options.Recreate = False,
    check_login: options.CheckLogin = False,
    expect_plan: options.ExpectPlan = None,
    yes: options.Yes = False,
    force: options.Force = False,
    fail_on_drift: options.FailOnDrift = False,
    output: options.Format = Output.TEXT,
    report: options.Reports = None,
    full: options.Full = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Make the catalog true on the service.

    Personas are created and updated. Strays (live personas that the catalog lacks) are reported and kept;
    --prune deletes them. Emails that belong to somebody else are refused before anything is written.
    """
    from personas.cli.asked import Asked
    from personas.cli.conduct import conduct
    from personas.reconcile.plan import Intent

    asked = Asked(
        command="seed",
        catalog=catalog,
        only=tuple(only or ()),
        auth=auth,
        endpoint=endpoint,
        jwt=jwt,
        allow_http=allow_http,
        concurrency=concurrency,
        timeout=timeout,
        dry_run=dry_run,
        fail_on_drift=fail_on_drift,
        output=output,
        report=tuple(report or ()),
        full=full,
        quiet=quiet,
        verbose=verbose,
        debug=debug,
    )
    intent = Intent(prune=prune, recreate=recreate, force=force)

    async def job(run: Run) -> None:
        run.read_catalog()
        secret = run.secret()
        async with run.connect() as service:
            await run.read_live(service, secret=secret, check_login=check_login, recreate=recreate)
            plan = run.make_plan(intent)
            _check(run, plan, expect_plan)
            if dry_run or not plan.steps:
                return
            await _confirm_deletions(run, plan, yes=yes, force=force)
            await run.carry_out(service, secret)

    conduct(asked, job)


def dry_run(
    catalog: options.Catalog = DEFAULT_CATALOG,
    only: options.Only = None,
    against: options.Against = None,
    max_age: options.MaxAge = None,
    auth: options.Auth = DEFAULT_AUTH,
    endpoint: options.Endpoint = DEFAULT_ENDPOINT,
    jwt: options.Jwt = None,
    allow_http: options.AllowHttp = False,
    concurrency: options.Concurrency = DEFAULT_CONCURRENCY,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    offline: options.Offline = None,
    prune: options.Prune = False,
    recreate: options.Recreate = False,
    check_login: options.CheckLogin = False,
    expect_plan: options.ExpectPlan = None,
    force: options.Force = False,
    fail_on_drift: options.FailOnDrift = False,
    output: options.Format = Output.TEXT,
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
    from personas.cli.asked import Asked
    from personas.cli.conduct import conduct
    from personas.cli.run import no_credentials
    from personas.errors import UsageError
    from personas.reconcile.plan import Intent

    asked = Asked(
        command="dry-run",
        catalog=catalog,
        only=tuple(only or ()),
        auth=auth,
        endpoint=endpoint,
        jwt=jwt,
        allow_http=allow_http,
        concurrency=concurrency,
        timeout=timeout,
        dry_run=True,
        fail_on_drift=fail_on_drift,
        max_age=max_age,
        output=output,
        report=tuple(report or ()),
        full=full,
        quiet=quiet,
        verbose=verbose,
        debug=debug,
    )
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
                await run.read_live(service, secret=secret, check_login=check_login, recreate=recreate)
        _check(run, run.make_plan(intent), expect_plan)

    conduct(asked, job)


def _check(run: Run, plan: Plan, expected: str | None) -> None:
    """Refuse what must not be carried out, before anything is written."""
    from personas.errors import Refused
    from personas.reconcile.plan import State

    if collisions := plan.of(State.COLLISION):
        which = ", ".join(change.key for change in collisions[:3]) + (" …" if len(collisions) > 3 else "")
        number = (
            "one catalog email belongs"
            if len(collisions) == 1
            else f"{len(collisions)} catalog emails belong"
        )
        raise Refused(
            f"{number} to somebody who is not one of ours: {which}; nothing was written",
            hint="Choose another email in the catalog. Nobody's account is turned into a persona.",
        )
    if expected is not None and expected.strip().lower() != plan.checksum:
        raise Refused(
            f"the plan is not the expected one: it is {plan.checksum}; nothing was written",
            hint=f"Look at it again: personas dry-run --catalog {run.settings.catalog}",
        )


async def _confirm_deletions(run: Run, plan: Plan, *, yes: bool, force: bool) -> None:
    from personas.cli.conduct import confirm
    from personas.errors import Refused
    from personas.reconcile.plan import Step

    number = sum(1 for change in plan.steps if change.step is Step.DELETE)
    if not number:
        return
    what = f"--prune would delete {number} {'stray' if number == 1 else 'strays'} at {run.settings.auth}"
    if run.settings.production and not force:
        raise Refused(f"{what}, and this is production", hint="Say --force if that is meant.")
    await confirm(run, what, yes=yes)
