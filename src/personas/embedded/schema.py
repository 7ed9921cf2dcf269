"""The tables, their version, and how an older version becomes the newest.

On PostgreSQL everything lives in the schema `auth`, which `database.py` puts on the search path.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection, Dialect

KINDS: Final = ("human", "persona", "system")
CADENCES: Final = ("daily", "weekdays", "hourly")

metadata = sa.MetaData()


class Moment(sa.TypeDecorator[dt.datetime]):
    """A moment in UTC: `timestamptz` on PostgreSQL, sortable text on SQLite, which knows no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Store UTC, without the zone where the database has none."""
        if value is None:
            return None
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Give back a moment that knows that it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if dialect.name == "sqlite" else value.astimezone(dt.UTC)


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text, primary_key=True)


def _belongs_to(name: str, target: str, *, index: bool = True, **options: Any) -> sa.Column[str]:
    reference = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, sa.Text, reference, nullable=False, index=index, **options)


def _moment(name: str, **options: Any) -> sa.Column[dt.datetime]:
    options.setdefault("nullable", False)
    return sa.Column(name, Moment, **options)


schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False, unique=True),
    sa.Column("email_verified", sa.Boolean, nullable=False, default=False),
    sa.Column("image", sa.Text),
    sa.Column("kind", sa.Enum(*KINDS, name="user_kind", create_constraint=True), nullable=False),
    sa.Column("role", sa.Text, nullable=False, default="user"),
    sa.Column("access_tier", sa.Text, nullable=False, default="public"),
    sa.Column("two_factor_enabled", sa.Boolean, nullable=False, default=False),
    _moment("created_at", index=True),
    _moment("updated_at"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    _id(),
    _belongs_to("user_id", "users.id", unique=True, index=False),
    sa.Column("provider_id", sa.Text, nullable=False, default="credential"),
    sa.Column("password", sa.Text, nullable=False),
    _moment("created_at"),
    _moment("updated_at"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    _id(),
    _belongs_to("user_id", "users.id"),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("ip_address", sa.Text),
    sa.Column("user_agent", sa.Text),
    _moment("expires_at", index=True),
    _moment("created_at"),
    _moment("updated_at"),
)

jwks = sa.Table(
    "jwks",
    metadata,
    _id(),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("private_key", sa.Text, nullable=False),
    _moment("created_at"),
)

login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    _moment("created_at", index=True),
    sa.Index("login_attempts_email", "email", "created_at"),
)

personas = sa.Table(
    "personas",
    metadata,
    _belongs_to("user_id", "users.id", index=False, primary_key=True),
    sa.Column("archetype", sa.Text, nullable=False),
    sa.Column("system_prompt", sa.Text, nullable=False),
    sa.Column("module_mix", sa.JSON, nullable=False),
    sa.Column("tick_cadence", sa.Text, nullable=False),
    _moment("last_active_at", nullable=True),
    _moment("created_at", index=True),
    _moment("updated_at"),
    sa.CheckConstraint(sa.column("tick_cadence").in_(CADENCES), name="personas_tick_cadence"),
)

persona_actions = sa.Table(
    "persona_actions",
    metadata,
    _id(),
    _belongs_to("persona_id", "personas.user_id", index=False),
    sa.Column("tick_id", sa.Text, nullable=False),
    sa.Column("tool_name", sa.Text, nullable=False),
    sa.Column("input_hash", sa.Text),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("error_message", sa.Text),
    sa.Column("latency_ms", sa.Integer),
    _moment("created_at"),
    sa.CheckConstraint("result IN ('ok', 'error')", name="persona_actions_result"),
    sa.Index("persona_actions_newest", "persona_id", "created_at"),
)

persona_feedback = sa.Table(
    "persona_feedback",
    metadata,
    _id(),
    _belongs_to("persona_id", "personas.user_id", index=False),
    sa.Column("tick_id", sa.Text, nullable=False),
    sa.Column("module", sa.Text, nullable=False),
    sa.Column("rating", sa.Integer, nullable=False),
    sa.Column("notes", sa.Text),
    _moment("created_at"),
    sa.CheckConstraint("rating BETWEEN 1 AND 5", name="persona_feedback_rating"),
    sa.Index("persona_feedback_module", "persona_id", "module"),
)

organizations = sa.Table(
    "organizations",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("slug", sa.Text, nullable=False, unique=True),
    sa.Column("logo", sa.Text),
    sa.Column("metadata", sa.JSON, nullable=False),
    _moment("created_at"),
)

members = sa.Table(
    "members",
    metadata,
    _id(),
    _belongs_to("organization_id", "organizations.id", index=False),
    _belongs_to("user_id", "users.id"),
    sa.Column("role", sa.Text, nullable=False),
    _moment("created_at"),
    sa.UniqueConstraint("organization_id", "user_id"),
)

invitations = sa.Table(
    "invitations",
    metadata,
    _id(),
    _belongs_to("organization_id", "organizations.id"),
    sa.Column("email", sa.Text, nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    _belongs_to("inviter_id", "users.id"),
    _moment("expires_at"),
    _moment("created_at"),
)


class SchemaError(Exception):
    """The tables found are a newer version's, or not ours at all."""


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)


# One step per version, never changed once released: step 0 makes version 1 out of an empty database.
STEPS: Final[tuple[Callable[[Connection], None], ...]] = (_create,)


def upgrade(connection: Connection, steps: Sequence[Callable[[Connection], None]] = STEPS) -> None:
    """Bring an empty or older database to the newest version, inside the caller's write transaction.

    Raises:
        SchemaError: A newer version made this database, or its tables are something else's.
    """
    found = _version(connection)
    if found > len(steps):
        msg = (
            f"its schema is version {found}, newer than the {len(steps)} that this version of personas knows"
        )
        raise SchemaError(msg)
    for step in steps[found:]:
        step(connection)
    if found < len(steps):
        connection.execute(sa.delete(schema_version))
        connection.execute(sa.insert(schema_version).values(version=len(steps)))


def _version(connection: Connection) -> int:
    tables = sa.inspect(connection).get_table_names()
    if not tables:
        return 0
    if schema_version.name in tables and users.name in tables:
        version = connection.execute(sa.select(schema_version.c.version)).scalar()
        if isinstance(version, int) and version > 0:
            return version
    named = ", ".join(sorted(tables)[:3])
    msg = f"its tables ({named}…) were not made by the embedded service"
    raise SchemaError(msg)
