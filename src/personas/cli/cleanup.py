"""`personas cleanup`: delete every live persona, after saying what would be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli.options import CATALOG, REPORT, SERVICE, Given, taking
from personas.cli.seed import Force, Yes

if TYPE_CHECKING:
    from personas.cli.run import Run


@taking(*CATALOG, *SERVICE, "only", *REPORT)
def cleanup(
    given: Given,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing.", show_default=False)] = False,
    force: Force = False,
    yes: Yes = False,
) -> None:
    """Delete every live persona for good, whether the catalog has it or not.

    Drift from the catalog, as far as the list of personas tells it, is told first. Asks on a terminal; --yes
    says it elsewhere. An account with another name than in the catalog is left alone, unless the derived
    password proves that it is ours.
    """
    from personas.cli.run import conduct
    from personas.reconcile.plan import Intent
    from personas.secret import Secret

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            await run.read_live(service, secret=run.secret_if_any(), details=False, deleting=True)
            plan = run.make_plan(Intent(purpose="cleanup", force=force))
            number = len(plan.steps)
            if dry_run or not number:
                return
            what = f"cleanup would delete {number} {'persona' if number == 1 else 'personas'}"
            await run.confirm_deletions(what, plan.steps, yes=yes, force=force)
            await run.carry_out(service, Secret(""))

    conduct(given, "cleanup", job, dry_run=dry_run)
