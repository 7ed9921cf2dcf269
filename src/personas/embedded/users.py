"""Users, their password, their sessions and their personal space, in the database."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from personas.embedded.answers import iso
from personas.embedded.personal_spaces import add_personal_space
from personas.embedded.schema import accounts, members, organizations, sessions, users
from personas.embedded.tokens import FORGOTTEN_LIFETIME, SESSION_LIFETIME, make_id

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# The pattern of zod's email(), which the original applies at sign-up. `fullmatch`, ASCII, case ignored.
EMAIL: Final = re.compile(
    r"(?!\.)(?!.*\.\.)([A-Z0-9_'+\-.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9-]*\.)+[A-Z]{2,}",
    re.IGNORECASE | re.ASCII,
)
EXTENDED_AFTER: Final = dt.timedelta(days=1)
MAX_EMAIL: Final = 320  # longer ones overflow an index of PostgreSQL, and no mail server takes them


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be signed up; `password` is the hash."""

    email: str
    name: str
    password: str
    kind: str = "human"
    role: str = "user"
    access_tier: str = "public"
    email_verified: bool = False
    image: str | None = None


def is_email(text: str) -> bool:
    """Tell whether sign-up accepts the address."""
    return len(text) <= MAX_EMAIL and EMAIL.fullmatch(text) is not None


def find_by_email(connection: Connection, email: str) -> sa.Row[Any] | None:
    """The user with this address, in whatever case it is given, with the hash as `password`."""
    return connection.execute(
        sa.select(users, accounts.c.password)
        .outerjoin(accounts, accounts.c.user_id == users.c.id)
        .where(users.c.email == email.lower())
    ).one_or_none()


def find_user(connection: Connection, user_id: str) -> sa.Row[Any] | None:
    """The user with this id."""
    return connection.execute(sa.select(users).where(users.c.id == user_id)).one_or_none()


def get_user(connection: Connection, user_id: str) -> sa.Row[Any]:
    """The user with this id, who is there."""
    return connection.execute(sa.select(users).where(users.c.id == user_id)).one()


def sign_up(connection: Connection, new: NewUser, now: dt.datetime) -> str:
    """Add a user with a password and a personal space; the id."""
    user_id = make_id()
    connection.execute(
        sa.insert(users).values(
            id=user_id,
            name=new.name,
            email=new.email.lower(),
            email_verified=new.email_verified,
            image=new.image,
            kind=new.kind,
            role=new.role,
            access_tier=new.access_tier,
            created_at=now,
            updated_at=now,
        )
    )
    moments = {"created_at": now, "updated_at": now}
    connection.execute(
        sa.insert(accounts).values(id=make_id(), user_id=user_id, password=new.password, **moments)
    )
    add_personal_space(connection, user_id, email=new.email, name=new.name, tier=new.access_tier, now=now)
    return user_id


def delete_user(connection: Connection, user_id: str) -> None:
    """Delete a user with everything that hangs on it, and the spaces that have no member left."""
    spaces = sa.select(members.c.organization_id).where(members.c.user_id == user_id)
    ids = connection.scalars(spaces).all()
    connection.execute(sa.delete(users).where(users.c.id == user_id))
    still_lived_in = sa.select(members.c.organization_id)
    connection.execute(
        sa.delete(organizations).where(organizations.c.id.in_(ids), organizations.c.id.not_in(still_lived_in))
    )


def invent_user(new: NewUser, now: dt.datetime) -> dict[str, Any]:
    """The description of a user who is not stored, and looks like one who has just signed up."""
    given = {**asdict(new), "email": new.email.lower()}
    moments = {"created_at": now, "updated_at": now}
    return describe_user(SimpleNamespace(id=make_id(), two_factor_enabled=False, **given, **moments))


def describe_user(user: sa.Row[Any] | SimpleNamespace) -> dict[str, Any]:
    """A user as the auth calls tell it: never with the hash."""
    return {
        "name": user.name,
        "email": user.email,
        "emailVerified": user.email_verified,
        "image": user.image,
        "createdAt": iso(user.created_at),
        "updatedAt": iso(user.updated_at),
        "twoFactorEnabled": user.two_factor_enabled,
        "accessTier": user.access_tier,
        "role": user.role,
        "kind": user.kind,
        "id": user.id,
    }


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that has just begun."""

    id: str
    token: str


def begin_session(
    connection: Connection,
    user_id: str,
    now: dt.datetime,
    *,
    address: str | None,
    agent: str | None,
    remember: bool = True,
) -> NewSession:
    """Begin a session of seven days, or of one day, and forget the ones that are over."""
    connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= now))
    session = NewSession(id=make_id(), token=make_id())
    connection.execute(
        sa.insert(sessions).values(
            id=session.id,
            user_id=user_id,
            token=session.token,
            ip_address=address,
            user_agent=agent,
            expires_at=now + (SESSION_LIFETIME if remember else FORGOTTEN_LIFETIME),
            created_at=now,
            updated_at=now,
        )
    )
    return session


def is_due(user: sa.Row[Any], now: dt.datetime) -> bool:
    """Tell of a row that `find_session` gave whether its session began, or was extended, a day ago."""
    expires: dt.datetime = user.session_expires_at
    return expires - SESSION_LIFETIME + EXTENDED_AFTER <= now


def extend_session(connection: Connection, token: str, now: dt.datetime) -> None:
    """Let a session run for seven days from now."""
    connection.execute(
        sa.update(sessions)
        .where(sessions.c.token == token)
        .values(expires_at=now + SESSION_LIFETIME, updated_at=now)
    )


def find_session(connection: Connection, token: str, now: dt.datetime) -> sa.Row[Any] | None:
    """The user of a session that still runs, with the session's own fields as `session_…`."""
    return connection.execute(
        sa.select(
            users,
            sessions.c.id.label("session_id"),
            sessions.c.token.label("session_token"),
            sessions.c.expires_at.label("session_expires_at"),
            sessions.c.created_at.label("session_created_at"),
            sessions.c.updated_at.label("session_updated_at"),
            sessions.c.ip_address.label("session_ip_address"),
            sessions.c.user_agent.label("session_user_agent"),
        )
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.token == token, sessions.c.expires_at > now)
    ).one_or_none()


def end_session(connection: Connection, token: str) -> None:
    """End a session."""
    connection.execute(sa.delete(sessions).where(sessions.c.token == token))
