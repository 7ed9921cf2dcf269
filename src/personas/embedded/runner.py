"""The runner's calls, with X-Service-Key: which personas are due, what they did and how they rate modules."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded.answers import Crash, as_json, iso, not_found, refused
from personas.embedded.bodies import read_json
from personas.embedded.personas import select_personas
from personas.embedded.schema import persona_actions, persona_feedback, personas
from personas.embedded.service import Service

PREFIX: Final = "/api/v1/internal"
DAY: Final = dt.timedelta(days=1)
WAITS: Final = {"hourly": dt.timedelta(hours=1), "daily": DAY, "weekdays": DAY}
SATURDAY: Final = 5
MAX_ID: Final = 255
MAX_INTEGER: Final = 2**31 - 1
_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]{1,10}\s*", re.ASCII)


async def due(request: Request) -> Response:
    """The personas that should act now, those never active first."""
    service = Service.of(request)
    service.require_service_key(request)
    now = service.clock()
    return JSONResponse({"personas": await service.read(_list_due, now), "serverTime": iso(now)})


def is_due(now: dt.datetime) -> ColumnElement[bool]:
    """Whether a persona should act: never active, or long enough ago, and on its days (in UTC)."""
    active = personas.c.last_active_at
    return sa.or_(
        *(
            sa.and_(personas.c.tick_cadence == cadence, sa.or_(active.is_(None), active <= now - wait))
            for cadence, wait in WAITS.items()
            if cadence != "weekdays" or now.astimezone(dt.UTC).weekday() < SATURDAY
        )
    )


def _list_due(connection: Connection, now: dt.datetime) -> list[dict[str, Any]]:
    active = personas.c.last_active_at
    order = (active.is_not(None), active, personas.c.created_at, personas.c.user_id)
    found = [
        as_json(row) for row in connection.execute(select_personas().where(is_due(now)).order_by(*order))
    ]
    for persona in found:
        del persona["name"]
    return found


# --- reports of the runner ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """A kind of report: its key in the body, and how its entries become rows of a table."""

    key: str
    entry: str
    max_entries: int
    table: sa.Table
    is_valid: Callable[[dict[str, Any]], bool]
    values: Callable[[dict[str, Any], int], dict[str, Any]]


def _is_action(entry: dict[str, Any]) -> bool:
    return (
        isinstance(entry.get("tickId"), str)
        and isinstance(entry.get("toolName"), str)
        and entry.get("result") in ("ok", "error")
    )


def _action_values(entry: dict[str, Any], index: int) -> dict[str, Any]:
    return {
        "id": f"{entry['tickId']}-{index}-{entry['toolName']}"[:MAX_ID],
        "tick_id": entry["tickId"],
        "tool_name": entry["toolName"],
        "input_hash": _text(entry.get("inputHash")),
        "result": entry["result"],
        "error_message": _text(entry.get("errorMessage")),
        "latency_ms": _integer(entry.get("latencyMs")),
    }


def _is_feedback(entry: dict[str, Any]) -> bool:
    rating = entry.get("rating")
    return (
        isinstance(entry.get("tickId"), str)
        and isinstance(entry.get("module"), str)
        and isinstance(rating, int | float)
        and not isinstance(rating, bool)
        and 1 <= rating <= 5
    )


def _feedback_values(entry: dict[str, Any], _index: int) -> dict[str, Any]:
    return {
        "id": f"{entry['tickId']}-{entry['module']}"[:MAX_ID],
        "tick_id": entry["tickId"],
        "module": entry["module"],
        "rating": _integer(entry["rating"]),
        "notes": _text(entry.get("notes")),
    }


def _text(value: Any) -> str | None:
    """A value in a column of text; the real service checks none of these."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _integer(value: Any) -> int | None:
    """A value in a column of integers.

    Raises:
        Crash: The real service's database would refuse it.
    """
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if value is None or (type(value) is int and -MAX_INTEGER - 1 <= value <= MAX_INTEGER):
        return value
    raise Crash


ACTIONS: Final = Batch("actions", "action", 500, persona_actions, _is_action, _action_values)
FEEDBACK: Final = Batch("feedback", "feedback", 100, persona_feedback, _is_feedback, _feedback_values)


async def add_actions(request: Request) -> Response:
    """Store what a persona did; it was active now, even if every action is known already."""
    return await _add(request, ACTIONS)


async def add_feedback(request: Request) -> Response:
    """Store how a persona rates modules."""
    return await _add(request, FEEDBACK)


async def _add(request: Request, batch: Batch) -> Response:
    service = Service.of(request)
    service.require_service_key(request)
    user_id = request.path_params["id"]
    exists = sa.select(sa.exists().where(personas.c.user_id == user_id))
    if not await service.read(lambda connection: connection.scalar(exists)):
        raise refused(404, "Persona not found")
    body = await read_json(request, otherwise=refused(400, "Invalid JSON"))
    entries = body.get(batch.key) if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        raise refused(400, f"`{batch.key}` array required")
    if len(entries) > batch.max_entries:
        raise refused(400, f"`{batch.key}` batch size must be ≤ {batch.max_entries}")
    if not all(isinstance(entry, dict) and batch.is_valid(entry) for entry in entries):
        raise refused(400, f"One or more {batch.entry} rows failed validation")
    await service.write(_store, batch, user_id, entries, service.clock())
    return JSONResponse({"ok": True, "written": len(entries)})


def _store(
    connection: Connection, batch: Batch, user_id: str, entries: list[dict[str, Any]], now: dt.datetime
) -> None:
    """Add the entries with new ids. An id is unique for all personas, as on the real service."""
    rows: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        values = batch.values(entry, index)
        rows.setdefault(values["id"], {**values, "persona_id": user_id, "created_at": now})
    ids = batch.table.c.id
    known = set(connection.scalars(sa.select(ids).where(ids.in_(rows))))
    new = [row for row_id, row in rows.items() if row_id not in known]
    if new:
        connection.execute(sa.insert(batch.table), new)
    if batch is ACTIONS:
        own = personas.c.user_id == user_id
        connection.execute(sa.update(personas).where(own).values(last_active_at=now))


async def unknown(request: Request) -> Response:
    """Any other call: without the key, the real service does not reveal what exists."""
    Service.of(request).require_service_key(request)
    return not_found(request)


routes: Final = [
    Route(f"{PREFIX}/personas/due", due, methods=["GET"]),
    Route(PREFIX + "/personas/{id}/actions", add_actions, methods=["POST"]),
    Route(PREFIX + "/personas/{id}/feedback", add_feedback, methods=["POST"]),
    Route(PREFIX + "/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
