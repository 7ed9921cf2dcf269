"""Invitations to spaces: sent, listed, shown, accepted, rejected and taken back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from starlette.responses import JSONResponse

from personas.embedded import spaces
from personas.embedded.answers import Call, Refusal, coded, query_text
from personas.embedded.bodies import Body
from personas.embedded.schema import invitations, organizations
from personas.embedded.spaces import PREFIX, Roles, begin, refusal
from personas.embedded.tokens import make_id
from personas.embedded.users import is_email

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

LIFETIME: Final = dt.timedelta(hours=48)


class NewInvitation(Body):
    """The body of `invite-member`."""

    email: str
    role: Roles
    organization_id: str = ""
    resend: bool = False


class NamedInvitation(Body):
    """The body of the calls on one invitation."""

    invitation_id: str


class InvitationCalls:
    """The handlers of the calls on invitations."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call(f"{PREFIX}/invite-member", self.invite, methods=["POST"]),
            Call(f"{PREFIX}/list-user-invitations", self.list, methods=["GET"]),
            Call(f"{PREFIX}/get-invitation", self.show, methods=["GET"]),
            Call(f"{PREFIX}/accept-invitation", self.accept, methods=["POST"]),
            Call(f"{PREFIX}/reject-invitation", self.reject, methods=["POST"]),
            Call(f"{PREFIX}/cancel-invitation", self.cancel, methods=["POST"]),
        ]

    async def invite(self, request: Request) -> Response:
        """Invite somebody by email, or renew the invitation that is open."""
        user, body = await begin(self._service, request, NewInvitation)
        email, role = body.email.lower(), ",".join(body.role)
        space_id = body.organization_id
        if not space_id:
            raise refusal(400, "ORGANIZATION_NOT_FOUND")
        if not is_email(email):
            raise refusal(400, "INVALID_EMAIL")
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            spaces.lock_space(connection, space_id)
            _check_may_invite(connection, space_id, user.id, role)
            if spaces.find_member_by_email(connection, space_id, email) is not None:
                raise refusal(400, "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION")
            is_open = (invitations.c.organization_id == space_id, *_open_at(now))
            pending = connection.execute(
                sa.select(invitations).where(*is_open, invitations.c.email == email)
            ).first()
            if pending is not None and not body.resend:
                raise refusal(400, "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION")
            if pending is not None:
                return _change(connection, pending.id, expires_at=now + LIFETIME)
            query = sa.select(sa.func.count()).select_from(invitations).where(*is_open)
            if connection.execute(query).scalar_one() >= spaces.PENDING_LIMIT:
                raise refusal(403, "INVITATION_LIMIT_REACHED")
            made = {
                "id": make_id(),
                "organization_id": space_id,
                "email": email,
                "role": role,
                "status": "pending",
                "inviter_id": user.id,
                "expires_at": now + LIFETIME,
                "created_at": now,
            }
            connection.execute(sa.insert(invitations).values(made))
            return _describe(connection, made["id"])

        return JSONResponse(await self._service.write(work))

    async def list(self, request: Request) -> Response:
        """The invitations of whoever is signed in that wait for an answer, also those that have run out."""
        if request.query_params.get("email"):
            raise Refusal(400, {"message": "User email cannot be passed for client side API calls."})
        user = await self._service.find_session(request)
        if user is None:
            raise Refusal(400, {"message": "Missing session headers, or email query parameter."})

        def work(connection: Connection) -> list[dict[str, Any]]:
            rows = connection.execute(
                sa.select(invitations, organizations.c.name.label("organization_name"))
                .join(organizations, organizations.c.id == invitations.c.organization_id)
                .where(invitations.c.email == user.email, invitations.c.status == "pending")
                .order_by(invitations.c.created_at, invitations.c.id)
            )
            return [
                {**spaces.describe_invitation(row), "organizationName": row.organization_name} for row in rows
            ]

        return JSONResponse(await self._service.read(work))

    async def show(self, request: Request) -> Response:
        """One open invitation with its space and who sent it, to its recipient."""
        invitation_id = query_text(request, "id")
        if invitation_id is None:
            message = "[query.id] Invalid input: expected string, received undefined"
            raise coded(400, "VALIDATION_ERROR", message)
        user = await self._service.find_session(request)
        if user is None:
            raise Refusal(401, {"message": "Not authenticated"})
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            unknown = Refusal(400, {"message": "Invitation not found!"})
            row = _find_open(connection, invitation_id, user.email, now, unknown=unknown)
            space = connection.execute(
                sa.select(organizations).where(organizations.c.id == row.organization_id)
            ).one()
            inviter = spaces.find_member(connection, row.organization_id, row.inviter_id)
            if inviter is None:
                raise refusal(400, "INVITER_IS_NO_LONGER_A_MEMBER_OF_THE_ORGANIZATION")
            return {
                **spaces.describe_invitation(row),
                "organizationName": space.name,
                "organizationSlug": space.slug,
                "inviterEmail": inviter.email,
            }

        return JSONResponse(await self._service.read(work))

    async def accept(self, request: Request) -> Response:
        """Become a member by an invitation to one's own email."""
        user, body = await begin(self._service, request, NamedInvitation)
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            unknown = refusal(400, "INVITATION_NOT_FOUND")
            row = _find_open(connection, body.invitation_id, user.email, now, unknown=unknown)
            space_id = row.organization_id
            if spaces.count_members(connection, space_id) >= spaces.MEMBERS_LIMIT:
                raise refusal(403, "ORGANIZATION_MEMBERSHIP_LIMIT_REACHED")
            member = spaces.find_member(connection, space_id, user.id)
            if member is None:
                member = spaces.add_member(connection, space_id, user.id, row.role, now)
            invitation = _change(connection, row.id, status="accepted")
            return {"invitation": invitation, "member": spaces.describe_member(member)}

        return JSONResponse(await self._service.write(work))

    async def reject(self, request: Request) -> Response:
        """Turn an invitation to one's own email down."""
        user, body = await begin(self._service, request, NamedInvitation)
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            unknown = coded(400, "INVITATION_NOT_FOUND", "Invitation not found!")
            row = _find_open(connection, body.invitation_id, user.email, now, unknown=unknown)
            return {"invitation": _change(connection, row.id, status="rejected"), "member": None}

        return JSONResponse(await self._service.write(work))

    async def cancel(self, request: Request) -> Response:
        """Take an invitation back; the space's owners and admins may."""
        user, body = await begin(self._service, request, NamedInvitation)

        def work(connection: Connection) -> dict[str, Any]:
            row = _find(connection, body.invitation_id)
            if row is None:
                raise refusal(400, "INVITATION_NOT_FOUND")
            member = spaces.find_member(connection, row.organization_id, user.id)
            if member is None:
                raise refusal(400, "MEMBER_NOT_FOUND")
            if not spaces.may(member.role, "invitation:cancel"):
                raise refusal(403, "YOU_ARE_NOT_ALLOWED_TO_CANCEL_THIS_INVITATION")
            return _change(connection, row.id, status="canceled")

        return JSONResponse(await self._service.write(work))


