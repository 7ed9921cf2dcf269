"""Carrying out a plan of shared spaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from personas.catalog.models import Space
from personas.concurrency import Cancel, run_concurrently
from personas.errors import ResponseError, ServiceError
from personas.reconcile.changes import Action, Change, Kind, Outcome, Plan, Result
from personas.services.base import Service
from personas.services.models import LiveSpace
from personas.spaces.client import SignInCache, SpaceClient
from personas.spaces.plan import compare_space, label

# Another run may change the same space; each round must change something, or the update fails.
_MAX_ROUNDS = 5


async def apply_spaces(
    plan: Plan,
    service: Service,
    sign_ins: SignInCache,
    *,
    cancel: Cancel | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, ...]:
    """Carry out the actions of a plan of spaces; return one outcome per action, in the plan's order.

    A space that fails stops no other. An unreachable service stops the run; the rest is `skipped`. `cancel`
    stops it between two calls. `sign_ins` is what `fetch_spaces` left; close it afterwards.
    """
    cancel = cancel or Cancel()
    tasks = [_Task.make(change, plan, service, sign_ins, cancel) for change in plan.actions]
    outcomes: dict[str, Outcome] = {}
    stopped = "interrupted"

    def report(change: Change, result: Result, message: str = "", space_id: str | None = None) -> None:
        outcome = Outcome(
            kind=Kind.SPACE,
            key=change.key,
            name=change.name,
            action=change.action or Action.UPDATE,
            result=result,
            message=message,
            id=space_id or change.id,
        )
        outcomes[change.key] = outcome
        if on_outcome is not None:
            on_outcome(outcome)

    async def run(task: _Task) -> None:
        nonlocal stopped
        try:
            report(task.change, Result.DONE, space_id=await task.run())
        except ResponseError as error:
            report(task.change, Result.FAILED, error.message)
        except ServiceError as error:
            stopped = error.message
            cancel.request()
            report(task.change, Result.UNKNOWN if error.maybe_applied else Result.FAILED, error.message)

    try:
        await sign_ins.open(service, [email for task in tasks for email in task.people], cancel=cancel)
        await run_concurrently(tasks, run, limit=service.concurrency, cancel=cancel)
    except ServiceError as error:
        stopped = error.message
    for change in plan.actions:
        if change.key not in outcomes:
            report(change, Result.SKIPPED, stopped)
    return tuple(outcomes[change.key] for change in plan.actions)


@dataclass
class _Task:
    """One action on one space."""

    change: Change
    space: Space | None
    live: LiveSpace | None
    prune: bool
    service: Service
    sign_ins: SignInCache
    cancel: Cancel

    @classmethod
    def make(cls, change: Change, plan: Plan, service: Service, sign_ins: SignInCache, cancel: Cancel) -> _Task:
        space, live = cast("Space | None", change.desired), cast("LiveSpace | None", change.live)
        return cls(change, space, live, plan.options.prune, service, sign_ins, cancel)
