"""Releasing spaces before personas are deleted.

On the service a space outlives its owner, whose slug is then lost, and the deletion of a member breaks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from personas.catalog.models import Catalog, Space
from personas.concurrency import Cancel
from personas.errors import ResponseError
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import Action, Plan
from personas.services.base import Service
from personas.services.models import LiveMember, LiveSpace
from personas.spaces.apply import delete_space
from personas.spaces.client import SignInCache, SpaceClient
from personas.spaces.fetch import fetch_spaces
from personas.spaces.plan import SpaceState, deletion_obstacle, label


def spaces_to_release(catalog: Catalog, plan: Plan) -> tuple[str, ...]:
    """Return the slugs of the catalog's spaces that `release_spaces` deletes, for the question before it."""
    going = _going(plan)
    return tuple(space.slug for space in catalog.spaces if space.owner in going)


async def release_spaces(
    service: Service,
    catalog: Catalog,
    plan: Plan,
    passwords: PasswordDeriver | None,
    *,
    force: bool = False,
    cancel: Cancel | None = None,
) -> tuple[Plan, tuple[str, ...]]:
    """Delete the spaces of personas that a plan deletes or replaces, and end their other memberships.

    Costs no request if the catalog has no spaces, or if they name none of these personas and all of them are
    in the catalog: a persona outside the catalog may be a member that the catalog no longer names.

    Args:
        service: Where to do it.
        catalog: Names the spaces.
        plan: A plan of personas that is about to be applied.
        passwords: Signs in as owners and members.
        force: Let personas go whose spaces cannot be released.
        cancel: Stops between two spaces.

    Returns:
        The plan without the actions on personas that must stay (the reason says why), and notes for the report.
    """
    going = _going(plan)
    named = {email for space in catalog.spaces for email in space.emails}
    if not catalog.spaces or not any(key in named or catalog.persona(key) is None for key in going):
        return plan, ()
    release = _Release(service, catalog, going, force, SignInCache(passwords))
    try:
        await release.run(cancel or Cancel())
    finally:
        await release.sign_ins.close(service)
    return release.adjust(plan), release.notes(plan)


def _going(plan: Plan) -> set[str]:
    return {c.key for c in plan.actions if c.action in {Action.DELETE, Action.REPLACE}}


@dataclass
class _Release:
    service: Service
    catalog: Catalog
    going: set[str]
    force: bool
    sign_ins: SignInCache
    kept: dict[str, str] = field(default_factory=dict)  # why a persona must stay, by email
    lost: list[str] = field(default_factory=list)  # slugs of spaces that could not be deleted
    released: list[str] = field(default_factory=list)  # slugs of spaces that were deleted or left

    async def run(self, cancel: Cancel) -> None:
        state = await fetch_spaces(self.service, self.catalog, self.sign_ins)
        owners = {space.slug: space.owner for space in self.catalog.spaces}
        for live in state.spaces:
            owner = owners.get(live.slug, "")
            owned = owner in live.owners or live.broken
            deleted = (
                owned
                and owner in self.going
                and not cancel.requested
                and await self._delete(live, state, owner)
            )
            for member in live.members if not deleted else ():
                if label(member) in self.going and label(member) != owner and not cancel.requested:
                    await self._remove(live, member)
        for space in self.catalog.spaces:
            if space.slug in state.unread and space.owner in state.personas and not cancel.requested:
                await self._leave(space, state.unread[space.slug])

    async def _delete(self, live: LiveSpace, state: SpaceState, owner: str) -> bool:
        obstacle = deletion_obstacle(live, state, force=self.force)
        try:
            if not obstacle:
                await delete_space(SpaceClient(self.service, self.sign_ins.session(owner)), live)
                self.released.append(live.slug)
                return True
        except ResponseError as error:
            obstacle = error.message
        self.lost.append(live.slug)
        self._keep(owner, live.slug, obstacle)
        return False

    async def _remove(self, live: LiveSpace, member: LiveMember) -> None:
        client = SpaceClient(self.service, self.sign_ins.session(live.reader))
        try:
            await client.remove(live, member)
            self.released.append(live.slug)
        except ResponseError as error:
            if label(member) in map(label, (await client.read(live)).members):
                self._keep(label(member), live.slug, error.message)

    async def _leave(self, space: Space, reason: str) -> None:
        """Release a space that its owner cannot read: members can still leave it."""
        if space.owner in self.going:
            self.lost.append(space.slug)
            self._keep(space.owner, space.slug, reason)
        guests = [
            email
            for email in self.going - {space.owner}
            if email in space.emails or not self.catalog.persona(email)
        ]
        await self.sign_ins.open(self.service, guests)
        for email in guests:
            try:
                client = SpaceClient(self.service, self.sign_ins.session(email))
                for live in await client.list_spaces():
                    if live.slug == space.slug:
                        await client.leave(live)
                        self.released.append(live.slug)
            except ResponseError as error:
                self._keep(email, space.slug, error.message)

    def _keep(self, email: str, slug: str, reason: str) -> None:
        self.kept.setdefault(email, f"kept, because its space {slug} cannot be released: {reason}")

    def adjust(self, plan: Plan) -> Plan:
        """Return the plan without the actions on personas that must stay."""
        changes = tuple(
            c.model_copy(update={"action": None, "reason": f"{self.kept[c.key]} (--force lifts this)"})
            if c.key in self.kept and c.key in self.going and not self.force
            else c
            for c in plan.changes
        )
        return plan.model_copy(update={"changes": changes})

    def notes(self, plan: Plan) -> tuple[str, ...]:
        """Say what was released, and what is lost."""
        notes = []
        slugs = ", ".join(dict.fromkeys(self.released))
        if slugs:
            notes.append(f"Released before the deletion of owners or members: {slugs}.")
            if any(change.action is Action.REPLACE for change in plan.actions):
                notes.append("Run `personas spaces` to restore spaces and members.")
        if self.force and self.lost:
            notes.append(
                f"Slugs that cannot be used again, because owners are deleted: {', '.join(self.lost)}."
            )
        return tuple(notes)
