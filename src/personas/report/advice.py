"""What to do about what a run leaves as it is, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from personas.reconcile.changes import State
from personas.report import wording
from personas.report.differences import Difference, Part

_PRUNE, _RECREATE = "personas seed --prune", "personas seed --recreate"
_EMAIL_TAKEN = (
    "The email belongs to a user who is not one of ours, so nothing is sent for it. "
    "Give the persona another email in the catalog."
)
_SLUG_TAKEN = (
    "The slug belongs to a space that is not one of ours, which is left alone. "
    "Give the space another slug in the catalog."
)
_LOCKED_OUT = (
    "The derived password does not sign in. If that is so for all, they were seeded "
    "with another secret: check PERSONA_SEED_SECRET. Otherwise delete and create again:"
)
_TOO_MANY = "Members whom the catalog does not have stay. To remove them:"
_ADVICE = {
    State.COLLISION: (_EMAIL_TAKEN, ""),
    State.NOT_KNOWN: ("What is not known is not written. To ask again, run again.", ""),
    State.LOCKED_OUT: (_LOCKED_OUT, _RECREATE),
    State.RECREATE: ("The service keeps an existing user's name. To delete and create again:", _RECREATE),
    State.STRAY: ("Not in the catalog, and left alone. To delete:", _PRUNE),
}
_SPACES_IN = {
    State.COLLISION: ("slug taken", "slugs taken"),
    State.NOT_KNOWN: ("space not known", "spaces not known"),
    State.UPDATE: ("space differs", "spaces differ"),
    State.STRAY: ("stray space", "stray spaces"),
}
_SPACES = {State.COLLISION: (_SLUG_TAKEN, ""), State.UPDATE: (_TOO_MANY, _PRUNE)}
_PRUNED = {
    State.UPDATE: (_TOO_MANY, f"{_PRUNE} --force"),
    State.STRAY: ("Not in the catalog, and left alone all the same.", ""),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about a state that a run leaves as it is.

    Attributes:
        state: The state.
        title: How many there are: `2 strays`.
        text: What it means, and what can be done.
        command: The command that does it; empty where there is none.
        changes: Those that are meant.
        explained: Whether the reason of each is worth telling.
    """

    state: State
    title: str
    text: str
    command: str
    changes: Sequence[Difference]
    explained: bool


def advice_on(part: Part[Difference]) -> list[Advice]:
    """What to do about each state that a run leaves as it is, most urgent first."""
    of_spaces, pruned = part is part.plan.spaces, part.plan.intent.prune
    words = _ADVICE | (_SPACES if of_spaces else {}) | (_PRUNED if pruned else {})
    titles = wording.FACTS | (_SPACES_IN if of_spaces else {})
    found = []
    for state in [state for state in State if state in words]:
        if changes := part.left(state):
            explained = of_spaces or pruned or state is State.NOT_KNOWN
            title = wording.count(len(changes), *titles[state])
            found.append(Advice(state, title, *words[state], changes, explained))
    return found
