"""What `--only PATTERN` means."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from personas.reconcile.changes import Change

Patterns = str | Collection[str] | None


def matches(change: Change, patterns: str | Collection[str]) -> bool:
    """Whether `--only PATTERN` means this change; both sides of it are looked at."""
    texts: list[str | None] = [change.key]
    for side in (change.wanted, change.existing):
        if side is not None:
            texts += [side.name, side.archetype]
    return matches_any(texts, patterns)


def matches_any(texts: Iterable[str | None], patterns: str | Collection[str]) -> bool:
    """Whether one of the patterns fits one of these texts; of an email, the part before the @ will do."""
    folded = [pattern.casefold() for pattern in ([patterns] if isinstance(patterns, str) else patterns)]
    for text in texts:
        if text is None:
            continue
        lowered = text.casefold()
        local = lowered.split("@")[0]
        parts = {lowered, local, local.removeprefix("persona.")}
        if any(fnmatchcase(part, pattern) for part in parts for pattern in folded):
            return True
    return False