def _check_may_invite(connection: Connection, space_id: str, user_id: str, role: str) -> None:
    """Refuse who is no member or may not invite, a word that is no role, and an owner invited by an admin."""
    member = spaces.find_member(connection, space_id, user_id)
    if member is None:
        raise refusal(400, "MEMBER_NOT_FOUND")
    if not spaces.may(member.role, "invitation:create"):
        raise refusal(403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USERS_TO_THIS_ORGANIZATION")
    words = [word.strip() for word in role.split(",")]
    unknown = [word for word in words if word and word not in spaces.PERMISSIONS]
    if unknown:
        raise Refusal(400, {"message": f"ROLE_NOT_FOUND: {', '.join(unknown)}"})
    if spaces.is_owner(role) and not spaces.is_owner(member.role):
        code = "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE"
        raise coded(403, code, "You are not allowed to invite a user with this role")


def _open_at(now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return invitations.c.status == "pending", invitations.c.expires_at > now


def _find(connection: Connection, invitation_id: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(invitations).where(invitations.c.id == invitation_id)).one_or_none()


def _find_open(
    connection: Connection, invitation_id: str, email: str, now: dt.datetime, *, unknown: Refusal
) -> sa.Row[Any]:
    """An invitation that its recipient may still answer, and nobody else answers meanwhile."""
    query = sa.select(invitations).where(invitations.c.id == invitation_id, *_open_at(now))
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise unknown
    if row.email != email:
        raise refusal(403, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION")
    return row


def _change(connection: Connection, invitation_id: str, **values: Any) -> dict[str, Any]:
    connection.execute(sa.update(invitations).where(invitations.c.id == invitation_id).values(**values))
    return _describe(connection, invitation_id)


def _describe(connection: Connection, invitation_id: str) -> dict[str, Any]:
    row = connection.execute(sa.select(invitations).where(invitations.c.id == invitation_id)).one()
    return spaces.describe_invitation(row)
