"""Spaces: the calls of Better Auth's organization plugin on a space as a whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any, Final

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded import members as membership
from personas.embedded.answers import Crash, Refusal, as_json, auth_error, query_text
from personas.embedded.bodies import Body, NonEmpty
from personas.embedded.members import PREFIX, NamedSpace, read_call
from personas.embedded.schema import invitations, members, organizations
from personas.embedded.service import Service
from personas.embedded.tokens import make_id

TYPES: Final = ("personal", "brand", "club", "family", "team", "practice")


class Changes(Body):
    """The fields of a space that `update` can change."""

    name: NonEmpty = ""
    slug: NonEmpty = ""
    logo: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)


class Update(Body):
    """The body of `update`."""

    data: Changes
    organization_id: str = ""


class NewSpace(Changes):
    """The body of `create`."""

    name: NonEmpty
    slug: NonEmpty


class Slug(Body):
    """The body of `check-slug`."""

    slug: str


def _find(connection: Connection, slug: str, space_id: str = "") -> sa.Row[Any] | None:
    which = organizations.c.slug == slug if slug else organizations.c.id == space_id
    return connection.execute(sa.select(organizations).where(which)).one_or_none()


async def list_spaces(request: Request) -> Response:
    """The spaces that the user is a member of."""
    user = await Service.of(request).require_session(request)
    return JSONResponse(await Service.of(request).read(_list, user.id))


def _list(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    query = (
        sa.select(organizations)
        .join(members, members.c.organization_id == organizations.c.id)
        .where(members.c.user_id == user_id)
        .order_by(members.c.created_at, members.c.id)
    )
    return [as_json(space) for space in connection.execute(query)]


async def get_full_organization(request: Request) -> Response:
    """A space with its members and invitations; null if the query names none."""
    user = await Service.of(request).require_session(request)
    slug, space_id = query_text(request, "organizationSlug"), query_text(request, "organizationId")
    if not slug and not space_id:
        return JSONResponse(None)
    return JSONResponse(await Service.of(request).read(_show, user.id, slug or "", space_id or ""))


def _show(connection: Connection, user_id: str, slug: str, space_id: str) -> dict[str, Any]:
    space = _find(connection, slug, space_id)
    if space is None:
        raise auth_error(400, "ORGANIZATION_NOT_FOUND")
    # The real service reads the members before it looks who asks: a space with a deleted member crashes for
    # everybody, a new user with the old owner's email included.
    found = membership.list_members(connection, space.id)
    if membership.find_member(connection, space.id, user_id=user_id) is None:
        raise auth_error(403, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
    invited = connection.execute(
        sa.select(invitations)
        .where(invitations.c.organization_id == space.id)
        .order_by(invitations.c.created_at, invitations.c.id)
    )
    return {
        **as_json(space),
        "invitations": [as_json(each) for each in invited],
        "members": [membership.describe_member(each, with_user=True) for each in found],
    }


async def create(request: Request) -> Response:
    """Make a space, owned by the user."""
    user, body = await read_call(request, NewSpace, unauthorized=Refusal(401, None))
    service = Service.of(request)
    return JSONResponse(await service.write(_create, user.id, body, service.clock()))


def _create(connection: Connection, user_id: str, body: NewSpace, now: dt.datetime) -> dict[str, Any]:
    if _find(connection, body.slug) is not None:
        raise auth_error(400, "ORGANIZATION_ALREADY_EXISTS")
    if body.metadata.get("type") not in TYPES:
        message = (
            f'Organization metadata must include a valid "type" field. Expected one of: {", ".join(TYPES)}.'
        )
        raise auth_error(400, "SPACE_METADATA_INVALID", message)
    new = sa.insert(organizations).values(**body.model_dump(exclude_unset=True), id=make_id(), created_at=now)
    described = as_json(connection.execute(new.returning(*organizations.c)).one())
    del described["metadata"]  # the real service leaves it out here only
    owner = membership.add_member(connection, described["id"], user_id, "owner", now)
    return {**described, "members": [owner]}


async def check_slug(request: Request) -> Response:
    """Whether a slug is free."""
    _, body = await read_call(request, Slug)
    if await Service.of(request).read(_find, body.slug) is not None:
        raise auth_error(400, "ORGANIZATION_SLUG_ALREADY_TAKEN")
    return JSONResponse({"status": True})


async def update(request: Request) -> Response:
    """Change the given fields of a space."""
    user, body = await read_call(request, Update, unauthorized=Refusal(401, {"message": "User not found"}))
    return JSONResponse(await Service.of(request).write(_update, user.id, body))


def _update(connection: Connection, user_id: str, body: Update) -> dict[str, Any]:
    space = _require_permission(connection, body.organization_id, user_id, "update")
    changes = body.data.model_dump(exclude_unset=True)
    holder = _find(connection, changes.get("slug", space.slug))
    if holder is not None and holder.id != space.id:
        raise auth_error(400, "ORGANIZATION_SLUG_ALREADY_TAKEN")
    if not changes:  # an UPDATE without columns, which the real service does not expect
        raise Crash
    changed = sa.update(organizations).where(organizations.c.id == space.id).values(changes)
    return as_json(connection.execute(changed.returning(*organizations.c)).one())


async def delete(request: Request) -> Response:
    """Delete a space with its members and invitations; works for a broken one as well."""
    user, body = await read_call(request, NamedSpace, unauthorized=Refusal(401, None))
    return JSONResponse(await Service.of(request).write(_delete, user.id, body.organization_id))


def _delete(connection: Connection, user_id: str, space_id: str) -> dict[str, Any]:
    space = _require_permission(connection, space_id, user_id, "delete")
    if space.metadata.get("type") == "personal":
        message = "The personal space cannot be deleted. Delete the user account instead."
        raise auth_error(403, "SPACE_PERSONAL_UNDELETABLE", message)
    connection.execute(sa.delete(organizations).where(organizations.c.id == space.id))
    return as_json(space)


def _require_permission(connection: Connection, space_id: str, user_id: str, act: str) -> sa.Row[Any]:
    if not space_id:
        raise auth_error(400, "ORGANIZATION_NOT_FOUND")
    space = _find(connection, "", space_id)
    member = membership.find_member(connection, space_id, user_id=user_id)
    if space is None or member is None:
        raise auth_error(400, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
    if not membership.may(member.role, f"organization:{act}"):
        raise auth_error(403, f"YOU_ARE_NOT_ALLOWED_TO_{act.upper()}_THIS_ORGANIZATION")
    return space


def _get(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    """A route for GET without HEAD, which is not found on the real service."""
    route = Route(path, endpoint)
    route.methods = {"GET"}
    return route


routes: Final = [
    _get(f"{PREFIX}/list", list_spaces),
    _get(f"{PREFIX}/get-full-organization", get_full_organization),
    _get(f"{PREFIX}/list-user-invitations", membership.list_user_invitations),
    Route(f"{PREFIX}/create", create, methods=["POST"]),
    Route(f"{PREFIX}/check-slug", check_slug, methods=["POST"]),
    Route(f"{PREFIX}/update", update, methods=["POST"]),
    Route(f"{PREFIX}/delete", delete, methods=["POST"]),
    Route(f"{PREFIX}/invite-member", membership.invite_member, methods=["POST"]),
    Route(f"{PREFIX}/accept-invitation", membership.accept_invitation, methods=["POST"]),
    Route(f"{PREFIX}/update-member-role", membership.update_member_role, methods=["POST"]),
    Route(f"{PREFIX}/remove-member", membership.remove_member, methods=["POST"]),
    Route(f"{PREFIX}/leave", membership.leave, methods=["POST"]),
]
