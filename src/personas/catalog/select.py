"""Choosing personas: by pattern (`--only`), or one by its email, the part before the @, or its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from os.path import commonprefix
from typing import Protocol, TypeVar

from personas.catalog.models import glob
from personas.errors import UsageError

Found = TypeVar("Found", bound="_Named")


class _Named(Protocol):
    @property
    def email(self) -> str: ...
    @property
    def name(self) -> str | None: ...


def matches(patterns: Sequence[str], *, email: str, name: str = "", archetype: str = "") -> bool:
    """Whether a pattern matches the email, the part before the @, the name or the archetype.

    `*` and `?` are wildcards, case is ignored. `anna` also matches `persona.anna@mana.test`. Without patterns
    everything matches.
    """
    texts = [text for text in (email, *_short_forms(email), name, archetype) if text]
    return not patterns or any(glob(pattern).match(text) for pattern in patterns for text in texts)


def unmatched(patterns: Sequence[str], items: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Return the patterns that match none of these (email, name, archetype)."""
    texts = list(items)
    return tuple(
        pattern
        for pattern in dict.fromkeys(patterns)
        if not any(matches((pattern,), email=email, name=name, archetype=kind) for email, name, kind in texts)
    )


def find_persona(personas: Sequence[Found], who: str, place: str) -> Found:
    """Return the persona with this email, part before the @ (`persona.` can be left out) or name.

    Raises UsageError if none or several match; it names them and the place, such as `in catalog.json`.
    """
    wanted = who.strip().casefold()
    prefix = common_prefix(persona.email for persona in personas)
    for forms in (
        lambda persona: (persona.email, persona.email.partition("@")[0]),
        lambda persona: (*_short_forms(persona.email), *_short_forms(persona.email.removeprefix(prefix))),
        lambda persona: ((persona.name or "").casefold(),),
    ):
        found = [persona for persona in personas if wanted in forms(persona)]
        if len(found) == 1:
            return found[0]
        if found:
            emails = ", ".join(persona.email for persona in found[:5]) + (", …" if len(found) > 5 else "")
            message = f"{who!r} matches {len(found)} personas {place}: {emails}."
            raise UsageError(message, hint="Use an email.")
    by_text = {
        text.casefold(): persona.email
        for persona in personas
        for text in (persona.email, *_short_forms(persona.email), persona.name or "")
    }
    near = dict.fromkeys(by_text[text] for text in get_close_matches(wanted, by_text))
    hint = f"Did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"No persona {place} matches {who!r}.", hint=hint)


def common_prefix(emails: Iterable[str]) -> str:
    """Return how all parts before the @ begin, up to a separator: `persona.`; empty if they differ."""
    # Something must be left of each part, so its last character does not count.
    same = commonprefix([email.partition("@")[0][:-1] for email in emails])  # noqa: RUF071 - by characters
    return same[: max(same.rfind(separator) for separator in "._+-") + 1]


def _short_forms(email: str) -> tuple[str, ...]:
    """Return the part before the @, and what follows the first dot in it."""
    local = email.partition("@")[0]
    return tuple(part for part in (local, local.partition(".")[2]) if part)
