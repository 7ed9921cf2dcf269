"""Shell completion of personas and patterns, from the catalog at hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

from personas.config import DEFAULT_CATALOG, variable
from personas.errors import PersonasError

if TYPE_CHECKING:
    from personas.catalog.models import Persona

# Shells act on other characters; zsh evaluates what it is offered, the help included.
_PLAIN = re.compile(r"[A-Za-z0-9._@+-]+")


def complete_persona(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the part of each email before the @; whole emails once an @ is typed."""
    emails = {persona.email: persona.archetype for persona in _personas(ctx)}
    return _offer({e if "@" in incomplete else e.partition("@")[0]: text for e, text in emails.items()})


def complete_pattern(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer every archetype, and what `complete_persona` offers."""
    archetypes = sorted({persona.archetype for persona in _personas(ctx)})
    return _offer(dict.fromkeys(archetypes, "archetype")) + complete_persona(ctx, incomplete)


def _offer(texts: dict[str, str]) -> list[tuple[str, str]]:
    """Return plain texts with their help, where that is plain too."""
    plain = {text: about for text, about in texts.items() if _PLAIN.fullmatch(text)}
    return [(text, about if _PLAIN.fullmatch(about) else "") for text, about in plain.items()]


def _personas(ctx: typer.Context) -> tuple[Persona, ...]:
    from personas.catalog.loader import load_catalog

    try:
        file = ctx.params.get("catalog") or variable("PERSONAS_CATALOG") or DEFAULT_CATALOG
        return load_catalog(file).personas
    except PersonasError:  # a shell that completes cannot show it
        return ()
