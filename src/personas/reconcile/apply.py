"""Carry out the steps of a plan on a service, several at a time; one persona's failure stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import anyio

from personas.errors import (
    CredentialsRefused,
    RateLimited,
    ServiceError,
    TooLate,
    Unanswered,
    Unavailable,
    Unreachable,
)
from personas.passwords import derive_password
from personas.reconcile.changes import Change, Plan, Step
from personas.reconcile.names import Made, look_at_names
from personas.reconcile.outcome import Applied, Outcome, Result
from personas.reconcile.owners import Passwords
from personas.reconcile.watch import Watch
from personas.secret import Secret
from personas.service.endpoints import AuthService
from personas.service.models import LivePersona
from personas.service.pacing import spread

# So many steps in a row without an answer, or told to come later, mean that the service is gone or cannot
# take more, not one persona's bad luck.
MOST_UNANSWERED = 3
GRACE_SECONDS = 10.0
# So often a write is begun anew that the service held back for too long.
MOST_BEGINNINGS = 8
UNCHECKED = "whose email it was could not be checked before"


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
    """Carry out every step of a plan, and look at the name of every account that was made.

    Nothing is created where it was asked longer than some seconds ago whether the email belongs to somebody.

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
    run = _Run(plan, service, secret, stop or Stop(), observe, workers=workers)
    with anyio.CancelScope() as scope:
        run.stop.scope = scope
        await spread(plan.steps, run.carry_out, workers=workers, go_on=run.goes_on)
        await run.look_afterwards()
    outcomes = tuple(
        run.outcomes.get(number) or Outcome(change, Result.NOT_DONE, run.why_not_started)
        for number, change in ((id(change), change) for change in plan.steps)
    )
    return Applied(outcomes, error=run.error, interrupted=run.stop.asked, notes=run.notes)


class _Run:
    """The state of one apply: what became of what, and why it ends."""

    def __init__(
        self,
        plan: Plan,
        service: AuthService,
        secret: Secret,
        stop: Stop,
        observe: Callable[[Outcome], None],
        *,
        workers: int,
    ) -> None:
        self.service = service
        self.secret = secret
        self.stop = stop
        self.observe = observe
        self.outcomes: dict[int, Outcome] = {}
        self.error: ServiceError | None = None
        self._why_not_looked = "the run stopped before it"
        self._unanswered = 0
        self._begun: set[int] = set()
        self._deleted: set[int] = set()
        self._made: list[Made] = []
        self._passwords = Passwords(service, secret)
        self._watch = Watch(
            service,
            self._passwords,
            (change.key for change in plan.steps if change.step in {Step.CREATE, Step.RECREATE}),
            plan.looked_up,
            workers=workers,
        )

    def goes_on(self) -> bool:
        return self.error is None and not self.stop.asked

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say about the whole run: accounts whose names nobody looked at afterwards."""
        if not self._made:
            return ()
        number = len(self._made)
        accounts = (
            "one account that was made was" if number == 1 else f"{number:,} accounts that were made were"
        )
        return (f"The name of {accounts} not looked at afterwards: {self._why_not_looked}.",)

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
            unsent = id(change) not in self._begun or self.service.requests == sent_before
            if result is Result.UNKNOWN and unsent:
                result, message = Result.NOT_DONE, self.why_not_started
            if id(change) in self._deleted and result is not Result.DONE:
                # Not "not done": half of it is.
                result = Result.FAILED if result is Result.NOT_DONE else result
                message = f"deleted, but not known to be created again; the next seed does it: {message}"
            outcome = Outcome(change, result, message, time.monotonic() - started)
            self.outcomes[id(change)] = outcome
            self.observe(outcome)

    async def look_afterwards(self) -> None:
        """Look at the accounts that were made; whoever has another name than ours is told."""
        if self.error is not None or not self._made:
            return
        try:
            async for look in look_at_names(self.service, self._passwords, list(self._made)):
                self._made.remove(look.made)
                outcome = self.outcomes[id(look.made.change)]
                message = "; ".join(filter(None, (outcome.message, look.message)))
                if look.foreign:
                    outcome, message = replace(outcome, result=Result.FAILED), look.message
                self.outcomes[id(look.made.change)] = replace(outcome, message=message)
        except ServiceError as error:
            self._why_not_looked = error.message

    def _judge(self, error: ServiceError) -> Result:
        """What an error means for its step, and for the whole run."""
        if isinstance(error, TooLate):
            return Result.UNKNOWN if error.lost else Result.NOT_DONE
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
                return "" if await self._delete(change, change.existing) else "was gone already"
            case Step.RECREATE if change.existing is not None:
                await self._delete(change, change.existing)
                self._deleted.add(id(change))
                await self._create(change)
                return ""
            case Step.UPDATE if change.existing is not None:
                user_id = await self._upsert(change)
                if user_id == change.existing.user_id:
                    return ""
                self._made.append(Made(change, user_id))
                return "created anew: it had been deleted meanwhile"
            case _:
                await self._create(change)
                return UNCHECKED if change.unchecked else ""

    async def _delete(self, change: Change, existing: LivePersona) -> bool:
        async with self._watch.deleting():
            self._begun.add(id(change))
            return await self.service.delete(existing.user_id, who=change.key)

    async def _create(self, change: Change) -> None:
        """Create a persona whose email was free, or ours, some seconds ago."""
        if change.unchecked:
            self._made.append(Made(change, await self._upsert(change)))
            return
        for beginning in range(1, MOST_BEGINNINGS + 1):
            try:
                async with self._watch.creating(change.key) as not_after:
                    user_id = await self._upsert(change, not_after=not_after)
                self._made.append(Made(change, user_id))
            except TooLate as error:
                if not self.goes_on() or beginning == MOST_BEGINNINGS:
                    raise (error.held_back_by or error) from None
            else:
                return

    async def _upsert(self, change: Change, *, not_after: float | None = None) -> str:
        wanted = change.wanted
        if wanted is None:
            raise AssertionError(change.key)
        self._begun.add(id(change))
        return await self.service.upsert(
            email=wanted.email,
            name=wanted.name,
            password=Secret(derive_password(wanted.email, self.secret.reveal())),
            archetype=wanted.archetype,
            system_prompt=wanted.system_prompt,
            module_mix=wanted.module_mix,
            tick_cadence=str(wanted.tick_cadence),
            not_after=not_after,
        )
