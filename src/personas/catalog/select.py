"""Choosing personas: by pattern (`--only`), or one by its email, the part before the @, or its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import TYPE_CHECKING

from personas.catalog.models import glob
from personas.errors import UsageError

if TYPE_CHECKING:
    from personas.catalog.models import Catalog, Persona

_MAX_CANDIDATES = 5


def matches(patterns: Sequence[str], *, email: str, name: str = "", archetype: str = "") -> bool:
    """Whether a pattern matches the email, the part before the @, the name or the archetype.

    `*` and `?` are wildcards, case is ignored. Of `persona.anna@mana.test`, `anna` matches as well. Without
    patterns everything matches.
    """
    texts = [text for text in (email, *_local_parts(email), name, archetype) if text]
    return not patterns or any(glob(pattern).match(text) for pattern in patterns for text in texts)


def unmatched(patterns: Sequence[str], items: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Return the patterns that match none of these (email, name, archetype)."""
    left = dict.fromkeys(patterns)
    for email, name, archetype in items:
        if not left:
            break
        for pattern in tuple(left):
            if matches((pattern,), email=email, name=name, archetype=archetype):
                del left[pattern]
    return tuple(left)


def find_persona(catalog: Catalog, who: str) -> Persona:
    """Return the persona with this email, part before the @ (`persona.` can be left out) or name.

    Raises:
        UsageError: None or several match; names the nearest or the candidates.
    """
    wanted = who.strip().casefold()
    prefix = common_prefix(persona.email for persona in catalog.personas)
    for keys in (
        lambda persona: (persona.email,),
        lambda persona: (persona.email.partition("@")[0],),
        lambda persona: (persona.email.partition("@")[0].removeprefix(prefix),),
        lambda persona: _local_parts(persona.email),
        lambda persona: (persona.name.casefold(),),
    ):
        found = [persona for persona in catalog.personas if wanted in keys(persona)]
        if len(found) == 1:
            return found[0]
        if found:
            emails = ", ".join(persona.email for persona in found[:_MAX_CANDIDATES])
            more = f" and {len(found) - _MAX_CANDIDATES} more" if len(found) > _MAX_CANDIDATES else ""
            raise UsageError(
                f"{who!r} matches {len(found)} personas in {catalog.file}: {emails}{more}.",
                hint="Use an email.",
            )
    raise UsageError(f"No persona in {catalog.file} matches {who!r}.", hint=_suggest(catalog, wanted))


def common_prefix(emails: Iterable[str]) -> str:
    """Return what the parts before the @ have in common, up to a separator: `persona.`; empty if nothing."""
    # Something must be left of each part, so its last character does not count.
    parts = [email.partition("@")[0][:-1] for email in emails] or [""]
    first, last = min(parts), max(parts)
    same = list(takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    found = re.match(r".*[._+-]", first[: len(same)])
    return found[0] if found else ""


def _local_parts(email: str) -> tuple[str, ...]:
    """The part before the @, and what follows its first dot."""
    local = email.partition("@")[0]
    return tuple(part for part in (local, local.partition(".")[2]) if part)


def _suggest(catalog: Catalog, wanted: str) -> str:
    by_text = {
        text.casefold(): persona.email
        for persona in catalog.personas
        for text in (persona.email, *_local_parts(persona.email), persona.name)
    }
    near = dict.fromkeys(by_text[text] for text in get_close_matches(wanted, by_text, n=3))
    return f"Did you mean {' or '.join(near)}?" if near else ""
