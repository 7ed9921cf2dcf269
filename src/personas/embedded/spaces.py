"""What the calls on spaces share: who may do what, and how spaces and members are found and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import sqlalchemy as sa
from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from starlette.responses import Response

from personas.embedded.answers import Refusal, coded, iso
from personas.embedded.bodies import read_unchecked, wrong
from personas.embedded.schema import members, organizations, users
from personas.embedded.tokens import make_id

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection
    from starlette.requests import Request

    from personas.embedded.bodies import Model
    from personas.embedded.service import Service

PREFIX: Final = "/api/auth/organization"
TYPES: Final = ("personal", "brand", "club", "family", "team", "practice")
MEMBERS_LIMIT: Final = 100
PENDING_LIMIT: Final = 100

_ADMIN: Final = frozenset(
    {"organization:update", "member:update", "member:delete", "invitation:create", "invitation:cancel"}
)
PERMISSIONS: Final = {
    "owner": _ADMIN | {"organization:delete"},
    "admin": _ADMIN,
    "member": frozenset[str](),
}


def _list_roles(given: Any, validate: ValidatorFunctionWrapHandler) -> list[str]:
    try:
        roles: list[str] = validate([given] if isinstance(given, str) else given)
    except ValidationError:
        raise wrong("Invalid input") from None
    return roles


# One role or a list of them, which is stored with commas.
Roles = Annotated[list[str], WrapValidator(_list_roles)]


class Wordless(Refusal):
    """A refusal that says no more than its status."""

    def __init__(self, status: int) -> None:
        super().__init__(status, {})

    def answer(self) -> Response:
        """The answer itself."""
        return Response(status_code=self.status, media_type="application/json")


def refusal(status: int, code: str) -> Refusal:
    """A refusal whose message says the same as its code."""
    return coded(status, code, code.replace("_", " ").capitalize())


async def begin(
    service: Service, request: Request, model: type[Model], *, unknown: Refusal | None = None
) -> tuple[sa.Row[Any], Model]:
    """Whoever is signed in, and the body; the original looks at the body first.

    Raises:
        Refusal: For the body or its origin; without a session 401, or what is given as `unknown`.
    """
    value = await read_unchecked(request)
    service.require_origin(request)
    body = model.check(value)
    user = await service.find_session(request)
    if user is None:
        raise unknown or coded(401, "UNAUTHORIZED", "Unauthorized")
    return user, body


# A member's role is a list with commas, and what is no known role allows nothing.


def is_owner(role: str) -> bool:
    """Tell whether a role is an owner's."""
    return "owner" in role.split(",")


def may(role: str, act: str) -> bool:
    """Tell whether a role allows an act."""
    return any(act in PERMISSIONS.get(each, ()) for each in role.split(","))


def lock_space(connection: Connection, space_id: str) -> None:
    """Let no other call judge by this space's members and invitations until this transaction ends.

    PostgreSQL waits here; SQLite has one writer at a time anyway.
    """
    connection.execute(sa.select(organizations.c.id).where(organizations.c.id == space_id).with_for_update())


def find_space(connection: Connection, space_id: str) -> sa.Row[Any] | None:
    """A space by its id."""
    return connection.execute(sa.select(organizations).where(organizations.c.id == space_id)).one_or_none()


def find_space_by_slug(connection: Connection, slug: str) -> sa.Row[Any] | None:
    """A space by its slug, in exactly this case."""
    return connection.execute(sa.select(organizations).where(organizations.c.slug == slug)).one_or_none()


def select_members() -> sa.Select[Any]:
    """Members with their users, oldest first."""
    return (
        sa.select(members, users.c.name.label("user_name"), users.c.email, users.c.image)
        .join(users, users.c.id == members.c.user_id)
        .order_by(members.c.created_at, members.c.id)
    )


def find_member(connection: Connection, space_id: str, user_id: str) -> sa.Row[Any] | None:
    """A user's membership in a space."""
    query = select_members().where(members.c.organization_id == space_id, members.c.user_id == user_id)
    return connection.execute(query).one_or_none()


def find_member_by_id(connection: Connection, member_id: str) -> sa.Row[Any] | None:
    """A membership by its id, in whatever space."""
    return connection.execute(select_members().where(members.c.id == member_id)).one_or_none()


def find_member_by_email(connection: Connection, space_id: str, email: str) -> sa.Row[Any] | None:
    """The membership of whoever has this email, in whatever case."""
    query = select_members().where(members.c.organization_id == space_id, users.c.email == email.lower())
    return connection.execute(query).one_or_none()


def add_member(
    connection: Connection, space_id: str, user_id: str, role: str, now: dt.datetime
) -> sa.Row[Any]:
    """Make a user a member."""
    member_id = make_id()
    connection.execute(
        sa.insert(members).values(
            id=member_id, organization_id=space_id, user_id=user_id, role=role, created_at=now
        )
    )
    return connection.execute(select_members().where(members.c.id == member_id)).one()


def remove_member(connection: Connection, member: sa.Row[Any]) -> None:
    """End a membership; a space goes with its last member."""
    connection.execute(sa.delete(members).where(members.c.id == member.id))
    if not count_members(connection, member.organization_id):
        connection.execute(sa.delete(organizations).where(organizations.c.id == member.organization_id))


def count_members(connection: Connection, space_id: str) -> int:
    """How many members a space has."""
    query = sa.select(sa.func.count()).select_from(members).where(members.c.organization_id == space_id)
    return connection.execute(query).scalar_one()


def is_only_owner(connection: Connection, space_id: str) -> bool:
    """Tell whether a space has no second owner."""
    roles = sa.select(members.c.role).where(members.c.organization_id == space_id)
    return sum(is_owner(role) for role in connection.scalars(roles)) <= 1


def describe_space(row: sa.Row[Any]) -> dict[str, Any]:
    """A space as the calls tell it."""
    return {
        "name": row.name,
        "slug": row.slug,
        "logo": row.logo,
        "createdAt": iso(row.created_at),
        "metadata": row.metadata,
        "id": row.id,
    }


def describe_member(row: sa.Row[Any]) -> dict[str, Any]:
    """A membership as the calls tell it."""
    return {
        "organizationId": row.organization_id,
        "userId": row.user_id,
        "role": row.role,
        "createdAt": iso(row.created_at),
        "id": row.id,
    }


def describe_member_and_user(row: sa.Row[Any]) -> dict[str, Any]:
    """A membership with its user."""
    user = {"id": row.user_id, "name": row.user_name, "email": row.email, "image": row.image}
    return {**describe_member(row), "user": user}


def describe_invitation(row: sa.Row[Any]) -> dict[str, Any]:
    """An invitation as the calls tell it."""
    return {
        "organizationId": row.organization_id,
        "email": row.email,
        "role": row.role,
        "status": row.status,
        "expiresAt": iso(row.expires_at),
        "createdAt": iso(row.created_at),
        "inviterId": row.inviter_id,
        "id": row.id,
    }
