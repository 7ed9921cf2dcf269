"""`personas show WHO`: one live persona with all that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli.options import CATALOG, REPORT, SERVICE, Given, taking

if TYPE_CHECKING:
    from personas.cli.run import Run

Who = Annotated[
    str, typer.Argument(metavar="WHO", help="An email, its part before the @, or a name when unique.")
]


@taking(*CATALOG, *SERVICE, *REPORT)
def show(given: Given, who: Who) -> None:
    """Show one live persona: descriptor, drift, its last 20 actions, its feedback by module."""
    from datetime import UTC, datetime

    from personas.catalog.who import choose
    from personas.cli.run import conduct
    from personas.reconcile.live import Live
    from personas.reconcile.plan import Intent

    async def job(run: Run) -> None:
        run.try_catalog()
        async with run.connect() as service:
            listed = await service.list_personas()
            email = choose(who, [(p.email, p.name or "") for p in listed], where="among the live personas")
            persona = next(p for p in listed if p.email == email)
            detail = await service.get_persona(persona.user_id, who=email)
            told_by_list = {
                "email": email,
                "name": detail.persona.name or persona.name,
                "actions_7d": persona.actions_7d,
            }
            whole = detail.persona.model_copy(update=told_by_list)
            run.detail = detail.model_copy(update={"persona": whole})
            run.live = Live(personas=(whole,))
            run.taken_at = datetime.now(UTC)
            run.make_plan_of(email, Intent())

    conduct(given, "show", job)
