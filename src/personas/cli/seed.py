"""`personas seed` and `personas dry-run`: one run, with and without its last step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli.options import CATALOG, REPORT, SERVICE, Given, taking

if TYPE_CHECKING:
    from personas.cli.run import Run
    from personas.reconcile.plan import Plan

Prune = Annotated[bool, typer.Option("--prune", help="Delete strays too.", show_default=False)]
Recreate = Annotated[
    bool,
    typer.Option(
        "--recreate",
        help="Delete and create again what an update cannot mend: name, password.",
        show_default=False,
    ),
]
CheckLogin = Annotated[
    bool,
    typer.Option(
        "--check-login", help="Sign in as every persona, to find locked-out ones.", show_default=False
    ),
]
ExpectPlan = Annotated[
    str | None, typer.Option("--expect-plan", metavar="SUM", help="Refuse unless the plan has this checksum.")
]
FailOnDrift = Annotated[
    bool, typer.Option("--fail-on-drift", help="Exit with 10 if drift is left.", show_default=False)
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Allow strays outside @mana.test to be deleted, and deleting in production.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", show_default=False)]


@taking(*CATALOG, *SERVICE, "only", *REPORT)
def seed(
    given: Given,
    *,
    prune: Prune = False,
    recreate: Recreate = False,
    check_login: CheckLogin = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.", show_default=False)] = False,
    expect_plan: ExpectPlan = None,
    fail_on_drift: FailOnDrift = False,
    force: Force = False,
    yes: Yes = False,
) -> None:
    """Make the catalog true on the service: create and update its personas.

    Strays (live personas that the catalog lacks) are reported and kept; --prune deletes them.
    Emails that belong to somebody else are refused before anything is written.
    """
    from personas.cli.run import conduct
    from personas.reconcile.plan import Intent

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

    conduct(given, "seed", job, dry_run=dry_run, fail_on_drift=fail_on_drift)


@taking(*CATALOG, *SERVICE, "only", *REPORT)
def dry_run(
    given: Given,
    *,
    prune: Prune = False,
    recreate: Recreate = False,
    check_login: CheckLogin = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at the catalog alone.", show_default=False)
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="FILE", help="Compare with a snapshot: list --full -o json > FILE."
        ),
    ] = None,
    expect_plan: ExpectPlan = None,
    fail_on_drift: FailOnDrift = False,
    force: Force = False,
) -> None:
    """Show what seed would do, and write nothing.

    Without credentials the catalog alone is looked at; so it is with --offline.
    """
    from personas.cli.run import conduct
    from personas.errors import UsageError
    from personas.reconcile.plan import Intent

    if against is not None and (offline or check_login):
        raise UsageError("--against compares with a file: --offline and --check-login do not go with it")
    intent = Intent(prune=prune, recreate=recreate, force=force)

    async def job(run: Run) -> None:
        run.read_catalog()
        if against is not None:
            run.read_snapshot(against)
        elif offline or not run.has_credentials:
            run.offline = True
        else:
            async with run.connect() as service:
                secret = run.secret_for_reading()
                await run.read_live(service, secret=secret, check_login=check_login, recreate=recreate)
        _check(run, run.make_plan(intent), expect_plan)

    conduct(given, "dry-run", job, dry_run=True, fail_on_drift=fail_on_drift)


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
    from personas.errors import Refused
    from personas.reconcile.plan import Step

    number = sum(1 for change in plan.steps if change.step is Step.DELETE)
    if not number:
        return
    what = f"--prune would delete {number} {'stray' if number == 1 else 'strays'} at {run.settings.auth}"
    if run.settings.production and not force:
        raise Refused(f"{what}, and this is production", hint="Say --force if that is meant.")
    await run.confirm(f"{what}. Go on?", yes=yes, what=what)
