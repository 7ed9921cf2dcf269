"""The space that everybody gets at sign-up, and the slug that is found for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from personas.embedded.schema import members, organizations
from personas.embedded.tokens import make_id

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection

MAX_BASE: Final = 30
LAST_NUMBER: Final = 999
# Words that are paths of the product, and so nobody's slug.
RESERVED: Final = frozenset(
    {"admin", "api", "app", "auth", "billing", "help", "invite", "login", "logout", "me", "new"}
    | {"register", "settings", "signin", "signup", "support", "www"}
)


def add_personal_space(
    connection: Connection, user_id: str, *, email: str, name: str, tier: str, now: dt.datetime
) -> None:
    """Give a new user a space of its own, named as the user and known by the local part of its email."""
    local_part = email.partition("@")[0]
    organization_id = make_id()[:21]
    connection.execute(
        sa.insert(organizations).values(
            id=organization_id,
            name=name.strip() or local_part,
            slug=_free_slug(connection, _base_of(local_part)),
            metadata={"tier": tier, "type": "personal"},
            created_at=now,
        )
    )
    connection.execute(
        sa.insert(members).values(
            id=make_id(), organization_id=organization_id, user_id=user_id, role="owner", created_at=now
        )
    )


def _base_of(local_part: str) -> str:
    # Cut after the edges are trimmed, as the original does: a slug may end in a hyphen.
    slug = re.sub(r"[^a-z0-9]+", "-", local_part.lower()).strip("-")[:MAX_BASE]
    return slug or f"user-{_chance()}"


def _free_slug(connection: Connection, base: str) -> str:
    """The base itself, or the base with the first free number from 2."""
    slug = organizations.c.slug
    is_taken = connection.scalar(sa.select(sa.exists().where(slug == base)))
    if base not in RESERVED and not is_taken:
        return base
    numbered = sa.select(slug).where(slug.startswith(f"{base}-", autoescape=True))
    taken = set(connection.scalars(numbered))
    wanted = (f"{base}-{number}" for number in range(2, LAST_NUMBER + 1))
    return next((each for each in wanted if each not in taken), f"{base}-{_chance()}")


def _chance() -> str:
    return make_id()[:6].lower()
