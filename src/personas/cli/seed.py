"""`personas seed` and `personas dry-run`: one run, with and without its last step."""

from __future__ import annotations

from collections import Counter
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

    Personas are created and updated. Strays (live personas that the catalog
    lacks) are reported and kept; --prune deletes them. Emails that belong to
    somebody else are refused before anything is written, and so is the whole run
    with another seed secret than the live personas were seeded with.
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
            await run.read_for_seeding(service, secret, intent, check_login=check_login)
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
                await run.read_for_seeding(service, secret, intent, check_login=check_login)
        _check(run, run.make_plan(intent), expect_plan)

    conduct(asked, job)


def _check(run: Run, plan: Plan, expected: str | None) -> None:
    """Refuse what must not be carried out, before anything is written."""
    from personas.errors import Refused
    from personas.reconcile.plan import State

    if collisions := plan.of(State.COLLISION):
        which = ", ".join(change.key for change in collisions[:3]) + (" …" if len(collisions) > 3 else "")
        things = {change.thing for change in collisions}
        one, many = ("space", "spaces") if things == {"space"} else ("email", "emails")
        number = f"one catalog {one} belongs"
        if len(collisions) > 1:
            number = f"{len(collisions)} catalog {many if len(things) == 1 else 'entries'} belong"
        raise Refused(
            f"{number} to somebody who is not one of ours: {which}; nothing was written",
            hint=" ".join(_CURES[thing] for thing in sorted(things)),
        )
    if expected is not None and expected.strip().lower() != plan.checksum:
        raise Refused(
            f"the plan is not the expected one: it is {plan.checksum}; nothing was written",
            hint=f"Look at it again: personas dry-run --catalog {run.settings.catalog}",
        )


async def _confirm_deletions(run: Run, plan: Plan, *, yes: bool, force: bool) -> None:
    from personas.cli.conduct import confirm_deletions
    from personas.reconcile.plan import Step

    steps = Counter((change.thing, str(change.step)) for change in plan.steps)
    steps["member", "delete"] = sum(
        item.mendable and item.new is None
        for change in plan.spaces
        if change.step is Step.UPDATE
        for item in change.fields
    )
    parts = [
        one if steps[thing, step] == 1 else many.format(steps[thing, step])
        for thing, step, one, many in _LOSSES
        if steps[thing, step]
    ]
    if parts:
        lost = [c for c in plan.personas if c.step in {Step.DELETE, Step.RECREATE}]
        await confirm_deletions(run, " and ".join(parts), lost, yes=yes, force=force)


_CURES = {
    "persona": "Choose another email in the catalog. Nobody's account is turned into a persona.",
    "space": "Choose another slug in the catalog. Nobody's space is taken over.",
}
_LOSSES: tuple[tuple[str, str, str, str], ...] = (
    ("persona", "delete", "--prune would delete 1 stray", "--prune would delete {} strays"),
    ("space", "delete", "1 space would be deleted", "{} spaces would be deleted"),
    ("member", "delete", "--prune would remove 1 member of a space", "--prune would remove {} members"),
    (
        "persona",
        "recreate",
        "--recreate would delete 1 persona and create it again",
        "--recreate would delete {} personas and create them again",
    ),
    (
        "space",
        "recreate",
        "1 space would be deleted and created again",
        "{} spaces would be deleted and created again",
    ),
)
