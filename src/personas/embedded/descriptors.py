"""Personas in the database: their descriptors, what they did, and what they thought of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from personas.embedded.answers import iso
from personas.embedded.schema import persona_actions, persona_feedback, personas, users

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

RECENT: Final = dt.timedelta(days=7)
LAST_ACTIONS: Final = 20


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What makes a user a persona."""

    archetype: str
    system_prompt: str
    module_mix: dict[str, Any] | list[Any]  # a list too is an object to the original
    tick_cadence: str


def stamp(connection: Connection, user_id: str, descriptor: Descriptor, now: dt.datetime) -> bool:
    """Make a user a persona, or an existing persona's descriptor this one; name and password stay.

    Returns:
        Whether there is such a user.
    """
    stamped = connection.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(kind="persona", access_tier="founder", email_verified=True, updated_at=now)
    )
    if not stamped.rowcount:
        return False
    values = {
        "archetype": descriptor.archetype,
        "system_prompt": descriptor.system_prompt,
        "module_mix": descriptor.module_mix,
        "tick_cadence": descriptor.tick_cadence,
        "updated_at": now,
    }
    changed = connection.execute(sa.update(personas).where(personas.c.user_id == user_id).values(values))
    if not changed.rowcount:
        connection.execute(sa.insert(personas).values(user_id=user_id, created_at=now, **values))
    return True


def list_personas(connection: Connection, now: dt.datetime) -> list[dict[str, Any]]:
    """Every persona with the number of its actions in the last seven days, newest first."""
    recent = (
        sa.select(persona_actions.c.persona_id, sa.func.count().label("actions"))
        .where(persona_actions.c.created_at > now - RECENT)
        .group_by(persona_actions.c.persona_id)
        .subquery()
    )
    rows = connection.execute(
        sa.select(
            personas.c.user_id,
            users.c.email,
            users.c.name,
            personas.c.archetype,
            personas.c.tick_cadence,
            personas.c.last_active_at,
            personas.c.created_at,
            sa.func.coalesce(recent.c.actions, 0),
        )
        .join(users, users.c.id == personas.c.user_id)
        .outerjoin(recent, recent.c.persona_id == personas.c.user_id)
        .order_by(personas.c.created_at.desc(), personas.c.user_id)
    )
    return [
        {
            "userId": user_id,
            "email": email,
            "name": name,
            "archetype": archetype,
            "tickCadence": cadence,
            "lastActiveAt": iso(active),
            "createdAt": iso(created),
            "actions7d": actions,
        }
        for user_id, email, name, archetype, cadence, active, created, actions in rows
    ]


# Made once: a client that compares a catalog asks for these, thousands of times.
_USER_ID: sa.BindParameter[str] = sa.bindparam("user_id")
_PERSONA = (
    sa.select(personas, users.c.email, users.c.name)
    .join(users, users.c.id == personas.c.user_id)
    .where(personas.c.user_id == _USER_ID)
)
_ACTIONS = (
    sa.select(persona_actions)
    .where(persona_actions.c.persona_id == _USER_ID)
    .order_by(persona_actions.c.created_at.desc(), persona_actions.c.id)
    .limit(LAST_ACTIONS)
)
_FEEDBACK = (
    sa.select(persona_feedback.c.module, sa.func.sum(persona_feedback.c.rating), sa.func.count())
    .where(persona_feedback.c.persona_id == _USER_ID)
    .group_by(persona_feedback.c.module)
    .order_by(persona_feedback.c.module)
)


def descriptor_of(row: sa.Row[Any]) -> dict[str, Any]:
    """What the admin and the runner are both told of a persona."""
    return {
        "userId": row.user_id,
        "email": row.email,
        "name": row.name,
        "archetype": row.archetype,
        "systemPrompt": row.system_prompt,
        "moduleMix": row.module_mix,
        "tickCadence": row.tick_cadence,
        "lastActiveAt": iso(row.last_active_at),
    }


def describe_persona(connection: Connection, user_id: str) -> dict[str, Any] | None:
    """One persona with its last actions and its feedback by module; None when there is no such persona."""
    row = connection.execute(_PERSONA, {"user_id": user_id}).one_or_none()
    if row is None:
        return None
    return {
        "persona": {**descriptor_of(row), "createdAt": iso(row.created_at)},
        "recentActions": recent_actions(connection, user_id),
        "feedbackByModule": feedback_by_module(connection, user_id),
    }


def recent_actions(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    """A persona's last actions, newest first."""
    rows = connection.execute(_ACTIONS, {"user_id": user_id})
    return [
        {
            "id": row.id,
            "personaId": row.persona_id,
            "tickId": row.tick_id,
            "toolName": row.tool_name,
            "inputHash": row.input_hash,
            "result": row.result,
            "errorMessage": row.error_message,
            "latencyMs": row.latency_ms,
            "createdAt": iso(row.created_at),
        }
        for row in rows
    ]


def feedback_by_module(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    """For each module the mean of a persona's ratings, and their number."""
    rows = connection.execute(_FEEDBACK, {"user_id": user_id})
    return [
        {"module": module, "avgRating": _plain(int(total) / count), "ratings": count}
        for module, total, count in rows
    ]


def _plain(number: float) -> int | float:
    """A number as JavaScript writes it: 3, not 3.0."""
    return int(number) if number.is_integer() else number
