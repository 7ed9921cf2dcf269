"""Users, their passwords, sessions and personal spaces, in the database."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from personas.embedded.answers import as_json
from personas.embedded.schema import accounts, drop_surrogates, members, organizations, sessions, users
from personas.embedded.tokens import SESSION_LIFETIME, make_id

# zod's pattern for email(). `fullmatch`, ASCII, case ignored.
EMAIL: Final = re.compile(
    r"(?!\.)(?!.*\.\.)([A-Z0-9_'+\-.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9-]*\.)+[A-Z]{2,}",
    re.IGNORECASE | re.ASCII,
)
MAX_EMAIL: Final = 2000  # longer ones do not fit into an index of PostgreSQL
MAX_SLUG: Final = 30
# Paths of the product, which cannot be slugs.
RESERVED: Final = frozenset(
    {"admin", "api", "app", "auth", "billing", "help", "invite", "login", "logout", "me", "new"}
    | {"register", "settings", "signin", "signup", "support", "www"}
)


def is_email(text: str) -> bool:
    """Return whether sign-up accepts the address."""
    return len(text) <= MAX_EMAIL and EMAIL.fullmatch(text) is not None


def make_user(email: str, name: str, now: dt.datetime, *, image: str | None = None) -> dict[str, Any]:
    """A human as a row of `users` that is not stored yet."""
    return {
        "id": make_id(),
        "name": drop_surrogates(name),
        "email": email.lower(),
        "email_verified": False,
        "image": image and drop_surrogates(image),
        "kind": "human",
        "role": "user",
        "access_tier": "public",
        "created_at": now,
        "updated_at": now,
    }


def describe_user(user: sa.Row[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """A user in answers under /api/auth."""
    columns = user if isinstance(user, Mapping) else user._asdict()
    described = as_json({column.name: columns[column.name] for column in users.c})
    return {**described, "twoFactorEnabled": False}


def find_by_email(connection: Connection, email: str) -> sa.Row[Any] | None:
    """The user with exactly this email, with the hash as `password`."""
    return connection.execute(
        sa.select(users, accounts.c.password)
        .outerjoin(accounts, accounts.c.user_id == users.c.id)
        .where(users.c.email == email)
    ).one_or_none()


def add_user(connection: Connection, user: Mapping[str, Any], password_hash: str) -> None:
    """Store a user with a password."""
    connection.execute(sa.insert(users).values(user))
    connection.execute(sa.insert(accounts).values(user_id=user["id"], password=password_hash))


def add_personal_space(connection: Connection, user: Mapping[str, Any]) -> None:
    """Give a new user a space with the user's name, and with the local part of the email as its slug."""
    local_part = user["email"].partition("@")[0]
    space = {
        "id": make_id(),
        "name": user["name"].strip() or local_part,
        "slug": _free_slug(connection, local_part),
        "metadata": {"tier": "public", "type": "personal"},
        "created_at": user["created_at"],
    }
    connection.execute(sa.insert(organizations).values(space))
    add_member(connection, space["id"], user["id"], "owner", user["created_at"])


def add_member(
    connection: Connection, space_id: str, user_id: str, role: str, now: dt.datetime
) -> dict[str, Any]:
    """Make a user a member of a space; return the membership as answers show it."""
    values = {"id": make_id(), "organization_id": space_id, "user_id": user_id, "role": role}
    connection.execute(sa.insert(members).values(**values, created_at=now))
    return as_json({**values, "created_at": now})


def _free_slug(connection: Connection, local_part: str) -> str:
    """The local part as a slug, with the first free number from 2 if it is taken or reserved."""
    # The real service cuts after it trims: a slug may end in a hyphen.
    base = re.sub(r"[^a-z0-9]+", "-", local_part).strip("-")[:MAX_SLUG]
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
    values = {"id": make_id(), "user_id": user_id, "token": token, "ip_address": address, "user_agent": agent}
    times = {"expires_at": now + SESSION_LIFETIME, "created_at": now, "updated_at": now}
    connection.execute(sa.insert(sessions).values(**values, **times))
    return token


def find_session(connection: Connection, token: str | None, now: dt.datetime) -> sa.Row[Any] | None:
    """The user of a session that has not expired, with `is_day_old` and its columns as `session_…`."""
    columns = [column.label(f"session_{column.name}") for column in sessions.c]
    is_day_old = sessions.c.expires_at <= now + SESSION_LIFETIME - dt.timedelta(days=1)
    return connection.execute(
        sa.select(users, *columns, is_day_old.label("is_day_old"))
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.token == token, sessions.c.expires_at > now)
    ).one_or_none()


def extend_session(connection: Connection, token: str, now: dt.datetime) -> None:
    """Let a session last for seven days from now."""
    changed = sa.update(sessions).where(sessions.c.token == token)
    connection.execute(changed.values(expires_at=now + SESSION_LIFETIME, updated_at=now))


def end_session(connection: Connection, token: str | None) -> None:
    """End a session, if there is a token."""
    connection.execute(sa.delete(sessions).where(sessions.c.token == token))
