"""The calls on shared spaces (organizations), each for somebody who is signed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from personas.errors import BadAnswer, ServiceError
from personas.secret import Secret
from personas.service.answers import read
from personas.service.calls import Answer, Call, reason_of
from personas.service.models import Accepted, Invitation, LiveSpace, NamedSpace, SpaceList
from personas.service.signing import NotOffered, Session
from personas.service.transport import Line

SPACES = "/api/auth/organization"


class NoSuchSpace(BadAnswer):
    """The service says that there is no such space."""


class NotAMember(BadAnswer):
    """There is such a space, and whoever is signed in is no member of it."""


class SlugTaken(BadAnswer):
    """A space with this slug is there already."""


_MEANINGS = {
    "ORGANIZATION_NOT_FOUND": NoSuchSpace,
    "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION": NotAMember,
    "ORGANIZATION_ALREADY_EXISTS": SlugTaken,
}


class SpaceCalls:
    """The calls themselves; whoever is signed in acts, and may do what a member of the space may.

    Any of them can raise BadAnswer for what the service refuses, and NotOffered where it has no spaces.

    Args:
        line: The line to the service.
        origin: The service's own origin, which it wants to be told.
    """

    def __init__(self, line: Line, origin: str) -> None:
        self._line = line
        self._origin = origin

    async def list(self, session: Session) -> tuple[LiveSpace, ...]:
        """The spaces of whoever is signed in, the personal one too; without members."""
        what = f"listing the spaces of {session.email}"
        body = await self._call(session, "GET", "list", what)
        return read(SpaceList, {"spaces": body}, what).spaces

    async def get(self, session: Session, *, slug: str, space_id: str | None = None) -> LiveSpace:
        """One space with its members and invitations.

        Args:
            session: A member of it.
            slug: Its slug.
            space_id: Its id, where that is known; the slug is then only told in errors.

        Raises:
            NoSuchSpace: There is none.
            NotAMember: There is one, and it tells members only.
        """
        what = f"reading the space {slug}"
        named = {"organizationSlug": slug} if space_id is None else {"organizationId": space_id}
        body = await self._call(session, "GET", "get-full-organization", what, params=named)
        space = read(LiveSpace, body, what)
        if (
            not space.members
            or space_id not in {None, space.space_id}
            or (not space_id and space.slug != slug)
        ):
            raise BadAnswer(f"{what}: the service answered for another space, or without members")
        now = datetime.now(UTC) + self._line.clock_difference
        invitations = tuple(
            invitation.model_copy(update={"expired": True})
            if invitation.expires_at is not None and invitation.expires_at <= now
            else invitation
            for invitation in space.invitations
        )
        return space.model_copy(update={"invitations": invitations})

    async def create(self, session: Session, *, slug: str, name: str, type: str) -> str:  # noqa: A002 - its name
        """Create a space that belongs to whoever is signed in; its id.

        Raises:
            SlugTaken: There is one with this slug.
        """
        what = f"creating the space {slug}"
        wanted = {"name": name, "slug": slug, "metadata": {"type": type}}
        made = read(NamedSpace, await self._call(session, "POST", "create", what, body=wanted), what)
        if made.slug != slug:
            raise BadAnswer(f"{what}: the service answered for another space")
        return made.space_id

    async def update(self, session: Session, space: LiveSpace, *, name: str, type: str) -> None:  # noqa: A002
        """Give a space another name or type; whatever else the service keeps about it stays."""
        what = f"updating the space {space.slug}"
        data = {"name": name, "metadata": {**space.metadata, "type": type}}
        body = {"organizationId": space.space_id, "data": data}
        _answered_for(space, await self._call(session, "POST", "update", what, body=body), what)

    async def invite(self, session: Session, space: LiveSpace, email: str, role: str) -> Invitation:
        """Invite somebody."""
        what = f"inviting {email} to the space {space.slug}"
        body = {"email": email, "role": role, "organizationId": space.space_id}
        return read(Invitation, await self._call(session, "POST", "invite-member", what, body=body), what)

    async def accept(self, session: Session, space: LiveSpace, invitation_id: str) -> Accepted:
        """Have whoever is signed in accept an invitation."""
        what = f"{session.email} joining the space {space.slug}"
        body = {"invitationId": invitation_id}
        return read(Accepted, await self._call(session, "POST", "accept-invitation", what, body=body), what)

    async def change_role(
        self, session: Session, space: LiveSpace, member_id: str, role: str, *, who: str
    ) -> None:
        """Give a member another role."""
        what = f"making {who} {role} of the space {space.slug}"
        body = {"memberId": member_id, "role": role, "organizationId": space.space_id}
        await self._call(session, "POST", "update-member-role", what, body=body)

    async def remove_member(self, session: Session, space: LiveSpace, member_id: str, *, who: str) -> None:
        """End somebody's membership."""
        what = f"removing {who} from the space {space.slug}"
        body = {"memberIdOrEmail": member_id, "organizationId": space.space_id}
        await self._call(session, "POST", "remove-member", what, body=body)

    async def leave(self, session: Session, space: LiveSpace) -> None:
        """End the membership of whoever is signed in; the only owner cannot."""
        what = f"{session.email} leaving the space {space.slug}"
        await self._call(session, "POST", "leave", what, body={"organizationId": space.space_id})

    async def delete(self, session: Session, space: LiveSpace) -> None:
        """Delete a space for good; an owner may, and a personal one stays."""
        what = f"deleting the space {space.slug}"
        body = {"organizationId": space.space_id}
        _answered_for(space, await self._call(session, "POST", "delete", what, body=body), what)

    async def _call(
        self,
        session: Session,
        method: str,
        name: str,
        what: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> object:
        """One call, down to its JSON; a lost write is sent again, for the service does none of them twice."""
        call = Call(
            method,
            f"{SPACES}/{name}",
            what,
            params=params,
            headers={"origin": self._origin, "cookie": session.header},
            body=Secret(json.dumps(body)) if body is not None else None,
            secrets=(session.cookie,),
        )
        answer = await self._line.call(call)
        if answer.status == 500 and method == "POST":
            # Two runs at once can make one of two calls fail; the next try finds what the other has done.
            answer = await self._line.call(call)
        if answer.status == 200:
            return answer.json()
        error = _refused(answer, call)
        error.lost = answer.lost
        raise error


def _answered_for(space: LiveSpace, body: object, what: str) -> None:
    if read(NamedSpace, body, what).space_id != space.space_id:
        raise BadAnswer(f"{what}: the service answered for another space")


def _refused(answer: Answer, call: Call) -> ServiceError:
    refusal = answer.refusal()
    status = f"(HTTP {answer.status})"
    code = refusal.code if refusal is not None else None
    if code in _MEANINGS:
        return _MEANINGS[code](f"{call.what}: refused {status}{reason_of(answer, call.secrets)}")
    if answer.status in {404, 405, 501}:
        return NotOffered(f"{call.what}: the service offers no spaces {status}")
    if answer.status == 401:
        return BadAnswer(f"{call.what}: the session has ended {status}")
    return BadAnswer(f"{call.what}: refused with HTTP {answer.status}{reason_of(answer, call.secrets)}")
