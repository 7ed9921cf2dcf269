"""The tables.

On PostgreSQL they live in the schema `auth`, which `database.py` puts in front of every name.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

CADENCES: Final = ("daily", "weekdays", "hourly")

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

metadata = sa.MetaData()


class Text(sa.TypeDecorator[str]):
    """Text as the real service stores it: lone surrogates are dropped, other values are written as JSON."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - overridden
        """Clean what is stored or compared."""
        value = _clean(value)
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Json(sa.TypeDecorator[Any]):
    """JSON, its texts as above."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - overridden
        """Clean every text in the value."""
        return _clean(value)


class Integer(sa.TypeDecorator[int]):
    """An integer of four bytes, or a text with one, also on SQLite, which stores anything."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002 - overridden
        """Refuse other values."""
        if isinstance(value, str):
            value = int(value)
        if value is not None and (type(value) is not int or not -(2**31) <= value < 2**31):
            raise ValueError("not an integer of four bytes")
        return value


# All moments are in UTC; SQLite has no time zones and returns them without one.
Moment: Final = sa.DateTime(timezone=True)


def drop_surrogates(text: str) -> str:
    """Drop halves of UTF-16 pairs, which cannot be written as UTF-8."""
    return _SURROGATE.sub("", text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text with a NUL cannot be stored")
        return drop_surrogates(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    # A number that is too large is null in the JSON of the real service.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, sa.Column("id", Text, primary_key=True), *columns)


def _belongs_to(name: str, target: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, Text, sa.ForeignKey(target, ondelete="CASCADE"), nullable=False, **options)


def _required(kind: type[Text] | sa.DateTime, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


# The key that signs cookies and the key that signs tokens, by their names.
settings = _table("settings", *_required(Text, "value"))

users = _table(
    "users",
    *_required(Text, "name"),
    sa.Column("email", Text, nullable=False, unique=True),
    sa.Column("email_verified", sa.Boolean, nullable=False),
    sa.Column("image", Text),
    sa.Column("kind", Text, sa.CheckConstraint("kind IN ('human', 'persona', 'system')"), nullable=False),
    *_required(Text, "role", "access_tier"),
    *_required(Moment, "created_at", "updated_at"),
    sa.Index("users_newest", "created_at"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    _belongs_to("user_id", "users.id", primary_key=True),
    *_required(Text, "password"),
)

sessions = _table(
    "sessions",
    _belongs_to("user_id", "users.id", index=True),
    sa.Column("token", Text, nullable=False, unique=True),
    sa.Column("ip_address", Text),
    sa.Column("user_agent", Text),
    *_required(Moment, "expires_at", "created_at", "updated_at"),
)

personas = sa.Table(
    "personas",
    metadata,
    _belongs_to("user_id", "users.id", primary_key=True),
    *_required(Text, "archetype", "system_prompt", "tick_cadence"),
    sa.Column("module_mix", Json, nullable=False),
    sa.Column("last_active_at", Moment),
    *_required(Moment, "created_at", "updated_at"),
)

persona_actions = _table(
    "persona_actions",
    _belongs_to("persona_id", "personas.user_id"),
    *_required(Text, "tick_id", "tool_name"),
    sa.Column("input_hash", Text),
    sa.Column("result", Text, sa.CheckConstraint("result IN ('ok', 'error')"), nullable=False),
    sa.Column("error_message", Text),
    sa.Column("latency_ms", Integer),
    *_required(Moment, "created_at"),
    sa.Index("persona_actions_newest", "persona_id", "created_at"),
)

persona_feedback = _table(
    "persona_feedback",
    _belongs_to("persona_id", "personas.user_id"),
    *_required(Text, "tick_id", "module"),
    sa.Column("rating", Integer, sa.CheckConstraint("rating BETWEEN 1 AND 5"), nullable=False),
    sa.Column("notes", Text),
    *_required(Moment, "created_at"),
    sa.Index("persona_feedback_module", "persona_id", "module"),
)

organizations = _table(
    "organizations",
    *_required(Text, "name"),
    sa.Column("slug", Text, nullable=False, unique=True),
    sa.Column("logo", Text),
    sa.Column("metadata", Json, nullable=False),
    *_required(Moment, "created_at"),
)

members = _table(
    "members",
    _belongs_to("organization_id", "organizations.id"),
    # Not a foreign key: a membership outlives its user, and then breaks the space, as on the real service.
    sa.Column("user_id", Text, nullable=False, index=True),
    *_required(Text, "role"),
    *_required(Moment, "created_at"),
    sa.UniqueConstraint("organization_id", "user_id"),
)

invitations = _table(
    "invitations",
    _belongs_to("organization_id", "organizations.id", index=True),
    *_required(Text, "email", "role", "status"),
    _belongs_to("inviter_id", "users.id"),
    *_required(Moment, "expires_at", "created_at"),
)
