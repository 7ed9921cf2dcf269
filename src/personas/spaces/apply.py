"""Carrying out a plan of shared spaces, and releasing spaces before personas are deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from personas.catalog.models import Catalog, Member, Space
from personas.concurrency import Cancel, run_concurrently
from personas.errors import ResponseError, ServiceError
from personas.passwords import PasswordDeriver
from personas.reconcile.apply import make_outcome
from personas.reconcile.changes import Action, Change, Kind, Options, Outcome, Plan, Result, Status
from personas.services.base import Service
from personas.services.models import LiveSpace
from personas.spaces.client import SignInCache, SpaceClient, fetch_spaces
from personas.spaces.plan import BROKEN, SpaceState, compare_space, label, make_space_plan


async def apply_spaces(
    plan: Plan,
    service: Service,
    sign_ins: SignInCache,
    *,
    cancel: Cancel | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, ...]:
    """Carry out the actions of a plan of spaces; return one outcome per action, in the plan's order.

    A space that fails stops no other. `cancel` and an unreachable service let started spaces finish, and the
    rest is `skipped`. `sign_ins` is what `fetch_spaces` left; close it afterwards.
    """
    run = _Run(service, sign_ins, plan.options.prune, on_outcome or (lambda _: None))
    try:
        await sign_ins.open(service, (e for c in plan.actions for e in _people(c)), cancel=cancel)
        await run_concurrently(plan.actions, run.carry_out, limit=service.concurrency, cancel=cancel)
    except ServiceError as error:
        run.error = error
    reason = run.error.message if run.error else "the run was interrupted"
    for change in plan.actions:
        if change.key not in run.outcomes:
            run.report(change, Result.SKIPPED, f"not started: {reason}")
    return tuple(run.outcomes[change.key] for change in plan.actions)


async def _delete(client: SpaceClient, live: LiveSpace) -> None:
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
    prune: bool
    on_outcome: Callable[[Outcome], None]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    error: ServiceError | None = None

    def report(self, change: Change, result: Result, message: str = "", space_id: str | None = None) -> None:
        outcome = make_outcome(change, result, message, space_id or change.id)
        self.outcomes[change.key] = outcome.model_copy(update={"stopped_by": self.error})
        self.on_outcome(self.outcomes[change.key])

    async def carry_out(self, change: Change) -> None:
        if self.error is not None:
            return
        try:
            # Everyone must be signed in before the first write, so that no space is left half made.
            owner, *_ = [self.sign_ins.client(self.service, email) for email in _people(change)]
            match change.action, change.desired, change.live:
                case Action.DELETE, _, LiveSpace() as found:
                    await _delete(owner, found)
                case _, Space() as space, live:
                    found = live if isinstance(live, LiveSpace) else await self._create(owner, space)
                    await self._update(owner, space, await owner.read(found))
            self.report(change, Result.DONE, space_id=found.space_id)
        except ResponseError as error:
            self.report(change, Result.FAILED, error.message)
        except ServiceError as error:
            self.error = error
            self.report(change, Result.UNKNOWN if error.maybe_applied else Result.FAILED, error.message)
        finally:
            if change.key not in self.outcomes:  # the task was cancelled
                self.report(change, Result.UNKNOWN, "interrupted before the service answered")

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
        for _ in range(5):  # another run may change the same space at the same time
            if now.broken:
                raise ResponseError(BROKEN)
            if not compare_space(space, now, extras=self.prune):
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
            found = present.get(member.email)
            if found is None:
                guest = self.sign_ins.client(self.service, member.email)
                await guest.accept(live, await owner.invite(live, member.email, str(member.role)))
            elif found.role != member.role:
                await owner.change_role(live, found, str(member.role))
        for email, extra in present.items() if self.prune else ():
            if email not in space.emails:
                await owner.remove(live, extra)


def spaces_to_release(catalog: Catalog, plan: Plan) -> tuple[str, ...]:
    """Return the slugs of the spaces that `release_spaces` deletes; show them before it is called."""
    return tuple(space.slug for space in catalog.spaces if space.owner in _going(plan))


async def release_spaces(
    service: Service,
    catalog: Catalog,
    plan: Plan,
    passwords: PasswordDeriver | None,
    *,
    cancel: Cancel | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[Plan, tuple[str, ...]]:
    """Delete the spaces of personas that a plan deletes or replaces, and end their other memberships.

    Returns the plan and notes. If the spaces of a persona cannot be released, it loses its action and gets a
    reason; in a plan with `force` it keeps the action. Makes no request if no space of the catalog names them
    and all are in the catalog: others may still be members of a space that no longer names them.
    """
    going, force = _going(plan), plan.options.force
    named = {email for space in catalog.spaces for email in space.emails}
    if not catalog.spaces or not any(email in named or not catalog.persona(email) for email in going):
        return plan, ()
    sign_ins = SignInCache(passwords)
    try:
        state = await fetch_spaces(service, catalog, sign_ins)
        release = _plan_release(catalog, state, going, force=force)
        outcomes = await apply_spaces(release, service, sign_ins, cancel=cancel, on_outcome=on_outcome)
    finally:
        await sign_ins.close(service)
    failures = {outcome.key: outcome.message for outcome in outcomes if outcome.result is not Result.DONE}
    problems = _find_problems(catalog, state, release, failures, going)
    notes = []
    if released := [change.key for change in release.actions if change.key not in failures]:
        notes.append(f"Spaces deleted or left first: {', '.join(sorted(released))}.")
    if released and any(change.action is Action.REPLACE for change in plan.actions):
        notes.append("Run `personas spaces` to create these spaces and memberships again.")
    if force:
        lost = (space.slug for space in catalog.spaces if space.owner in problems.get(space.slug, {}))
        notes += [f"The slug {slug} cannot be used again: its space loses its owner." for slug in lost]
        return plan, tuple(notes)
    changes = list(plan.changes)
    for slug, reasons in problems.items():
        for index, change in enumerate(changes):
            if change.key in reasons:
                reason = f"kept, because the space {slug} needs it: {reasons[change.key]}"
                changes[index] = change.model_copy(update={"action": None, "reason": reason})
    return plan.model_copy(update={"changes": tuple(changes)}), tuple(notes)


def _going(plan: Plan) -> set[str]:
    return {c.key for c in plan.actions if c.action in {Action.DELETE, Action.REPLACE}}


def _plan_release(catalog: Catalog, state: SpaceState, going: set[str], *, force: bool) -> Plan:
    """Plan to delete the spaces of owners that go, and to remove members that go from the others."""
    owned = catalog.model_copy(update={"spaces": tuple(s for s in catalog.spaces if s.owner in going)})
    plan = make_space_plan(owned, state, Options(prune=True, force=force), delete=True)
    deleted = {change.key for change in plan.actions}
    departures = []
    for live in state.spaces.values():
        staying = [member for member in live.members if label(member) not in {live.reader, *going}]
        if len(staying) + 1 < len(live.members) and live.slug not in deleted:
            # Not validated: members can have roles that a catalog cannot name.
            members = tuple(Member.model_construct(email=label(m), role=m.role) for m in staying)
            space = Space.model_construct(
                slug=live.slug, name=live.name, type=live.type, owner=live.reader, members=members
            )
            change = Change(kind=Kind.SPACE, key=live.slug, status=Status.UPDATE, action=Action.UPDATE)
            departures.append(change.model_copy(update={"desired": space, "live": live}))
    return plan.model_copy(update={"changes": (*plan.changes, *departures)})


def _find_problems(
    catalog: Catalog, state: SpaceState, release: Plan, failures: dict[str, str], going: set[str]
) -> dict[str, dict[str, str]]:
    """Return why personas must stay: by slug, the reasons by email."""
    owners = {space.slug: space.owner for space in catalog.spaces}
    problems: dict[str, dict[str, str]] = {}
    for space in catalog.spaces:
        if space.slug in state.unread and space.owner in state.personas:
            inside = {email for email in going if email in space.emails or not catalog.persona(email)}
            problems[space.slug] = dict.fromkeys(inside, state.unread[space.slug])
    for change in release.changes:
        slug, owner = change.key, owners.get(change.key, "")
        if slug in failures:
            inside = going & {owner, *map(label, state.spaces[slug].members)}
            problems[slug] = dict.fromkeys(inside, failures[slug])
        # A space of another owner matters only for a member: deleting one would break it.
        elif not change.action and (change.status is not Status.CONFLICT or slug in state.spaces):
            problems.setdefault(slug, {owner: change.reason})
    return problems
