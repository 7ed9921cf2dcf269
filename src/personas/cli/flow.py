"""The steps that several commands share: passwords, checks before a run, and carrying out a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from personas.cli.connect import connect
from personas.cli.streams import print_line
from personas.config import choose_seed_secret
from personas.errors import PartialFailure, SafetyError
from personas.reconcile.apply import apply
from personas.reconcile.changes import Kind, Options, Outcome, Plan, Status
from personas.reconcile.fetch import fetch
from personas.reconcile.plan import make_plan

if TYPE_CHECKING:
    from personas.catalog.models import Catalog
    from personas.cli.runner import Run
    from personas.config import Config
    from personas.passwords import PasswordDeriver


def choose_passwords(config: Config) -> PasswordDeriver:
    """Return the password deriver of a run; print a line if it uses the development secret.

    Raises:
        SafetyError: There is no seed secret that may be used here.
    """
    passwords = choose_seed_secret(config)
    if passwords.development:
        print_line("Using the public development seed secret; set PERSONA_SEED_SECRET for another one.")
    return passwords


def require_allowed_domain(catalog: Catalog) -> None:
    """Check that the catalog may write to its domains.

    Raises:
        SafetyError: A domain is not reserved for tests, and the catalog does not allow it.
    """
    if catalog.scope.real_domains and not catalog.allow_real_domain:
        domains = ", ".join(domain.removeprefix("@") for domain in catalog.scope.real_domains)
        raise SafetyError(
            f"The scope of {catalog.file} contains a real domain: {domains}. Nothing was changed.",
            hint='Use a domain such as example.test, or set "allowRealDomain": true in the catalog.',
        )


def read_plan(
    run: Run,
    config: Config,
    catalog: Catalog,
    passwords: PasswordDeriver | None,
    options: Options,
    *,
    check_passwords: bool = False,
    create: bool = False,
) -> Plan:
    """Read the live state and compare the catalog with it.

    Args:
        run: The run; gets the plan.
        config: Where to read.
        catalog: What to compare.
        passwords: None if there is no seed secret.
        options: What the run may do.
        check_passwords: Whether to check every password.
        create: Whether an embedded service is created where there is none; otherwise all is to be created.
    """

    async def read() -> Plan:
        async with connect(run, config, create=create, preview=True) as service:
            live = await fetch(
                service,
                catalog,
                passwords=passwords,
                only=options.only,
                check_passwords=check_passwords,
                replace=options.replace,
                force=options.force,
            )
        return make_plan(catalog, live, options)

    run.plan = plan = run.read(read, "Reading")
    run.compared = True
    return plan


def check_plan(plan: Plan, expected: str | None = None) -> None:
    """Check that a plan may be carried out.

    Raises:
        SafetyError: A catalog email belongs to another account, or the checksum is not the expected one.
    """
    conflicts = plan.of(Status.CONFLICT)
    if conflicts and plan.kind is Kind.PERSONA:
        emails = ", ".join(change.key for change in conflicts)
        belong = "belongs" if len(conflicts) == 1 else "belong"
        raise SafetyError(
            f"{emails} {belong} to an account that is not a persona. Nothing was changed.",
            hint="Use another email in the catalog.",
        )
    if expected is not None and expected.strip().lower() != plan.checksum:
        raise SafetyError(
            f"The plan has the checksum {plan.checksum}, not {expected}. Nothing was changed.",
            hint="Look at the new plan with --dry-run, and pass its checksum.",
        )


def apply_personas(
    run: Run,
    config: Config,
    catalog: Catalog,
    plan: Plan,
    passwords: PasswordDeriver | None,
    *,
    force: bool = False,
) -> None:
    """Carry out a plan of personas; first release the spaces of those that are deleted.

    Raises:
        PartialFailure: Some personas were kept because their spaces could not be released.
        ServiceError: The service stopped the run.
        Interrupted: A signal stopped it.
    """

    async def job(on_outcome: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
        async with connect(run, config) as service:
            released = plan
            if catalog.spaces:
                from personas.spaces.release import release_spaces

                released, notes = await release_spaces(
                    service, catalog, plan, passwords, force=force, cancel=run.cancel
                )
                run.plan = released
                run.notes += notes
            return await apply(released, service, passwords, cancel=run.cancel, on_outcome=on_outcome)

    run.write(job, plan)
    if run.plan is not None and (kept := len(plan.actions) - len(run.plan.actions)):
        raise PartialFailure(f"{kept} kept because their spaces could not be released.")
