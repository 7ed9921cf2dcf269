"""What must not be carried out is refused with how many of what are somebody else's, and which."""

from __future__ import annotations

import pytest

from personas.cli.asked import Asked
from personas.cli.consent import check_plan
from personas.cli.progress import Progress
from personas.cli.run import Run
from personas.errors import Refused
from personas.reconcile.changes import Change, Plan, SpaceChange, State

EMAIL = "Choose another email in the catalog"
SLUG = "Choose another slug in the catalog"


def emails(*keys: str) -> list[Change]:
    return [Change(key, State.COLLISION) for key in keys]


def slugs(*keys: str) -> list[Change]:
    return [SpaceChange(key, State.COLLISION) for key in keys]


@pytest.mark.parametrize(
    ("changes", "told", "cures"),
    [
        (emails("a@b.example"), "one catalog email belongs", (EMAIL,)),
        (emails("a@b.example", "c@d.example"), "2 catalog emails belong", (EMAIL,)),
        (slugs("flat"), "one catalog space belongs", (SLUG,)),
        (slugs("flat", "desk"), "2 catalog spaces belong", (SLUG,)),
        ([*emails("a@b.example"), *slugs("flat")], "2 catalog entries belong", (EMAIL, SLUG)),
        (slugs("p", "q", "r", "s"), "4 catalog spaces belong", (SLUG,)),
    ],
)
def test_collisions_are_counted_and_named(changes: list[Change], told: str, cures: tuple[str, ...]) -> None:
    asked = Asked(command="seed")
    run = Run(asked, asked.settings(), Progress(quiet=True, ci=True, no_color=True))
    which = ", ".join(change.key for change in changes[:3]) + (" …" if len(changes) > 3 else "")
    with pytest.raises(Refused) as caught:
        check_plan(run, Plan(tuple(changes)), None)
    assert caught.value.message == (
        f"{told} to somebody who is not one of ours: {which}; nothing was written"
    )
    assert [cure in caught.value.hint for cure in (EMAIL, SLUG)] == [cure in cures for cure in (EMAIL, SLUG)]
