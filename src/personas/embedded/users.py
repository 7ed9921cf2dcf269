"""Users, their passwords, sessions and personal spaces, in the database."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from personas.embedded.answers import as_json, camel_case, iso
from personas.embedded.schema import accounts, members, organizations, sessions, users
from personas.embedded.tokens import SESSION_LIFETIME, make_id

# zod's pattern for email(). `fullmatch`, ASCII, case ignored.
EMAIL: Final = re.compile(
    r"(?!\.)(?!.*\.\.)([A-Z0-9_'+\-.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9-]*\.)+[A-Z]{2,}",
    re.IGNORECASE | re.ASCII,
)
MAX_EMAIL: Final = 2000  # longer ones do not fit into an index of PostgreSQL
MAX_SLUG: Final = 30
EXTENDED_AFTER: Final = dt.timedelta(days=1)
# Paths of the product, which cannot be slugs.
RESERVED: Final = frozenset(
    {"admin", "api", "app", "auth", "billing", "help", "invite", "login", "logout", "me", "new"}
    | {"register", "settings", "signin", "signup", "support", "www"}
)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A human to sign up; `password` is the hash."""

    email: str
    name: str
    password: str
    image: str | None = None


def is_email(text: str) -> bool:
    """Return whether sign-up accepts the address."""
    return len(text) <= MAX_EMAIL and EMAIL.fullmatch(text) is not None


def find_by_email(connection: Connection, email: str) -> sa.Row[Any] | None:
    """The user with exactly this email, with the hash as `password`."""
    return connection.execute(
        sa.select(users, accounts.c.password)
        .outerjoin(accounts, accounts.c.user_id == users.c.id)
        .where(users.c.email == email)
    ).one_or_none()


def add_user(connection: Connection, new: NewUser, now: dt.datetime) -> sa.Row[Any]:
    """Add a human with a password."""
    times = {"created_at": now, "updated_at": now}
    values = {"id": make_id(), "name": new.name, "email": new.email.lower(), "image": new.image, **times}
    user = connection.execute(sa.insert(users).values(**values, kind="human").returning(users)).one()
    connection.execute(
        sa.insert(accounts).values(id=make_id(), user_id=user.id, password=new.password, **times)
    )
    return user


def describe_user(user: sa.Row[Any]) -> dict[str, Any]:
    """A user in answers under /api/auth."""
    names = {camel_case(column.name) for column in users.c}
    return {name: value for name, value in as_json(user).items() if name in names}


def invent_user(new: NewUser, now: dt.datetime) -> dict[str, Any]:
    """The description of a user who is not stored, as of one who has just signed up."""
    return {
        "name": new.name,
        "email": new.email.lower(),
        "emailVerified": False,
        "image": new.image,
        "createdAt": iso(now),
        "updatedAt": iso(now),
        "twoFactorEnabled": False,
        "accessTier": "public",
        "kind": "human",
        "role": "user",
        "id": make_id(),
    }


def add_personal_space(connection: Connection, user_id: str, new: NewUser, now: dt.datetime) -> None:
    """Give a new user a space with the user's name, and with the local part of the email as its slug."""
    local_part = new.email.partition("@")[0]
    organization_id = make_id()
    connection.execute(
        sa.insert(organizations).values(
            id=organization_id,
            name=new.name.strip() or local_part,
            slug=_free_slug(connection, local_part),
            metadata={"tier": "public", "type": "personal"},
            created_at=now,
        )
    )
    connection.execute(
        sa.insert(members).values(
            id=make_id(), organization_id=organization_id, user_id=user_id, role="owner", created_at=now
        )
    )


def _free_slug(connection: Connection, local_part: str) -> str:
    """The local part as a slug, with the first free number from 2 if it is taken or reserved."""
    # The real service cuts after it trims: a slug may end in a hyphen.
    base = re.sub(r"[^a-z0-9]+", "-", local_part.lower()).strip("-")[:MAX_SLUG]
    base = base or f"user-{make_id()[:6].lower()}"
    slug = organizations.c.slug
    numbered = slug.startswith(f"{base}-", autoescape=True)
    taken = set(connection.scalars(sa.select(slug).where(sa.or_(slug == base, numbered)))) | RESERVED
    number, free = 1, base
    while free in taken:
        number += 1
        free = f"{base}-{number}"
    return free


def begin_session(
    connection: Connection, user_id: str, now: dt.datetime, address: str | None, agent: str
) -> str:
    """Begin a session of seven days; return its token."""
    token = make_id()
    connection.execute(
        sa.insert(sessions).values(
            id=make_id(),
            user_id=user_id,
            token=token,
            ip_address=address,
            user_agent=agent,
            expires_at=now + SESSION_LIFETIME,
            created_at=now,
            updated_at=now,
        )
    )
    return token


def find_session(connection: Connection, token: str, now: dt.datetime) -> sa.Row[Any] | None:
    """The user of a session that has not expired, with the session's columns as `session_…`."""
    columns = [column.label(f"session_{column.name}") for column in sessions.c]
    return connection.execute(
        sa.select(users, *columns)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.token == token, sessions.c.expires_at > now)
    ).one_or_none()


def is_due(user: sa.Row[Any], now: dt.datetime) -> bool:
    """Return whether a session, as `find_session` returns it, began or was extended a day ago."""
    expires: dt.datetime = user.session_expires_at
    return expires <= now + SESSION_LIFETIME - EXTENDED_AFTER


def extend_session(connection: Connection, token: str, now: dt.datetime) -> None:
    """Let a session last for seven days from now."""
    changed = sa.update(sessions).where(sessions.c.token == token)
    connection.execute(changed.values(expires_at=now + SESSION_LIFETIME, updated_at=now))


def end_session(connection: Connection, token: str) -> None:
    """End a session."""
    connection.execute(sa.delete(sessions).where(sessions.c.token == token))
