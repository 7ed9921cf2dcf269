"""Spaces: Better Auth's organizations, for whoever is signed in.

The original's sessions keep no active organization, whatever Better Auth's documentation says: a call that
names no space concerns none, also after `set-active`, `create` or `accept-invitation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from pydantic import Field
from starlette.responses import JSONResponse

from personas.embedded import spaces
from personas.embedded.answers import Call, Refusal, coded, query_number, query_text
from personas.embedded.bodies import Body, Filled
from personas.embedded.schema import invitations, members, organizations
from personas.embedded.spaces import PREFIX, Wordless, begin, refusal
from personas.embedded.tokens import make_id

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

MAX_SLUG: Final = 2600  # bytes; longer ones overflow an index of PostgreSQL
STORED: Final = {"name", "slug", "logo", "metadata"}


class NewSpace(Body):
    """The body of `create`."""

    name: Filled
    slug: Filled
    user_id: Any = None  # taken, and not heeded from outside
    logo: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    keep_current_active_organization: bool = False


class Slug(Body):
    """The body of `check-slug`."""

    slug: str


class Changes(Body):
    """What `update` changes."""

    name: Filled = ""
    slug: Filled = ""
    logo: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)


class Update(Body):
    """The body of `update`."""

    data: Changes
    organization_id: str = ""


class NamedSpace(Body):
    """The body of `delete`."""

    organization_id: str


class ActiveSpace(Body):
    """The body of `set-active`."""

    organization_id: str | None = ""
    organization_slug: str = ""


class OrganizationCalls:
    """The handlers of the calls on spaces themselves."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call(f"{PREFIX}/list", self.list, methods=["GET"]),
            Call(f"{PREFIX}/create", self.create, methods=["POST"]),
            Call(f"{PREFIX}/check-slug", self.check_slug, methods=["POST"]),
            Call(f"{PREFIX}/get-full-organization", self.show, methods=["GET"]),
            Call(f"{PREFIX}/set-active", self.set_active, methods=["POST"]),
            Call(f"{PREFIX}/update", self.update, methods=["POST"]),
            Call(f"{PREFIX}/delete", self.delete, methods=["POST"]),
        ]

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
        user, body = await begin(self._service, request, NewSpace, unknown=Wordless(401))
        _check_length(body.slug)
        now = self._service.now()

        def work(connection: Connection) -> dict[str, Any]:
            if spaces.find_space_by_slug(connection, body.slug) is not None:
                raise refusal(400, "ORGANIZATION_ALREADY_EXISTS")
            if body.metadata.get("type") not in spaces.TYPES:
                expected = ", ".join(spaces.TYPES)
                message = (
                    f'Organization metadata must include a valid "type" field. Expected one of: {expected}.'
                )
                raise coded(400, "SPACE_METADATA_INVALID", message)
            space_id = make_id()
            values = {
                **body.model_dump(include=STORED, exclude_unset=True),
                "id": space_id,
                "created_at": now,
            }
            connection.execute(sa.insert(organizations).values(values))
            member = spaces.add_member(connection, space_id, user.id, "owner", now)
            row = connection.execute(sa.select(organizations).where(organizations.c.id == space_id)).one()
            space = spaces.describe_space(row)
            del space["metadata"]  # as the original
            return {**space, "members": [spaces.describe_member(member)]}

        return JSONResponse(await self._service.write(work))

    async def check_slug(self, request: Request) -> Response:
        """Tell whether a slug is free."""
        _, body = await begin(self._service, request, Slug)
        row = await self._service.read(lambda connection: spaces.find_space_by_slug(connection, body.slug))
        if row is not None:
            raise _slug_taken()
        return JSONResponse({"status": True})

    async def show(self, request: Request) -> Response:
        """One space with its members and invitations, to its members; null when none is named."""
        user = await self._service.require_session(request)
        space_id = query_text(request, "organizationId")
        slug = query_text(request, "organizationSlug")
        limit = query_number(
            request, "membersLimit", default=spaces.MEMBERS_LIMIT, at_most=spaces.MEMBERS_LIMIT
        )
        if not space_id and not slug:
            return JSONResponse(None)

        def work(connection: Connection) -> dict[str, Any]:
            row = _find(connection, space_id or "", slug or "")
            if spaces.find_member(connection, row.id, user.id) is None:
                raise refusal(403, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
            in_space = members.c.organization_id == row.id
            found = connection.execute(spaces.select_members().where(in_space).limit(limit))
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

    async def set_active(self, request: Request) -> Response:
        """Tell the space that is to be the active one, to its members; null when none is named."""
        user, body = await begin(self._service, request, ActiveSpace)
        if body.organization_id is None or not (body.organization_id or body.organization_slug):
            return JSONResponse(None)
        space_id, slug = body.organization_id, body.organization_slug

        def work(connection: Connection) -> dict[str, Any]:
            # Here the id goes before the slug, and an unknown id is nobody's space.
            row = spaces.find_space(connection, space_id) if space_id else _find(connection, "", slug)
            if row is None or spaces.find_member(connection, row.id, user.id) is None:
                raise refusal(403, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
            return spaces.describe_space(row)

        return JSONResponse(await self._service.read(work))

    async def update(self, request: Request) -> Response:
        """Change what is given of a space; its owners and admins may."""
        unknown = Refusal(401, {"message": "User not found"})
        user, body = await begin(self._service, request, Update, unknown=unknown)
        space_id, changes = body.organization_id, body.data.model_dump(exclude_unset=True)
        _check_length(body.data.slug)

        def work(connection: Connection) -> dict[str, Any]:
            if not space_id:
                raise refusal(400, "ORGANIZATION_NOT_FOUND")
            self._require(connection, space_id, user.id, "update")
            holder = spaces.find_space_by_slug(connection, body.data.slug)
            if holder is not None and holder.id != space_id:
                raise _slug_taken()
            if not changes:
                raise coded(400, "VALIDATION_ERROR", "[body.data] Nothing to change")
            this = organizations.c.id == space_id
            connection.execute(sa.update(organizations).where(this).values(changes))
            return spaces.describe_space(connection.execute(sa.select(organizations).where(this)).one())

        return JSONResponse(await self._service.write(work))

    async def delete(self, request: Request) -> Response:
        """Delete a space; its owner may, unless it is a personal one."""
        user, body = await begin(self._service, request, NamedSpace, unknown=Wordless(401))
        space_id = body.organization_id

        def work(connection: Connection) -> dict[str, Any]:
            if not space_id:
                raise refusal(400, "ORGANIZATION_NOT_FOUND")
            self._require(connection, space_id, user.id, "delete")
            this = organizations.c.id == space_id
            row = connection.execute(sa.select(organizations).where(this)).one()
            if row.metadata.get("type") == "personal":
                message = "The personal space cannot be deleted. Delete the user account instead."
                raise coded(403, "SPACE_PERSONAL_UNDELETABLE", message)
            connection.execute(sa.delete(organizations).where(this))
            return spaces.describe_space(row)

        return JSONResponse(await self._service.write(work))

    @staticmethod
    def _require(connection: Connection, space_id: str, user_id: str, act: str) -> None:
        """Refuse whoever may not update or delete a space; who is no member is told nothing of it."""
        member = spaces.find_member(connection, space_id, user_id)
        if member is None:
            raise refusal(400, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
        if not spaces.may(member.role, f"organization:{act}"):
            raise refusal(403, f"YOU_ARE_NOT_ALLOWED_TO_{act.upper()}_THIS_ORGANIZATION")


def _find(connection: Connection, space_id: str, slug: str) -> sa.Row[Any]:
    """The space with this slug, or without one with this id."""
    find = spaces.find_space_by_slug if slug else spaces.find_space
    row = find(connection, slug or space_id)
    if row is None:
        raise refusal(400, "ORGANIZATION_NOT_FOUND")
    return row


def _slug_taken() -> Refusal:
    return refusal(400, "ORGANIZATION_SLUG_ALREADY_TAKEN")


def _check_length(slug: str) -> None:
    if len(slug.encode("utf-8")) > MAX_SLUG:
        raise coded(400, "VALIDATION_ERROR", f"[body.slug] At most {MAX_SLUG} bytes")
