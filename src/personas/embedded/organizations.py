"""Spaces: Better Auth's organizations, their members and their invitations, for whoever is signed in."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from starlette.responses import JSONResponse

from personas.embedded import spaces
from personas.embedded.answers import Call, bad_json, coded, query_text, read_object
from personas.embedded.schema import invitations, members, organizations
from personas.embedded.tokens import make_id
from personas.embedded.users import is_email

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

PREFIX: Final = "/api/auth/organization"
TYPES: Final = ("personal", "brand", "club", "family", "team", "practice")
ROLES: Final = ("member", "admin", "owner")
INVITATION_LIFETIME: Final = dt.timedelta(hours=48)
MAX_SLUG: Final = 200  # longer ones overflow an index of PostgreSQL


class OrganizationCalls:
    """The handlers of the calls on spaces."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call(f"{PREFIX}/list", self.list, methods=["GET"]),
            Call(f"{PREFIX}/create", self.create, methods=["POST"]),
            Call(f"{PREFIX}/invite-member", self.invite, methods=["POST"]),
            Call(f"{PREFIX}/list-user-invitations", self.list_invitations, methods=["GET"]),
            Call(f"{PREFIX}/accept-invitation", self.accept, methods=["POST"]),
            Call(f"{PREFIX}/get-full-organization", self.show, methods=["GET"]),
            Call(f"{PREFIX}/update-member-role", self.update_role, methods=["POST"]),
            Call(f"{PREFIX}/remove-member", self.remove, methods=["POST"]),
            Call(f"{PREFIX}/delete", self.delete, methods=["POST"]),
        ]

    async def _begin(self, request: Request) -> tuple[sa.Row[Any], dict[str, Any]]:
        user = await self._service.require_session(request)
        return user, await read_object(request, bad=bad_json())

    async def list(self, request: Request) -> Response:
        """The spaces of whoever is signed in."""
        user = await self._service.require_session(request)

        def work(connection: Connection) -> list[dict[str, Any]]:
            rows = connection.execute(
                sa.select(organizations)
                .join(members, members.c.organization_id == organizations.c.id)
                .where(members.c.user_id == user.id)
                .order_by(members.c.created_at, members.c.id)
            )
            return [spaces.describe_space(row) for row in rows]

        return JSONResponse(await self._service.read(work))

    async def create(self, request: Request) -> Response:
        """A new space, owned by whoever is signed in."""
        user, body = await self._begin(request)
        name, slug = _text(body, "name"), _text(body, "slug")
        metadata = body.get("metadata")
        if not isinstance(metadata, dict) or metadata.get("type") not in TYPES:
            expected = ", ".join(TYPES)
            message = f'Organization metadata must include a valid "type" field. Expected one of: {expected}.'
            raise coded(400, "SPACE_METADATA_INVALID", message)
        if len(slug) > MAX_SLUG:
            raise coded(400, "VALIDATION_ERROR", f"[body.slug] At most {MAX_SLUG} characters")
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            if connection.scalar(sa.select(organizations.c.id).where(organizations.c.slug == slug)):
                raise coded(400, "ORGANIZATION_ALREADY_EXISTS", "Organization already exists")
            space_id = make_id()
            connection.execute(
                sa.insert(organizations).values(
                    id=space_id, name=name, slug=slug, metadata=metadata, created_at=now
                )
            )
            row = spaces.find_space(connection, space_id)
            member = spaces.add_member(connection, row.id, user.id, "owner", now)
            space = spaces.describe_space(row)
            del space["metadata"]  # as the original
            return {**space, "members": [spaces.describe_member(member)]}

        return JSONResponse(await self._service.write(work))

    async def invite(self, request: Request) -> Response:
        """Invite somebody by email."""
        user, body = await self._begin(request)
        email, role = _text(body, "email").lower(), _role(body)
        organization_id = _text(body, "organizationId")
        if not is_email(email):
            raise coded(400, "INVALID_EMAIL", "Invalid email")
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            organization = spaces.find_space(connection, organization_id)
            spaces.require_role(
                connection, organization.id, user.id, "INVITE_USERS_TO_THIS_ORGANIZATION", owner=role
            )
            if spaces.find_member_by_email(connection, organization.id, email) is not None:
                code = "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION"
                raise coded(400, code, "User is already a member of this organization")
            if connection.execute(spaces.select_pending(now, email, organization.id)).first() is not None:
                code = "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION"
                raise coded(400, code, "User is already invited to this organization")
            made = {
                "id": make_id(),
                "organization_id": organization.id,
                "email": email,
                "role": role,
                "status": "pending",
                "inviter_id": user.id,
                "expires_at": now + INVITATION_LIFETIME,
                "created_at": now,
            }
            connection.execute(sa.insert(invitations).values(made))
            return spaces.describe_invitation(spaces.find_invitation(connection, made["id"]))

        return JSONResponse(await self._service.write(work))

    async def list_invitations(self, request: Request) -> Response:
        """The open invitations of whoever is signed in."""
        user = await self._service.require_session(request)
        now = self._service.now()

        def work(connection: Connection) -> list[dict[str, Any]]:
            rows = connection.execute(spaces.select_pending(now, user.email))
            return [
                {**spaces.describe_invitation(row), "organizationName": row.organization_name} for row in rows
            ]

        return JSONResponse(await self._service.read(work))

    async def accept(self, request: Request) -> Response:
        """Become a member by an invitation to one's own email."""
        user, body = await self._begin(request)
        invitation_id = _text(body, "invitationId")
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            row = spaces.find_invitation(connection, invitation_id)
            if row.status != "pending" or row.expires_at <= now:
                raise spaces.no_invitation()
            if row.email != user.email:
                code = "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION"
                raise coded(403, code, "You are not the recipient of the invitation")
            connection.execute(
                sa.update(invitations).where(invitations.c.id == row.id).values(status="accepted")
            )
            member = spaces.find_member_by_email(connection, row.organization_id, user.email)
            if member is None:
                member = spaces.add_member(connection, row.organization_id, user.id, row.role, now)
            invitation = spaces.describe_invitation(spaces.find_invitation(connection, row.id))
            return {"invitation": invitation, "member": spaces.describe_member(member)}

        return JSONResponse(await self._service.write(work))

    async def show(self, request: Request) -> Response:
        """One space with its members and invitations, to its members; null when none is named."""
        user = await self._service.require_session(request)
        organization_id = query_text(request, "organizationId")
        slug = query_text(request, "organizationSlug")
        if not organization_id and not slug:
            return JSONResponse(None)

        def work(connection: Connection) -> dict[str, Any]:
            column, value = ("slug", slug) if slug else ("id", organization_id)
            row = spaces.find_space(connection, value, column=column)
            found = connection.execute(spaces.select_members(row.id)).all()
            if all(member.user_id != user.id for member in found):
                raise spaces.not_a_member()
            invited = connection.execute(
                sa.select(invitations)
                .where(invitations.c.organization_id == row.id)
                .order_by(invitations.c.created_at, invitations.c.id)
            )
            return {
                **spaces.describe_space(row),
                "invitations": [spaces.describe_invitation(each) for each in invited],
                "members": [spaces.describe_member_and_user(each) for each in found],
            }

        return JSONResponse(await self._service.read(work))

    async def update_role(self, request: Request) -> Response:
        """Change a member's role."""
        user, body = await self._begin(request)
        member_id, role = _text(body, "memberId"), _role(body)
        organization_id = _text(body, "organizationId")

        def work(connection: Connection) -> dict[str, Any]:
            organization = spaces.find_space(connection, organization_id)
            member = spaces.find_member(connection, organization.id, member_id)
            needs = "owner" if "owner" in (role, member.role) else "member"
            spaces.require_role(connection, organization.id, user.id, "UPDATE_THIS_MEMBER", owner=needs)
            if (
                member.role == "owner"
                and role != "owner"
                and spaces.count_owners(connection, organization.id) == 1
            ):
                code = "YOU_CANNOT_LEAVE_THE_ORGANIZATION_WITHOUT_AN_OWNER"
                raise coded(400, code, "You cannot leave the organization without an owner")
            connection.execute(sa.update(members).where(members.c.id == member.id).values(role=role))
            return spaces.describe_member(spaces.find_member(connection, organization.id, member_id))

        return JSONResponse(await self._service.write(work))

    async def remove(self, request: Request) -> Response:
        """Remove a member, named by its id or email."""
        user, body = await self._begin(request)
        who, organization_id = _text(body, "memberIdOrEmail"), _text(body, "organizationId")

        def work(connection: Connection) -> dict[str, Any]:
            organization = spaces.find_space(connection, organization_id)
            if "@" in who:
                member = spaces.find_member_by_email(connection, organization.id, who.lower())
                if member is None:
                    raise spaces.no_member()
            else:
                member = spaces.find_member(connection, organization.id, who)
            if member.user_id != user.id:
                spaces.require_role(
                    connection, organization.id, user.id, "DELETE_THIS_MEMBER", owner=member.role
                )
            if member.role == "owner" and spaces.count_owners(connection, organization.id) == 1:
                code = "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER"
                raise coded(400, code, "You cannot leave the organization as the only owner")
            connection.execute(sa.delete(members).where(members.c.id == member.id))
            return {"member": spaces.describe_member_and_user(member)}

        return JSONResponse(await self._service.write(work))

    async def delete(self, request: Request) -> Response:
        """Delete a space; its owner may, unless it is the personal one."""
        user, body = await self._begin(request)
        organization_id = _text(body, "organizationId")

        def work(connection: Connection) -> dict[str, Any]:
            row = spaces.find_space(connection, organization_id)
            spaces.require_role(connection, row.id, user.id, "DELETE_THIS_ORGANIZATION", owner="owner")
            if row.metadata.get("type") == "personal":
                message = "The personal space cannot be deleted. Delete the user account instead."
                raise coded(403, "SPACE_PERSONAL_UNDELETABLE", message)
            connection.execute(sa.delete(organizations).where(organizations.c.id == row.id))
            return spaces.describe_space(row)

        return JSONResponse(await self._service.write(work))


def _text(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise coded(400, "VALIDATION_ERROR", f"[body.{field}] Invalid input: expected string")
    return value


def _role(body: dict[str, Any]) -> str:
    role = _text(body, "role")
    if role not in ROLES:
        raise coded(400, "ROLE_NOT_FOUND", "Role not found")
    return role
