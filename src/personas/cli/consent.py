"""Before anything is written: what must not be done is refused, and what is lost for good is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence

import anyio

from personas.cli import output
from personas.cli.conduct import report_of
from personas.cli.console import somebody_to_ask
from personas.cli.run import Run
from personas.errors import Refused
from personas.reconcile.plan import Change, Plan, State, Step

# More accounts than these are counted in a question.
MOST_NAMED = 5

_CURES = {
    "persona": "Choose another email in the catalog. Nobody's account is turned into a persona.",
    "space": "Choose another slug in the catalog. Nobody's space is taken over.",
}
_LOSSES: tuple[tuple[str, str, str, str], ...] = (
    ("persona", "delete", "--prune would delete 1 stray", "--prune would delete {} strays"),
    ("space", "delete", "1 space would be deleted", "{} spaces would be deleted"),
    ("member", "delete", "--prune would remove 1 member of a space", "--prune would remove {} members"),
    (
        "persona",
        "recreate",
        "--recreate would delete 1 persona and create it again",
        "--recreate would delete {} personas and create them again",
    ),
    (
        "space",
        "recreate",
        "1 space would be deleted and created again",
        "{} spaces would be deleted and created again",
    ),
)


def check_plan(run: Run, plan: Plan, expected: str | None) -> None:
    """Refuse what must not be carried out, before anything is written.

    Raises:
        Refused: Something in the catalog is somebody else's, or the plan is not the one that was reviewed.
    """
    if collisions := plan.of(State.COLLISION):
        which = ", ".join(change.key for change in collisions[:3]) + (" …" if len(collisions) > 3 else "")
        things = {change.thing for change in collisions}
        one, many = ("space", "spaces") if things == {"space"} else ("email", "emails")
        number = f"one catalog {one} belongs"
        if len(collisions) > 1:
            number = f"{len(collisions)} catalog {many if len(things) == 1 else 'entries'} belong"
        raise Refused(
            f"{number} to somebody who is not one of ours: {which}; nothing was written",
            hint=" ".join(_CURES[thing] for thing in sorted(things)),
        )
    if expected is not None and expected.strip().lower() != plan.checksum:
        raise Refused(
            f"the plan is not the expected one: it is {plan.checksum}; nothing was written",
            hint=f"Look at it again: personas dry-run --catalog {run.settings.catalog}",
        )


def losses(plan: Plan) -> str:
    """What a seed would take away, as a clause for `confirm_deletions`; empty where it takes nothing."""
    steps = Counter((change.thing, str(change.step)) for change in plan.steps)
    steps["member", "delete"] = sum(
        item.mendable and item.new is None
        for change in plan.spaces
        if change.step is Step.UPDATE
        for item in change.fields
    )
    return " and ".join(
        one if steps[thing, step] == 1 else many.format(steps[thing, step])
        for thing, step, one, many in _LOSSES
        if steps[thing, step]
    )


async def confirm_deletions(
    run: Run, what: str, changes: Sequence[Change], *, yes: bool, force: bool
) -> None:
    """Ask on a terminal before anything is deleted; anywhere else, `--yes` has to say it.

    Args:
        run: What is about to be done; the plan is shown above the question.
        what: A clause that says how many of what would be deleted.
        changes: What would be deleted, created again or not.
        yes: Whether it was said already.
        force: Whether production was said to be meant.

    Raises:
        Refused: The answer was no, nobody could be asked, or this is production.
    """
    what = f"{what} at {run.settings.auth}"
    if run.settings.production and not force:
        raise Refused(f"{what}, and this is production", hint="Say --force if that is meant.")
    if yes:
        return
    if changes:
        what += f"; {'its' if len(changes) == 1 else 'their'} actions, feedback and spaces are lost"
    if doubtful := [change.key for change in changes if change.doubt]:
        more = f" and {len(doubtful) - MOST_NAMED} more" if len(doubtful) > MOST_NAMED else ""
        what += f"; maybe somebody else's: {', '.join(doubtful[:MOST_NAMED])}{more}"
    if not somebody_to_ask(run.settings):
        raise Refused(f"{what}: nobody can be asked here", hint="Say --yes if that is meant.")
    run.progress.close()
    output.preview(report_of(run, None), run.settings)
    run.previewed = sys.stdout.isatty()
    if not await _ask(f"{what}. Go on?"):
        raise Refused("not confirmed; nothing was changed")


async def _ask(question: str) -> bool:
    """Ask for a yes; anything else is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = await _read_answer()
    except anyio.get_cancelled_exc_class():
        print(file=sys.stderr)
        raise
    return answer.strip().lower() in {"y", "yes"}


async def _read_answer() -> str:
    """A line from the terminal."""
    loop, answered, parts = asyncio.get_running_loop(), anyio.Event(), [b""]

    def read() -> None:
        with contextlib.suppress(OSError):
            parts.append(os.read(sys.stdin.fileno(), 1024))
        with contextlib.suppress(RuntimeError):  # the question was interrupted, and the loop is gone
            loop.call_soon_threadsafe(answered.set)

    # A thread that nobody waits for at the end, and no lock of sys.stdin that it could hold then.
    threading.Thread(target=read, daemon=True).start()
    await answered.wait()
    return b"".join(parts).decode(errors="replace")
