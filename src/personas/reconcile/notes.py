"""What a plan says beside its changes: emails that look changed, accounts that may be somebody else's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from personas.reconcile.changes import Change, State, Step

# More of a kind than these are counted.
MOST_NOTES = 5


def tell_renamed(changes: Sequence[Change]) -> tuple[tuple[Change, ...], list[str]]:
    """The changes, each that looks like a changed email with that as its reason, and what becomes of whom.

    It looks so when what would be created has the name of a stray, and nobody else among them has it.
    """
    new_of, old_of = (
        _by_unique_name(c for c in changes if c.state is state) for state in (State.CREATE, State.STRAY)
    )
    pairs = {new_of[name].key: old_of[name] for name in new_of if name in old_of}
    if not pairs:
        return tuple(changes), []
    reasons = {key: f"looks like {old.key} with a changed email" for key, old in pairs.items()}
    reasons |= {old.key: f"looks like {key} before its email was changed" for key, old in pairs.items()}
    told = [
        f"{key} looks like {old.key} with a changed email: it gets a new account, and the old one "
        + ("is deleted, with its actions, feedback and spaces." if old.step is Step.DELETE else _STAYS)
        for key, old in sorted(pairs.items())
    ]
    marked = tuple(
        replace(change, reason="; ".join(filter(None, (change.reason, reasons[change.key]))))
        if change.key in reasons
        else change
        for change in changes
    )
    return marked, _few(told, "more emails look changed")


_STAYS = "stays, with its actions and feedback. To delete it: personas seed --prune"


def tell_doubts(changes: Sequence[Change]) -> list[str]:
    """Accounts that may be somebody else's, by email and id: those left alone, and those to be deleted."""
    spared = [change for change in changes if change.doubt and change.doubt.reason in change.reason]
    deleted = [change for change in changes if change.doubt and change.step in {Step.DELETE, Step.RECREATE}]
    return [
        *_few([*_tell(deleted, "to be looked at before it is deleted")], "more such accounts are not spared"),
        *_few([*_tell(spared, "left alone without --force")], "more such accounts are left alone"),
    ]


def _tell(changes: Iterable[Change], what: str) -> Iterator[str]:
    for change in changes:
        if change.existing and change.doubt:
            who = f"{change.key} (user {change.existing.user_id})"
            yield f"{who} may be somebody else's account, {what}: {change.doubt.reason}."


def _few(notes: list[str], more: str) -> list[str]:
    left = len(notes) - MOST_NOTES
    return [*notes[:MOST_NOTES], f"{left:,} {more}."] if left > 1 else notes


def _by_unique_name(changes: Iterable[Change]) -> Mapping[str, Change]:
    named = [(change.name.casefold(), change) for change in changes if change.name]
    often = Counter(name for name, _ in named)
    return {name: change for name, change in named if often[name] == 1}
