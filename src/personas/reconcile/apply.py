"""Carry out the steps of a plan on a service, several at a time; one persona's failure stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

from personas.errors import (
    BadAnswer,
    CredentialsRefused,
    RateLimited,
    ServiceError,
    Unanswered,
    Unavailable,
    Unreachable,
)
from personas.passwords import derive_password
from personas.reconcile.outcome import Applied, Outcome, Result
from personas.reconcile.plan import Change, Plan, Step
from personas.secret import Secret
from personas.service.endpoints import AuthService
from personas.service.pacing import spread

# So many steps in a row without an answer, or told to come later, mean that the service is gone or cannot
# take more, not one persona's bad luck.
MOST_UNANSWERED = 3
GRACE_SECONDS = 10.0


class Stop:
    """A way to end a run from outside: asked once, it starts nothing more; asked again, it ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self.scope: anyio.CancelScope | None = None

    def ask(self) -> None:
        """Ask the run to end; what is in flight has some seconds to finish."""
        if self.scope is not None:
            grace = anyio.current_time() + GRACE_SECONDS
            self.scope.deadline = min(self.scope.deadline, grace)
            if self.asked:
                self.scope.cancel()
        self.asked = True


def _silent(outcome: Outcome) -> None:
    del outcome


async def apply(
    plan: Plan,
    service: AuthService,
    secret: Secret,
    *,
    workers: int = 8,
    stop: Stop | None = None,
    observe: Callable[[Outcome], None] = _silent,
) -> Applied:
    """Carry out every step of a plan.

    Args:
        plan: What to do; its order is the order of starting.
        service: Where to do it.
        secret: The seed secret from which passwords are derived; only creations use it.
        workers: How many personas at a time.
        stop: A way to end the run early.
        observe: Told each outcome as it comes.

    Returns:
        An outcome for every step; the run's own error, if one stopped it, is in there and not raised.
    """
    run = _Run(service, secret, stop or Stop(), observe)
    with anyio.CancelScope() as scope:
        run.stop.scope = scope
        await spread(plan.steps, run.carry_out, workers=workers, go_on=run.goes_on)
    outcomes = tuple(
        run.outcomes.get(number) or Outcome(change, Result.NOT_DONE, run.why_not_started)
        for number, change in ((id(change), change) for change in plan.steps)
    )
    return Applied(outcomes, error=run.error, interrupted=run.stop.asked)


class _Run:
    """The state of one apply: what became of what, and why it ends."""

    def __init__(
        self, service: AuthService, secret: Secret, stop: Stop, observe: Callable[[Outcome], None]
    ) -> None:
        self.service = service
        self.secret = secret
        self.stop = stop
        self.observe = observe
        self.outcomes: dict[int, Outcome] = {}
        self.error: ServiceError | None = None
        self._unanswered = 0
        self._deleted: set[int] = set()

    def goes_on(self) -> bool:
        return self.error is None and not self.stop.asked

    @property
    def why_not_started(self) -> str:
        return "the run was interrupted before it" if self.stop.asked else "the run stopped before it"

    async def carry_out(self, change: Change) -> None:
        """Do one step and note its outcome, whatever happens."""
        started = time.monotonic()
        sent_before = self.service.requests
        result, message = Result.UNKNOWN, "interrupted before the service answered"
        try:
            message = await self._do(change)
            result, self._unanswered = Result.DONE, 0
        except ServiceError as error:
            result, message = self._judge(error), error.message
        finally:
            # Also when cancelled: what was sent is told as unknown.
            if result is Result.UNKNOWN and self.service.requests == sent_before:
                result, message = Result.NOT_DONE, self.why_not_started
            if id(change) in self._deleted and result is not Result.DONE:
                # Not "not done": half of it is.
                result = Result.FAILED if result is Result.NOT_DONE else result
                message = f"deleted, but not known to be created again; the next seed does it: {message}"
            outcome = Outcome(change, result, message, time.monotonic() - started)
            self.outcomes[id(change)] = outcome
            self.observe(outcome)

    def _judge(self, error: ServiceError) -> Result:
        """What an error means for its step, and for the whole run."""
        if isinstance(error, Unanswered | Unavailable | RateLimited):
            self._unanswered += 1
            if self._unanswered >= MOST_UNANSWERED:
                self.error = self.error or error
            unknown = error.lost or isinstance(error, Unanswered)
            return Result.UNKNOWN if unknown else Result.FAILED
        if isinstance(error, CredentialsRefused | Unreachable):
            self.error = self.error or error
            return Result.UNKNOWN if error.lost else Result.NOT_DONE
        return Result.UNKNOWN if error.lost else Result.FAILED

    async def _do(self, change: Change) -> str:
        """Do one step.

        Returns:
            What is worth saying about its success.
        """
        match change.step:
            case Step.DELETE if change.existing is not None:
                there = await self.service.delete(change.existing.user_id, who=change.key)
                return "" if there else "was gone already"
            case Step.RECREATE if change.existing is not None:
                await self.service.delete(change.existing.user_id, who=change.key)
                self._deleted.add(id(change))
                await self._upsert(change)
                return ""
            case _:
                user_id = await self._upsert(change)
                if change.existing is not None and user_id != change.existing.user_id:
                    return "created anew: it had been deleted meanwhile"
                return await self._look_again(change, user_id) if change.unchecked else ""

    async def _upsert(self, change: Change) -> str:
        wanted = change.wanted
        if wanted is None:
            raise AssertionError(change.key)
        return await self.service.upsert(
            email=wanted.email,
            name=wanted.name,
            password=Secret(derive_password(wanted.email, self.secret.reveal())),
            archetype=wanted.archetype,
            system_prompt=wanted.system_prompt,
            module_mix=wanted.module_mix,
            tick_cadence=str(wanted.tick_cadence),
        )

    async def _look_again(self, change: Change, user_id: str) -> str:
        """Where nobody could be looked up before, the name tells whether the account had existed."""
        unchecked = "whose email it was could not be checked before"
        try:
            detail = await self.service.get_persona(user_id, who=change.key, safety=True)
        except ServiceError as error:
            # It is created, by the service's word: what went wrong is only the look at it.
            return f"{unchecked}, nor its name afterwards: {error.message}"
        name = detail.persona.name
        if name is not None and change.wanted is not None and name != change.wanted.name:
            raise BadAnswer(
                f"{change.key} had existed before, with another name, and is a persona now: "
                "it may be somebody else's account; look at it before anything is deleted"
            )
        return unchecked
