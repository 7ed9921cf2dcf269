"""What a shell completes: personas, archetypes and names, from the catalog at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from personas.errors import PersonasError

if TYPE_CHECKING:
    from personas.catalog.reading import Persona


def complete_who(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """WHO: the part of each email before the @, each with the name; a whole email once an @ is typed."""
    personas = _personas(ctx)
    return [(p.email if "@" in incomplete else p.email.partition("@")[0], p.name) for p in personas]


def complete_only(ctx: typer.Context) -> list[tuple[str, str]]:
    """--only: every archetype, then everybody."""
    personas = _personas(ctx)
    archetypes = sorted({persona.archetype for persona in personas})
    everybody = ((persona.email.partition("@")[0], persona.name) for persona in personas)
    return [*((archetype, "archetype") for archetype in archetypes), *everybody]


def _personas(ctx: typer.Context) -> tuple[Persona, ...]:
    from personas.catalog.reading import load_catalog

    try:
        return load_catalog(ctx.params.get("catalog") or "").personas
    except PersonasError:  # nothing to offer, and a shell that completes is no place to say why
        return ()
