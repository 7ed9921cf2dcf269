"""Carrying out a plan of shared spaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
    run = _Run(service, sign_ins, cancel or Cancel(), plan.options.prune, on_outcome)
    try:
        people = [email for change in plan.actions for email in _people(change)]
        await sign_ins.open(service, people, cancel=cancel)
        await run_concurrently(plan.actions, run.carry_out, limit=service.concurrency, cancel=run.cancel)
    except ServiceError as error:
        run.stopped = error.message
    for change in plan.actions:
        if change.key not in run.outcomes:
            run.report(change, Result.SKIPPED, f"not started: {run.stopped}")
    return tuple(run.outcomes[change.key] for change in plan.actions)


async def delete_space(client: SpaceClient, live: LiveSpace) -> None:
    """Delete a space unless an account has joined it since it was read; one that is gone is fine."""
    known, joined = set(map(label, live.members)), set[str]()
    try:
        if not live.broken:
            joined = set(map(label, (await client.read(live)).members)) - known
        if not joined:
            await client.delete(live)
    except ResponseError:
        # The answer to an earlier attempt may have been lost, or another run was quicker.
        if any(space.space_id == live.space_id for space in await client.list_spaces()):
            raise
    if joined:
        raise ResponseError(f"not deleted: {', '.join(sorted(joined))} joined the space meanwhile")


def _people(change: Change) -> tuple[str, ...]:
    """Return who acts, and the members that have to join."""
    live = change.live if isinstance(change.live, LiveSpace) else None
    if not isinstance(change.desired, Space):
        return (live.reader,) if live else ()
    present = set(map(label, live.members)) if live else set()
    members = () if change.action is Action.DELETE else change.desired.members
    return change.desired.owner, *(member.email for member in members if member.email not in present)


@dataclass
class _Run:
    service: Service
    sign_ins: SignInCache
    cancel: Cancel
    prune: bool
    on_outcome: Callable[[Outcome], None] | None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    stopped: str = "the run was interrupted"

    def report(self, change: Change, result: Result, message: str = "", space_id: str | None = None) -> None:
        outcome = Outcome(
            kind=Kind.SPACE,
            key=change.key,
            name=change.name,
            action=change.action or Action.UPDATE,
            result=result,
            message=message,
            id=space_id or change.id,
        )
        self.outcomes[change.key] = outcome
        if self.on_outcome is not None:
            self.on_outcome(outcome)

    async def carry_out(self, change: Change) -> None:
        try:
            # Everyone must be signed in before the first write, so that no space is left half made.
            owner, *_ = [self.sign_ins.client(self.service, email) for email in _people(change)]
            match change.action, change.desired, change.live:
                case Action.DELETE, _, LiveSpace() as live:
                    await delete_space(owner, live)
                    self.report(change, Result.DONE)
                case _, Space() as space, live:
                    found = live if isinstance(live, LiveSpace) else await self._create(owner, space)
                    await self._update(owner, space, await owner.read(found))
                    self.report(change, Result.DONE, space_id=found.space_id)
        except ResponseError as error:
            self.report(change, Result.FAILED, error.message)
        except ServiceError as error:
            self.stopped = error.message
            self.cancel.request()
            self.report(change, Result.UNKNOWN if error.maybe_applied else Result.FAILED, error.message)

    async def _create(self, owner: SpaceClient, space: Space) -> LiveSpace:
        try:
            return await owner.create(space)
        except ResponseError:
            # The answer to an earlier attempt may have been lost, or another run was quicker.
            for found in await owner.list_spaces():
                if found.slug == space.slug:
                    return found
            raise

    async def _update(self, owner: SpaceClient, space: Space, now: LiveSpace) -> None:
        """Make the calls that are missing, and read the space to be sure."""
        failure: ResponseError | None = None
        for _ in range(_MAX_ROUNDS):
            if not now.broken and not compare_space(space, now, extras=self.prune):
                return
            try:
                await self._write(owner, space, now)
            except ResponseError as error:
                failure = error
            # A lost answer comes back as a refusal of the repeated call: only the space shows what is true.
            before, now = now, await owner.read(now)
            if now == before:
                break
        raise failure or ResponseError(f"the space {now.slug} does not show the changes that were made")

    async def _write(self, owner: SpaceClient, space: Space, live: LiveSpace) -> None:
        present = {label(member): member for member in live.members}
        if {change.field for change in compare_space(space, live)} & {"name", "type"}:
            await owner.update(live, space)
        for member in space.members:
            self._check_cancel()
            found = present.get(member.email)
            if found is None:
                guest = self.sign_ins.client(self.service, member.email)
                await guest.accept(live, await owner.invite(live, member.email, str(member.role)))
            elif found.role != member.role:
                await owner.change_role(live, found, str(member.role))
        for email, extra in present.items() if self.prune else ():
            if email not in space.emails:
                self._check_cancel()
                await owner.remove(live, extra)

    def _check_cancel(self) -> None:
        if self.cancel.requested:
            raise ResponseError("interrupted; run `personas spaces` again to complete the space")
