"""Carry out a plan: several actions at once, and one failure stops no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from personas.catalog.models import Persona
from personas.concurrency import Cancel, run_concurrently
from personas.errors import NoResponseError, RateLimitedError, ResponseError, SafetyError, ServiceError
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import Action, Change, Outcome, Plan, Result
from personas.reconcile.fetch import MAX_FAILURES_IN_A_ROW
from personas.services.base import Service
from personas.services.models import LivePersona


async def apply(
    plan: Plan,
    service: Service,
    passwords: PasswordDeriver | None,
    *,
    cancel: Cancel | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, ...]:
    """Carry out every action of a plan, and return one outcome per action, in its order.

    `cancel` and an error of the whole run (refused credentials, no connection) let calls in flight finish
    and skip the rest. `on_outcome` gets each outcome of a started action, also if this task is cancelled.
    Raises SafetyError if the plan needs passwords, and there are none.
    """
    if passwords is None and any(change.action is not Action.DELETE for change in plan.actions):
        raise SafetyError("There is no seed secret to derive passwords from. Set PERSONA_SEED_SECRET.")
    run = _Run(service, passwords, on_outcome)
    await run_concurrently(plan.actions, run.carry_out, limit=service.concurrency, cancel=cancel)
    reason = run.error.message if run.error else "the run was interrupted"
    skipped = [make_outcome(change, Result.SKIPPED, f"not started: {reason}") for change in plan.actions]
    return tuple(run.outcomes.get(outcome.key, outcome) for outcome in skipped)


@dataclass
class _Run:
    """The outcomes so far, and the error that stopped the run."""

    service: Service
    passwords: PasswordDeriver | None
    on_outcome: Callable[[Outcome], None] | None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    error: ServiceError | None = None
    failures: int = 0

    async def carry_out(self, change: Change) -> None:
        """Carry out one action, and record how it ended."""
        if self.error is not None:
            return
        outcome = make_outcome(change, Result.UNKNOWN, "interrupted before the service answered")
        try:
            outcome = await self._do(change)
            self.failures = 0
        except ServiceError as error:
            outcome = self._judge(change, error)
        finally:
            # Also when the task is cancelled: then the outcome is the first one.
            if change.key in self.deleted and outcome.result is not Result.DONE:
                message = f"deleted; re-creation unconfirmed, run seed again: {outcome.message}"
                outcome = outcome.model_copy(update={"message": message})
            self.outcomes[change.key] = outcome
            if self.on_outcome is not None:
                self.on_outcome(outcome)

    async def _do(self, change: Change) -> Outcome:
        service, user_id, message = self.service, change.id, ""
        password = self.passwords.derive(change.key) if self.passwords else None
        match change.action, change.desired, change.live:
            case Action.DELETE, _, LivePersona() as live:
                user_id = None
                message = "" if await service.delete(live) else "already gone"
            case Action.UPDATE, Persona() as desired, LivePersona() as live if password:
                fields = [item.field for item in change.fields if item.updatable]
                user_id = await service.update(live, desired, fields, password)
                message = change.reason  # what still differs
                if user_id != live.user_id:
                    message = "re-created: it was deleted meanwhile"
            case Action.REPLACE, Persona() as desired, LivePersona() as live if password:
                await service.delete(live)
                self.deleted.add(change.key)
                user_id = await service.create(desired, password)
            case Action.CREATE, Persona() as desired, _ if password:
                user_id = await service.create(desired, password, existing=change.existing)
            case _:
                raise TypeError(f"no {change.action} is possible for {change.kind} {change.key}")
        return make_outcome(change, Result.DONE, message, user_id)

    def _judge(self, change: Change, error: ServiceError) -> Outcome:
        """Return the outcome of a failed action, and decide whether the run stops."""
        self.failures = self.failures + 1 if isinstance(error, NoResponseError | RateLimitedError) else 0
        result = Result.UNKNOWN if error.maybe_applied else Result.FAILED
        outcome = make_outcome(change, result, error.message)
        # Refused credentials and a missing connection concern the whole run.
        fatal = not isinstance(error, ResponseError | NoResponseError)
        if self.error is None and (fatal or self.failures >= MAX_FAILURES_IN_A_ROW):
            self.error = error
            return outcome.model_copy(update={"stopped_by": error})
        return outcome


def make_outcome(change: Change, result: Result, message: str, user_id: str | None = None) -> Outcome:
    """Return how the action of a change ended."""
    same = change.model_dump(include={"kind", "key", "name", "action"})
    return Outcome(**same, result=result, message=message, id=user_id)
