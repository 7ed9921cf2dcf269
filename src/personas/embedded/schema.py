"""The tables.

On PostgreSQL they live in the schema `auth`, which `database.py` puts in front of every name.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

CADENCES: Final = ("daily", "weekdays", "hourly")
VERSION: Final = "1"  # of the tables; a database of another version is refused

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

metadata = sa.MetaData()


class UnstorableTextError(ValueError):
    """A text with a NUL, which the real service's database refuses as well."""


class Text(sa.TypeDecorator[str]):
    """Text as the real service stores it: a NUL is an error, lone surrogates are dropped."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - overridden
        """Clean what is stored or compared."""
        return None if value is None else _clean(value)


class Json(sa.TypeDecorator[Any]):
    """JSON, its texts as above."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - overridden
        """Clean every text in the value."""
        return _clean(value)


class Moment(sa.TypeDecorator[dt.datetime]):
    """A moment in UTC: `timestamptz` on PostgreSQL, sortable text on SQLite, which has no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Store UTC, without the zone where the database has none."""
        if value is None:
            return None
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Return the moment with its zone, UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if dialect.name == "sqlite" else value.astimezone(dt.UTC)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if "\0" in value:
            raise UnstorableTextError("a text with a NUL cannot be stored")
        return _SURROGATE.sub("", value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _belongs_to(name: str, target: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, Text, sa.ForeignKey(target, ondelete="CASCADE"), nullable=False, **options)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, Text, nullable=False) for name in names]


def _moments(*names: str) -> list[sa.Column[dt.datetime]]:
    return [sa.Column(name, Moment, nullable=False) for name in names]


# The version of the tables, the key that signs cookies and the key that signs tokens.
settings = sa.Table(
    "settings",
    metadata,
    sa.Column("name", Text, primary_key=True),
    *_texts("value"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("email", Text, nullable=False, unique=True),
    sa.Column("email_verified", sa.Boolean, nullable=False, default=False),
    sa.Column("image", Text),
    sa.Column("kind", Text, sa.CheckConstraint("kind IN ('human', 'persona', 'system')"), nullable=False),
    sa.Column("role", Text, nullable=False, default="user"),
    sa.Column("access_tier", Text, nullable=False, default="public"),
    sa.Column("two_factor_enabled", sa.Boolean, nullable=False, default=False),
    *_moments("created_at", "updated_at"),
    sa.Index("users_newest", "created_at"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Text, primary_key=True),
    _belongs_to("user_id", "users.id", unique=True),
    *_texts("password"),
    *_moments("created_at", "updated_at"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", Text, primary_key=True),
    _belongs_to("user_id", "users.id", index=True),
    sa.Column("token", Text, nullable=False, unique=True),
    sa.Column("ip_address", Text),
    sa.Column("user_agent", Text),
    *_moments("expires_at", "created_at", "updated_at"),
)

personas = sa.Table(
    "personas",
    metadata,
    _belongs_to("user_id", "users.id", primary_key=True),
    *_texts("archetype", "system_prompt", "tick_cadence"),
    sa.Column("module_mix", Json, nullable=False),
    sa.Column("last_active_at", Moment),
    *_moments("created_at", "updated_at"),
)

persona_actions = sa.Table(
    "persona_actions",
    metadata,
    sa.Column("id", Text, primary_key=True),
    _belongs_to("persona_id", "personas.user_id"),
    *_texts("tick_id", "tool_name"),
    sa.Column("input_hash", Text),
    sa.Column("result", Text, sa.CheckConstraint("result IN ('ok', 'error')"), nullable=False),
    sa.Column("error_message", Text),
    sa.Column("latency_ms", sa.Integer),
    *_moments("created_at"),
    sa.Index("persona_actions_newest", "persona_id", "created_at"),
)

persona_feedback = sa.Table(
    "persona_feedback",
    metadata,
    sa.Column("id", Text, primary_key=True),
    _belongs_to("persona_id", "personas.user_id"),
    *_texts("tick_id", "module"),
    sa.Column("rating", sa.Integer, sa.CheckConstraint("rating BETWEEN 1 AND 5"), nullable=False),
    sa.Column("notes", Text),
    *_moments("created_at"),
    sa.Index("persona_feedback_module", "persona_id", "module"),
)

organizations = sa.Table(
    "organizations",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("slug", Text, nullable=False, unique=True),
    sa.Column("logo", Text),
    sa.Column("metadata", Json, nullable=False),
    *_moments("created_at"),
)

members = sa.Table(
    "members",
    metadata,
    sa.Column("id", Text, primary_key=True),
    _belongs_to("organization_id", "organizations.id"),
    # Not a foreign key: a membership outlives its user, and then breaks the space, as on the real service.
    sa.Column("user_id", Text, nullable=False, index=True),
    sa.Column("role", Text, nullable=False),
    *_moments("created_at"),
    sa.UniqueConstraint("organization_id", "user_id"),
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", Text, primary_key=True),
    _belongs_to("organization_id", "organizations.id", index=True),
    *_texts("email", "role", "status"),
    _belongs_to("inviter_id", "users.id"),
    *_moments("expires_at", "created_at"),
)
