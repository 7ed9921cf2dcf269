"""Carry out the steps of a plan on a service, several at a time; one persona's failure stops no other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TypeVar

import anyio

from personas.errors import (
    BadAnswer,
    CredentialsRefused,
    RateLimited,
    ServiceError,
    TooLate,
    Unanswered,
    Unavailable,
    Unreachable,
)
from personas.passwords import derive_password
from personas.reconcile.changes import Change, Plan, SpaceChange, Step
from personas.reconcile.names import Made, look_at_names
from personas.reconcile.outcome import Applied, Outcome, Result
from personas.reconcile.owners import Passwords
from personas.reconcile.space_apply import SpaceSteps
from personas.reconcile.stop import Stop
from personas.reconcile.watch import Watch
from personas.secret import Secret
from personas.service.endpoints import AuthService
from personas.service.models import LivePersona
from personas.service.pacing import spread

# So many steps in a row without an answer, or told to come later, mean that the service is gone or cannot
# take more, not one persona's bad luck.
MOST_UNANSWERED = 3
# So often a write is begun anew that the service held back for too long.
MOST_BEGINNINGS = 8
C = TypeVar("C", bound=Change)
UNCHECKED = "whose email it was could not be checked before"


def _silent(outcome: Outcome) -> None:
    del outcome


async def apply(
    plan: Plan,
    service: AuthService,
    secret: Secret,
    *,
    passwords: Passwords | None = None,
    workers: int = 8,
    stop: Stop | None = None,
    observe: Callable[[Outcome], None] = _silent,
) -> Applied:
    """Carry out every step of a plan, and look at the name of every account that was made.

    Nothing is created where it was asked longer than some seconds ago whether the email belongs to somebody.
    Spaces are deleted before their owners, and made once everybody in them is there.

    Args:
        plan: What to do; its order is the order of starting, among spaces and among personas.
        service: Where to do it.
        secret: The seed secret from which passwords are derived; creations and spaces use it.
        passwords: What signs personas in, with the sessions that it has kept; those of spaces are ended at
            the end when it is left out.
        workers: How many personas at a time.
        stop: A way to end the run early.
        observe: Told each outcome as it comes.

    Returns:
        An outcome for every step; the run's own error, if one stopped it, is in there and not raised.
    """
    async with AsyncExitStack() as stack:
        if passwords is None:
            passwords = await stack.enter_async_context(Passwords(service, secret))
        run = _Run(plan, service, secret, passwords, stop or Stop(), observe, workers=workers)
        with anyio.CancelScope() as scope:
            run.stop.scope = scope
            await run.carry_out_all()
    outcomes = tuple(run.outcome_of(change) for change in plan.steps)
    return Applied(outcomes, error=run.error, interrupted=run.stop.asked, notes=run.notes)


class _Run:
    """The state of one apply: what became of what, and why it ends."""

    def __init__(
        self,
        plan: Plan,
        service: AuthService,
        secret: Secret,
        passwords: Passwords,
        stop: Stop,
        observe: Callable[[Outcome], None],
        *,
        workers: int,
    ) -> None:
        self.plan = plan
        self.service = service
        self.secret = secret
        self.workers = workers
        self.stop = stop
        self.observe = observe
        self.outcomes: dict[int, Outcome] = {}
        self.error: ServiceError | None = None
        self._why_not_looked = "the run stopped before it"
        self._unanswered = 0
        self._begun: set[int] = set()
        self._deleted: set[int] = set()
        self._made: list[Made] = []
        self._passwords = passwords
        self._spaces = SpaceSteps(service, passwords, plan.live_spaces)
        self._cleared: dict[int, Outcome] = {}
        self._leaving = {c.key for c in plan.personas if c.step in {Step.DELETE, Step.RECREATE}}
        self._watch = Watch(
            service,
            self._passwords,
            (change.key for change in plan.personas if change.step in {Step.CREATE, Step.RECREATE}),
            plan.looked_up,
            workers=workers,
        )

    async def carry_out_all(self) -> None:
        """Every step: spaces that go, personas, spaces that come, and then those whom the spaces kept."""
        going = [c for c in self.plan.spaces if c.step in {Step.DELETE, Step.RECREATE}]
        coming = [c for c in self.plan.spaces if c.step not in {None, Step.DELETE}]
        personas = [c for c in self.plan.personas if c.step is not None]
        # A space may pass from somebody who is deleted to another persona.
        last = [c for c in personas if c.step is Step.DELETE] if coming else []
        first = [c for c in personas if not coming or c.step is not Step.DELETE]
        await self._spread(going, self.carry_out)
        await self._spread(first, self.carry_out)
        await self.look_afterwards()
        await self._spread(coming, self._come)
        await self._spread(last, self.carry_out)

    async def _spread(self, changes: Sequence[C], work: Callable[[C], Awaitable[None]]) -> None:
        if changes:
            await spread(changes, work, workers=self.workers, go_on=self.goes_on)

    def goes_on(self) -> bool:
        return self.error is None and not self.stop.asked

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say about the whole run."""
        return (*self._unlooked, *self._left_behind)

    @property
    def _unlooked(self) -> tuple[str, ...]:
        """Accounts whose names nobody looked at afterwards."""
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

    @property
    def _left_behind(self) -> tuple[str, ...]:
        """The service deletes a user, and no call of it deletes a personal space."""
        deleted = [
            outcome.change
            for outcome in self.outcomes.values()
            if outcome.change.thing == "persona"
            and (
                id(outcome.change) in self._deleted
                or (outcome.change.step is Step.DELETE and outcome.result is Result.DONE)
            )
        ]
        if not deleted:
            return ()
        whose = (
            "The personal space of one persona who was deleted"
            if len(deleted) == 1
            else f"The personal spaces of {len(deleted):,} personas who were deleted"
        )
        told = f"{whose} may stay behind on the service, which has no call to delete them"
        shared = "" if self.plan.spaces_sought else "; shared ones were not looked for"
        return (f"{told}{shared}.",)

    async def _come(self, change: SpaceChange) -> None:
        """Make a space, unless somebody is missing."""
        cleared = self._cleared.get(id(change))
        waits_for = next((email for email in change.waits_for if not self._is_there(email)), None)
        if cleared is not None and cleared.result is not Result.DONE:
            self._note(cleared)
        elif waits_for is not None:
            why = f"{waits_for}, who shares it, is not there"
            self._note(self._told(Outcome(change, Result.NOT_DONE, why)))
        else:
            await self.carry_out(change)

    def outcome_of(self, change: Change) -> Outcome:
        """What became of a step, also when the run did not come to it."""
        cleared = self._cleared.get(id(change))
        if (outcome := self.outcomes.get(id(change))) is not None:
            return outcome
        if cleared is not None and cleared.result is not Result.DONE:
            return cleared
        return self._told(Outcome(change, Result.NOT_DONE, self.why_not_started))

    def _told(self, outcome: Outcome) -> Outcome:
        """An outcome that says what is half done: not "not done"."""
        if id(outcome.change) not in self._deleted or outcome.result is Result.DONE:
            return outcome
        result = Result.FAILED if outcome.result is Result.NOT_DONE else outcome.result
        what = "deleted, but not known to be created again; the next seed does it"
        return replace(outcome, result=result, message=f"{what}: {outcome.message}")

    def _note(self, outcome: Outcome) -> None:
        change = outcome.change
        if change.thing == "space" and change.step is Step.RECREATE and id(change) not in self._cleared:
            # Half of it; the outcome is that of the other half.
            self._cleared[id(change)] = outcome
            if outcome.result is Result.DONE:
                self._deleted.add(id(change))
        else:
            self.outcomes[id(change)] = outcome
            self.observe(outcome)

    def _is_there(self, email: str) -> bool:
        """Whether a persona who was to be made has been made."""
        return any(
            outcome.change.key == email and outcome.change.wanted and outcome.result is Result.DONE
            for outcome in self.outcomes.values()
        )

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
            self._note(self._told(Outcome(change, result, message, time.monotonic() - started)))

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
        match change, change.step:
            case SpaceChange(), _:
                return await self._do_space(change)
            case _, Step.DELETE if change.existing is not None:
                return "" if await self._delete(change, change.existing) else "was gone already"
            case _, Step.RECREATE if change.existing is not None:
                await self._delete(change, change.existing)
                self._deleted.add(id(change))
                await self._create(change)
                return ""
            case _, Step.UPDATE if change.existing is not None:
                user_id = await self._upsert(change)
                if user_id == change.existing.user_id:
                    return ""
                self._made.append(Made(change, user_id))
                return "created anew: it had been deleted meanwhile"
            case _:
                await self._create(change)
                return UNCHECKED if change.unchecked else ""

    async def _do_space(self, change: SpaceChange) -> str:
        self._begun.add(id(change))
        goes = change.step is Step.DELETE or (
            change.step is Step.RECREATE and id(change) not in self._cleared
        )
        return await (self._spaces.delete(change) if goes else self._spaces.make(change))

    async def _delete(self, change: Change, existing: LivePersona) -> bool:
        for space in self.plan.spaces:
            if space.step in {Step.DELETE, Step.RECREATE} and space.live and change.key in space.live.owners:
                outcome = self._cleared.get(id(space)) or self.outcomes.get(id(space))
                if outcome is None or outcome.result is not Result.DONE:
                    raise BadAnswer(f"{change.key} is kept: its space {space.key} could not be deleted")
        await self._spaces.depart(change.key, self.plan.spaces, self._leaving)
        async with self._watch.deleting():
            self._begun.add(id(change))
            deleted = await self.service.delete(existing.user_id, who=change.key)
        self._passwords.forget(change.key)
        return deleted

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
