"""Carry out what a plan says of shared spaces, signed in as their owners and members."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from personas.errors import BadAnswer, RateLimited, Unavailable
from personas.reconcile.changes import FieldChange, SpaceChange
from personas.reconcile.owners import Passwords
from personas.reconcile.space_plan import differences
from personas.service.endpoints import AuthService
from personas.service.models import OWNER, LiveSpace
from personas.service.pacing import spread
from personas.service.signing import SIGN_INS_AT_ONCE, Session
from personas.service.spaces import NoSuchSpace, NotAMember, SlugTaken

# So often a space is looked at anew when somebody else is changing it as well.
MOST_LOOKS = 8
NEXT_RUN = "the next seed completes it"


class SpaceSteps:
    """The steps on spaces, each such that it can be done again wherever it was cut.

    Args:
        service: Where to do them.
        passwords: What signs personas in.
        spaces: The live spaces as they were read.
    """

    def __init__(self, service: AuthService, passwords: Passwords, spaces: Iterable[LiveSpace]) -> None:
        self._calls = service.spaces
        self._passwords = passwords
        self._spaces = tuple(spaces)
        self._deleted: set[str] = set()

    async def delete(self, change: SpaceChange) -> str:
        """Delete a space in which nobody has come to share since it was read.

        Returns:
            What is worth saying about it.

        Raises:
            BadAnswer: Somebody has joined meanwhile, or the service refused.
        """
        if change.live is None:
            raise AssertionError(change.key)
        session = await self._passwords.session(change.owner)
        try:
            now = await self._calls.get(session, slug=change.key, space_id=change.live.space_id)
            if joined := {m.email for m in now.members} - {m.email for m in change.live.members}:
                who = ", ".join(sorted(joined))
                raise BadAnswer(f"{who} joined the space {change.key} meanwhile: it is not deleted")
            await self._calls.delete(session, now)
        except (NoSuchSpace, NotAMember):
            if await self._find(session, change.key) is not None:
                raise
            self._deleted.add(change.live.space_id)
            return "was gone already"
        self._deleted.add(change.live.space_id)
        return ""

    async def make(self, change: SpaceChange) -> str:
        """Create a space, or mend it, until it is as the catalog wants it.

        Raises:
            BadAnswer: The service refused, or somebody who is needed cannot be signed in.
        """
        if (space := change.space) is None:
            raise AssertionError(change.key)
        found = change.live if change.live and change.live.space_id not in self._deleted else None
        owner = change.owner if found else space.owner
        if found is not None and change.waits_for:
            # Whoever was created again has left it since it was read.
            session = await self._passwords.session(owner)
            found = await self._calls.get(session, slug=space.slug, space_id=found.space_id)
        # Whoever has to act is signed in before anything is written: half a space is none.
        joining = [m.email for m in space.members if found is None or found.member(m.email) is None]
        await spread(dict.fromkeys((owner, *joining)), self._passwords.session, workers=SIGN_INS_AT_ONCE)
        if found is None:
            found = await self._create(change)
        try:
            await self._mend(change, found)
        except BadAnswer as error:
            error.message += f"; {NEXT_RUN}"
            raise
        return ""

    async def depart(self, email: str, planned: Iterable[SpaceChange], leaving: Collection[str]) -> None:
        """Have somebody who is about to be deleted leave every space; else nobody could read it any more.

        Args:
            email: Who.
            planned: The spaces of the plan, whose owners can remove a member.
            leaving: All who are about to be deleted, and so might be gone too soon to do that.

        Raises:
            BadAnswer: The service refused.
        """
        actors = {c.key: c.owner for c in planned if c.live is not None and c.owner not in leaving}
        for space in self._spaces:
            member = space.member(email)
            if member is None or space.space_id in self._deleted or space.owners == (email,):
                continue
            actor = actors.get(space.slug) or email
            try:
                if actor == email:
                    await self._calls.leave(await self._passwords.session(email), space)
                else:
                    session = await self._passwords.session(actor)
                    await self._calls.remove_member(session, space, member.member_id, who=email)
            except BadAnswer:
                session = await self._passwords.session(actor)
                now = await self._find(session, space.slug)
                if now is not None and now.member(email) is not None:
                    raise

    async def _find(self, session: Session, slug: str) -> LiveSpace | None:
        """A space of whoever is signed in, as it is now."""
        listed = await self._calls.list(session)
        space_id = next((space.space_id for space in listed if space.slug == slug), None)
        return None if space_id is None else await self._calls.get(session, slug=slug, space_id=space_id)

    async def _create(self, change: SpaceChange) -> LiveSpace:
        """Create a space, or find it created: an answer got lost, or another run was quicker."""
        if (space := change.space) is None:
            raise AssertionError(change.key)
        session = await self._passwords.session(space.owner)
        try:
            space_id = await self._calls.create(
                session, slug=space.slug, name=space.name, type=str(space.type)
            )
        except SlugTaken as error:
            found = await self._find(session, space.slug)
            if found is None:
                raise SlugTaken(
                    f"{error.message}; {space.owner} is no member of it: choose another slug in the catalog, "
                    "or seed with --prune if a stray has it"
                ) from None
            return found
        return await self._calls.get(session, slug=space.slug, space_id=space_id)

    async def _mend(self, change: SpaceChange, found: LiveSpace) -> None:
        if (space := change.space) is None:
            raise AssertionError(change.key)
        removable = {item.member for item in change.fields if item.new is None and item.mendable}
        for look in range(1, MOST_LOOKS + 1):
            todo = [item for item in differences(space, found, removable) if item.mendable]
            try:
                await self._do(change, found, todo)
            except (RateLimited, Unavailable):
                raise
            except BadAnswer:
                now = await self._look(found, (space.owner, change.owner))
                if now == found or look == MOST_LOOKS:
                    raise
                found = now
            else:
                return

    async def _look(self, space: LiveSpace, members: Iterable[str]) -> LiveSpace:
        """A space as the first of these who is a member of it is told."""
        for email in dict.fromkeys(members):
            session = await self._passwords.session(email)
            with suppress(NotAMember):
                return await self._calls.get(session, slug=space.slug, space_id=space.space_id)
        raise NotAMember(f"reading the space {space.slug}: its owner is no member any more")

    async def _do(self, change: SpaceChange, found: LiveSpace, todo: Collection[FieldChange]) -> None:
        if (space := change.space) is None:
            raise AssertionError(change.key)
        owner = space.owner if space.owner in found.owners else change.owner
        session = await self._passwords.session(owner)
        if any(item.field in {"name", "type"} for item in todo):
            await self._calls.update(session, found, name=space.name, type=str(space.type))
        for item in todo:
            if item.field == "owner":
                await self._give(session, found, space.owner, OWNER)
                # From now on it is the catalog's owner who acts: the other one may be among those who go.
                session = await self._passwords.session(space.owner)
            elif item.field == "members" and item.new is not None:
                await self._give(session, found, item.member, str(item.new))
            elif item.field == "members" and (member := found.member(item.member)) is not None:
                await self._calls.remove_member(session, found, member.member_id, who=item.member)

    async def _give(self, owner: Session, space: LiveSpace, email: str, role: str) -> None:
        """Make somebody a member with this role."""
        if (member := space.member(email)) is not None:
            await self._calls.change_role(owner, space, member.member_id, role, who=email)
            return
        invitation = space.invitation(email)
        if invitation is None or invitation.expired:
            invitation = await self._calls.invite(owner, space, email, role)
        session = await self._passwords.session(email)
        accepted = await self._calls.accept(session, space, invitation.invitation_id)
        if accepted.role != role:
            await self._calls.change_role(owner, space, accepted.member_id, role, who=email)
