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

    Drift from the catalog is told first. Asks on a terminal; --yes says it elsewhere.
    """
    from personas.cli.run import conduct
    from personas.errors import Refused
    from personas.reconcile.plan import Intent
    from personas.secret import Secret

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
            await run.confirm(f"{what}. Go on?", yes=yes, what=what)
            await run.carry_out(service, Secret(""))

    conduct(given, "cleanup", job, dry_run=dry_run)
