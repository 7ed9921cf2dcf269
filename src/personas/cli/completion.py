"""Shell completion of personas and patterns, from the catalog at hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

from personas.config import DEFAULT_CATALOG, variable
from personas.errors import PersonasError

if TYPE_CHECKING:
    from personas.catalog.models import Persona

# zsh evaluates what it is offered, the help included.
_PLAIN = re.compile(r"[A-Za-z0-9._@+-]+")


def complete_persona(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the part of each email before the @; whole emails once an @ is typed."""
    offers = []
    for persona in _personas(ctx):
        text = persona.email if "@" in incomplete else persona.email.partition("@")[0]
        offers.append((text, persona.archetype))
    return _keep_plain(offers)


def complete_pattern(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer every archetype, and what `complete_persona` offers."""
    archetypes = {persona.archetype for persona in _personas(ctx)}
    offers = [(archetype, "archetype") for archetype in sorted(archetypes)]
    return _keep_plain(offers) + complete_persona(ctx, incomplete)


def _keep_plain(offers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out offers, and help texts, with any character that a shell could act on."""
    return [
        (text, help_text if _PLAIN.fullmatch(help_text) else "")
        for text, help_text in offers
        if _PLAIN.fullmatch(text)
    ]


def _personas(ctx: typer.Context) -> tuple[Persona, ...]:
    from personas.catalog.loader import load_catalog

    try:
        file = ctx.params.get("catalog") or variable("PERSONAS_CATALOG") or DEFAULT_CATALOG
        return load_catalog(file).personas
    except PersonasError:  # a shell that completes cannot show it
        return ()
