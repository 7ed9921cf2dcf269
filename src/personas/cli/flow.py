"""The steps that several commands share: passwords, reading, checks before a run, and carrying out a plan."""

from __future__ import annotations

from functools import partial

from personas.catalog.models import Catalog
from personas.cli.confirm import confirm
from personas.cli.password import choose_passwords
from personas.cli.runner import Observer, Run
from personas.config import Config
from personas.errors import PartialFailure, SafetyError
from personas.passwords import PasswordDeriver
from personas.reconcile.apply import apply
from personas.reconcile.changes import Options, Outcome, Plan, Result, Status
from personas.reconcile.fetch import fetch
from personas.reconcile.plan import make_plan
from personas.report.text import describe_deletions
from personas.services.base import Service


def choose_passwords_if_any(config: Config) -> PasswordDeriver | None:
    """Return the password deriver; None if no seed secret may be used here."""
    try:
        return choose_passwords(config)
    except SafetyError:
        return None


def require_allowed_domain(catalog: Catalog) -> None:
    """Raise a SafetyError if the catalog has a real domain and does not say that it may write to it."""
    if catalog.scope.real_domains and not catalog.allow_real_domain:
        domains = ", ".join(catalog.scope.real_domains)
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
    check_passwords: bool,
    create: bool = False,
) -> Plan:
    """Read the live state and compare the catalog with it; `create` creates an embedded service."""
    job = partial(
        fetch,
        catalog=catalog,
        passwords=passwords,
        only=options.only,
        check_passwords=check_passwords,
        replace=options.replace,
        force=options.force,
    )
    plan = make_plan(catalog, run.read(job, config, create=create), options)
    run.add(plan=plan)
    return plan


def check_plan(plan: Plan, expected: str | None = None) -> None:
    """Raise a SafetyError if a plan has a conflict, or another checksum than expected."""
    if conflicts := plan.of(Status.CONFLICT):
        emails = ", ".join(change.key for change in conflicts)
        belong = "belongs" if len(conflicts) == 1 else "belong"
        raise SafetyError(
            f"{emails} {belong} to an account that is not a persona. Nothing was changed.",
            hint="Use another email in the catalog.",
        )
    if expected is not None and expected.strip().lower() != plan.checksum:
        raise SafetyError(
            f"The plan has the checksum {plan.checksum}, not {expected}. Nothing was changed.",
            hint="Review the new plan with --dry-run, and pass its checksum.",
        )


def describe_spaces(catalog: Catalog, plan: Plan) -> tuple[str, ...]:
    """Return a note about the spaces that are deleted with the personas of the plan, if there are any."""
    from personas.spaces.apply import spaces_to_release

    slugs = ", ".join(spaces_to_release(catalog, plan))
    return (f"Spaces that they own are deleted first, where they exist: {slugs}.",) if slugs else ()


def apply_personas(
    run: Run, config: Config, catalog: Catalog, plan: Plan, passwords: PasswordDeriver | None, *, yes: bool
) -> None:
    """Ask before anything is deleted, and carry out a plan of personas.

    First releases the spaces of those that are deleted; raises PartialFailure if some were kept because that
    was not possible.
    """
    from personas.spaces.apply import release_spaces  # many runs change nothing

    if losses := describe_deletions(plan):
        losses = "\n".join((losses, *describe_spaces(catalog, plan)))
        confirm(run, losses, f"Delete at {config.address}?", yes=yes, force=plan.options.force)

    async def job(service: Service, on_outcome: Observer) -> tuple[Outcome, ...]:
        released = plan
        if catalog.spaces:
            done: list[Outcome] = []
            try:
                released, notes = await release_spaces(
                    service, catalog, plan, passwords, cancel=run.cancel, on_outcome=done.append
                )
            except BaseException:  # a second signal
                for result, what in ((Result.DONE, "deleted or left"), (Result.UNKNOWN, "perhaps deleted")):
                    if slugs := [outcome.key for outcome in done if outcome.result is result]:
                        run.add(notes=(f"Spaces {what} first: {', '.join(slugs)}.",))
                raise
            run.add(plan=released, notes=notes)
        return await apply(released, service, passwords, cancel=run.cancel, on_outcome=on_outcome)

    run.write(job, config, plan)
    if kept := len(plan.actions) - len(run.report.outcomes):
        hint = "Each row says why. With --force they are deleted, and the slugs of their spaces are lost."
        raise PartialFailure(f"{kept} kept because their spaces could not be released.", hint=hint)
