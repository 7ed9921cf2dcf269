"""Spaces: the calls of Better Auth's organization plugin on a space as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded.answers import Crash, as_json, auth_error, query_text
from personas.embedded.bodies import non_empty, optional, record, shape, string
from personas.embedded.members import Call, find_member, is_owner, list_members, manages, post, show_member
from personas.embedded.schema import invitations, members, organizations
from personas.embedded.service import Service
from personas.embedded.tokens import make_id
from personas.embedded.users import add_member

TYPES: Final = ("personal", "brand", "club", "family", "team", "practice")
FIELDS: Final = ("name", "slug", "logo", "metadata")


def _find(connection: Connection, which: sa.ColumnElement[bool]) -> sa.Row[Any] | None:
    return connection.execute(sa.select(organizations).where(which)).one_or_none()


def _is_taken(connection: Connection, slug: str) -> bool:
    return _find(connection, organizations.c.slug == slug) is not None


def list_spaces(request: Request) -> Response:
    """The spaces that the user is a member of."""
    service = Service.of(request)
    with service.database.read() as connection:
        user = service.require_session(request, connection)
        spaces = connection.execute(
            sa.select(organizations)
            .join(members, members.c.organization_id == organizations.c.id)
            .where(members.c.user_id == user.id)
            .order_by(members.c.created_at, members.c.id)
        )
        return JSONResponse([as_json(space) for space in spaces])


def get_full_organization(request: Request) -> Response:
    """A space with its members and invitations; null if the query names none."""
    service = Service.of(request)
    slug, space_id = query_text(request, "organizationSlug"), query_text(request, "organizationId")
    with service.database.read() as connection:
        user = service.require_session(request, connection)
        if not slug and not space_id:
            return JSONResponse(None)
        space = _find(connection, organizations.c.slug == slug if slug else organizations.c.id == space_id)
        if space is None:
            raise auth_error(400, "ORGANIZATION_NOT_FOUND")
        # The real service reads the members before it checks who calls: a space with a deleted member crashes
        # for every user, also for a new one with the old owner's email.
        found = list_members(connection, space.id)
        if all(member.user_id != user.id for member in found):
            raise auth_error(403, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
        invited = connection.execute(
            sa.select(invitations)
            .where(invitations.c.organization_id == space.id)
            .order_by(invitations.c.created_at, invitations.c.id)
        )
        answer = {
            **as_json(space),
            "invitations": [as_json(each) for each in invited],
            "members": [show_member(each) for each in found],
        }
    return JSONResponse(answer)


def create(connection: Connection, call: Call) -> dict[str, Any]:
    """Make a space, owned by the user."""
    if _is_taken(connection, call.body["slug"]):
        raise auth_error(400, "ORGANIZATION_ALREADY_EXISTS")
    if call.body.get("metadata", {}).get("type") not in TYPES:
        types = ", ".join(TYPES)
        message = f'Organization metadata must include a valid "type" field. Expected one of: {types}.'
        raise auth_error(400, "SPACE_METADATA_INVALID", message)
    values = {"id": make_id(), **{key: call.body.get(key) for key in FIELDS}, "created_at": call.now}
    new = sa.insert(organizations).values(values).returning(*organizations.c)
    space = as_json(connection.execute(new).one())
    del space["metadata"]  # the real service leaves it out here only
    owner = add_member(connection, space["id"], call.user.id, "owner", call.now)
    return {**space, "members": [owner]}


def check_slug(connection: Connection, call: Call) -> dict[str, Any]:
    """Whether a slug is free."""
    if _is_taken(connection, call.body["slug"]):
        raise auth_error(400, "ORGANIZATION_SLUG_ALREADY_TAKEN")
    return {"status": True}


def update(connection: Connection, call: Call) -> dict[str, Any]:
    """Change the given fields of a space."""
    space = _find_managed(connection, call, manages, "UPDATE")
    changes = {key: value for key, value in call.body["data"].items() if key in FIELDS}
    if changes.get("slug", space.slug) != space.slug and _is_taken(connection, changes["slug"]):
        raise auth_error(400, "ORGANIZATION_SLUG_ALREADY_TAKEN")
    if not changes:  # an UPDATE without columns, which the real service does not expect
        raise Crash
    changed = sa.update(organizations).where(organizations.c.id == space.id).values(changes)
    return as_json(connection.execute(changed.returning(*organizations.c)).one())


def delete(connection: Connection, call: Call) -> dict[str, Any]:
    """Delete a space with its members and invitations; works for a broken one as well."""
    space = _find_managed(connection, call, is_owner, "DELETE")
    if space.metadata.get("type") == "personal":
        message = "The personal space cannot be deleted. Delete the user account instead."
        raise auth_error(403, "SPACE_PERSONAL_UNDELETABLE", message)
    connection.execute(sa.delete(organizations).where(organizations.c.id == space.id))
    return as_json(space)


def _find_managed(
    connection: Connection, call: Call, is_allowed: Callable[[str], bool], act: str
) -> sa.Row[Any]:
    if not call.space_id:
        raise auth_error(400, "ORGANIZATION_NOT_FOUND")
    space = _find(connection, organizations.c.id == call.space_id)
    member = find_member(connection, call.space_id, members.c.user_id == call.user.id)
    if space is None or member is None:
        raise auth_error(400, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
    if not is_allowed(member.role):
        raise auth_error(403, f"YOU_ARE_NOT_ALLOWED_TO_{act}_THIS_ORGANIZATION")
    return space


_fields: Final = {"logo": optional(string), "metadata": optional(record)}
_space: Final = shape(name=non_empty, slug=non_empty, **_fields)
_changes: Final = shape(name=optional(non_empty), slug=optional(non_empty), **_fields)
_update: Final = shape(data=_changes, organizationId=optional(string))

routes: Final = [
    Route("/api/auth/organization/list", list_spaces),
    Route("/api/auth/organization/get-full-organization", get_full_organization),
    post("create", _space, create, unauthorized=None),
    post("check-slug", shape(slug=string), check_slug),
    post("update", _update, update, unauthorized={"message": "User not found"}),
    post("delete", shape(organizationId=string), delete, unauthorized=None),
]
