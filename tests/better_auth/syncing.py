"""What the commands do with a Better Auth, without the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Catalog
from personas.passwords import PasswordDeriver
from personas.reconcile.apply import apply
from personas.reconcile.changes import Options, Outcome, Plan
from personas.reconcile.fetch import fetch
from personas.reconcile.plan import make_cleanup_plan, make_plan
from personas.redact import Secret
from personas.services.better_auth import BetterAuthService

PASSWORDS = PasswordDeriver(Secret("the-seed-secret-of-these-tests"))
ADA, BO, CY = "persona.ada@mana.test", "persona.bo@mana.test", "persona.cy@mana.test"


class Run(NamedTuple):
    """A plan, and how it ended."""

    plan: Plan
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many changes have each status."""
        return {status.value: count for status, count in self.plan.counts.items() if count}

    @property
    def results(self) -> set[str]:
        """How the actions ended."""
        return {outcome.result.value for outcome in self.outcomes}


def catalog(*names: str, **changes: Any) -> Catalog:
    """A catalog of personas with these names; `changes` apply to each."""
    personas = [
        {
            "name": name.title(),
            "email": f"persona.{name}@mana.test",
            "archetype": "researcher",
            "systemPrompt": f"You are {name}, who tests things with great care.",
            "moduleMix": {"todo": 0.5, "notes": 1},
            "tickCadence": "daily",
            **changes,
        }
        for name in names or ("ada", "bo", "cy")
    ]
    return parse_catalog(json.dumps({"personas": personas}), file="catalog.json")


async def sync(
    service: BetterAuthService,
    wanted: Catalog,
    *,
    cleanup: bool = False,
    before: Callable[[], object] | None = None,
    prune: bool = False,
    replace: bool = False,
) -> Run:
    """Read, plan and apply; `before` is called between plan and apply."""
    live = await fetch(service, wanted, passwords=PASSWORDS, replace=replace)
    make = make_cleanup_plan if cleanup else make_plan
    plan = make(wanted, live, Options(prune=prune, replace=replace))
    if before is not None:
        before()
    return Run(plan, await apply(plan, service, PASSWORDS))
