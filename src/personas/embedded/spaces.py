"""Spaces, their members and their invitations in the database, and as the calls tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from personas.embedded.answers import coded, iso
from personas.embedded.schema import invitations, members, organizations, users
from personas.embedded.tokens import make_id

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

    from personas.embedded.answers import Refusal


def no_space() -> Refusal:
    """There is no such space."""
    return coded(400, "ORGANIZATION_NOT_FOUND", "Organization not found")


def no_member() -> Refusal:
    """There is no such member."""
    return coded(400, "MEMBER_NOT_FOUND", "Member not found")


def no_invitation() -> Refusal:
    """There is no such invitation, or it is no longer open."""
    return coded(400, "INVITATION_NOT_FOUND", "Invitation not found")


def not_a_member() -> Refusal:
    """Whoever is signed in is no member."""
    code = "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION"
    return coded(403, code, "User is not a member of the organization")


def find_space(connection: Connection, value: str | None, *, column: str = "id") -> sa.Row[Any]:
    """A space by its id or its slug; refuses when there is none."""
    row = connection.execute(sa.select(organizations).where(organizations.c[column] == value)).one_or_none()
    if row is None:
        raise no_space()
    return row


def select_members(organization_id: str) -> sa.Select[Any]:
    """The members of a space with their users, oldest first."""
    return (
        sa.select(members, users.c.name.label("user_name"), users.c.email, users.c.image)
        .join(users, users.c.id == members.c.user_id)
        .where(members.c.organization_id == organization_id)
        .order_by(members.c.created_at, members.c.id)
    )


def find_member(connection: Connection, organization_id: str, member_id: str) -> sa.Row[Any]:
    """A member of a space by the membership's id; refuses when there is none."""
    row = connection.execute(select_members(organization_id).where(members.c.id == member_id)).one_or_none()
    if row is None:
        raise no_member()
    return row


def find_member_by_email(connection: Connection, organization_id: str, email: str) -> sa.Row[Any] | None:
    """A member of a space by its user's email."""
    return connection.execute(select_members(organization_id).where(users.c.email == email)).one_or_none()


def add_member(
    connection: Connection, organization_id: str, user_id: str, role: str, now: dt.datetime
) -> sa.Row[Any]:
    """Make a user a member."""
    member_id = make_id()
    connection.execute(
        sa.insert(members).values(
            id=member_id, organization_id=organization_id, user_id=user_id, role=role, created_at=now
        )
    )
    return find_member(connection, organization_id, member_id)


def count_owners(connection: Connection, organization_id: str) -> int | None:
    """How many owners a space has."""
    query = sa.select(sa.func.count()).select_from(members)
    return connection.scalar(
        query.where(members.c.organization_id == organization_id, members.c.role == "owner")
    )


def require_role(connection: Connection, organization_id: str, user_id: str, act: str, *, owner: str) -> None:
    """Refuse members, and refuse admins where an owner's role is touched."""
    role = connection.scalar(
        sa.select(members.c.role).where(
            members.c.organization_id == organization_id, members.c.user_id == user_id
        )
    )
    if role is None:
        raise not_a_member()
    if role == "owner" or (role == "admin" and owner != "owner"):
        return
    words = act.lower().replace("_", " ")
    raise coded(403, f"YOU_ARE_NOT_ALLOWED_TO_{act}", f"You are not allowed to {words}")


def select_pending(now: dt.datetime, email: str, organization_id: str | None = None) -> sa.Select[Any]:
    """The open invitations of an email, to any space or to one."""
    query = (
        sa.select(invitations, organizations.c.name.label("organization_name"))
        .join(organizations, organizations.c.id == invitations.c.organization_id)
        .where(
            invitations.c.email == email,
            invitations.c.status == "pending",
            invitations.c.expires_at > now,
        )
        .order_by(invitations.c.created_at, invitations.c.id)
    )
    return query if organization_id is None else query.where(organizations.c.id == organization_id)


def find_invitation(connection: Connection, invitation_id: str) -> sa.Row[Any]:
    """An invitation, whatever its state; refuses when there is none."""
    row = connection.execute(sa.select(invitations).where(invitations.c.id == invitation_id)).one_or_none()
    if row is None:
        raise no_invitation()
    return row


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
