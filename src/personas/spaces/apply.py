"""Carrying out a plan of shared spaces."""

from __future__ import annotations

from collections.abc import Callable

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

    A space that fails stops no other. An unreachable service stops the run; the rest is `skipped`.

    Args:
        plan: From `make_space_plan` or `make_space_deletion_plan`.
        service: Where to carry it out.
        sign_ins: As `fetch_spaces` left it; close it afterwards.
        cancel: Stops between two calls.
        on_outcome: Called with each outcome as soon as it is known.
    """
    cancel = cancel or Cancel()
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

    async def apply_one(change: Change) -> None:
        nonlocal stopped
        space, live = _parts(change)
        try:
            if change.action is Action.DELETE and live is not None:
                actor = space.owner if space else live.reader
                await delete_space(SpaceClient(service, sign_ins.session(actor)), live)
                report(change, Result.DONE)
            elif space is not None:
                writer = _Writer(service, sign_ins, space, prune=plan.options.prune, cancel=cancel)
                report(change, Result.DONE, space_id=await writer.write(live))
        except ResponseError as error:
            report(change, Result.FAILED, error.message)
        except ServiceError as error:
            stopped = error.message
            cancel.request()
            report(change, Result.UNKNOWN if error.maybe_applied else Result.FAILED, error.message)

    try:
        people = [email for change in plan.actions for email in _people(change)]
        await sign_ins.open(service, people, cancel=cancel)
        await run_concurrently(plan.actions, apply_one, limit=service.concurrency, cancel=cancel)
    except ServiceError as error:
        stopped = error.message
    for change in plan.actions:
        if change.key not in outcomes:
            report(change, Result.SKIPPED, stopped)
    return tuple(outcomes[change.key] for change in plan.actions)


async def delete_space(client: SpaceClient, live: LiveSpace) -> None:
    """Delete a space unless an account has joined it since it was read; one that is gone is fine."""
    known = set(map(label, live.members))
    try:
        joined = set() if live.broken else set(map(label, (await client.read(live)).members)) - known
        if not joined:
            await client.delete(live)
    except ResponseError:
        # The answer to an earlier attempt may have been lost, or another run was quicker.
        if any(space.space_id == live.space_id for space in await client.list_spaces()):
            raise
        return
    if joined:
        raise ResponseError(f"not deleted: {', '.join(sorted(joined))} joined the space meanwhile")


def _parts(change: Change) -> tuple[Space | None, LiveSpace | None]:
    space = change.desired if isinstance(change.desired, Space) else None
    return space, change.live if isinstance(change.live, LiveSpace) else None


def _people(change: Change) -> tuple[str, ...]:
    """Return who has to be signed in: who acts, and the members that join."""
    space, live = _parts(change)
    if change.action is Action.DELETE or space is None:
        return (space.owner if space else live.reader if live else "",)
    return space.owner, *_joining(space, live)


def _joining(space: Space, live: LiveSpace | None) -> tuple[str, ...]:
    present = {label(member) for member in live.members} if live else set()
    return tuple(member.email for member in space.members if member.email not in present)


class _Writer:
    """Creates or updates one space."""

    def __init__(
        self, service: Service, sign_ins: SignInCache, space: Space, *, prune: bool, cancel: Cancel
    ) -> None:
        self._service = service
        self._sign_ins = sign_ins
        self._space = space
        self._prune = prune
        self._cancel = cancel

    async def write(self, live: LiveSpace | None) -> str:
        """Make the space match the catalog, and read it to be sure; return its id."""
        for email in _joining(self._space, live):
            self._sign_ins.session(email)  # raises before the first write, so that no space is half made
        owner = SpaceClient(self._service, self._sign_ins.session(self._space.owner))
        now = await owner.read(live or await self._create(owner))
        failure: ResponseError | None = None
        for _ in range(_MAX_ROUNDS):
            if not now.broken and not compare_space(self._space, now, extras=self._prune):
                return now.space_id
            try:
                await self._update(owner, now)
            except ResponseError as error:
                failure = error
            # A lost answer comes back as a refusal of the repeated call: only the space shows what is true.
            before, now = now, await owner.read(now)
            if now == before:
                break
        raise failure or ResponseError(f"the space {now.slug} does not show the changes that were made")

    async def _create(self, owner: SpaceClient) -> LiveSpace:
        try:
            return await owner.create(self._space)
        except ResponseError:
            # The answer to an earlier attempt may have been lost, or another run was quicker.
            for found in await owner.list_spaces():
                if found.slug == self._space.slug:
                    return found
            raise

    async def _update(self, owner: SpaceClient, live: LiveSpace) -> None:
        """Make the calls that are missing."""
        present = {label(member): member for member in live.members}
        fields = {change.field for change in compare_space(self._space, live)}
        if fields & {"name", "type"}:
            await owner.update(live, self._space)
        for member in self._space.members:
            self._check_cancel()
            found = present.get(member.email)
            if found is None:
                guest = SpaceClient(self._service, self._sign_ins.session(member.email))
                await guest.accept(live, await owner.invite(live, member.email, str(member.role)))
            elif found.role != member.role:
                await owner.change_role(live, found, str(member.role))
        for email, extra in present.items() if self._prune else ():
            if email not in self._space.emails:
                self._check_cancel()
                await owner.remove(live, extra)

    def _check_cancel(self) -> None:
        if self._cancel.requested:
            raise ResponseError("interrupted; run `personas spaces` again to complete the space")
