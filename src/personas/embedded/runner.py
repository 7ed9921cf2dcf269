"""The runner's calls, with X-Service-Key: which personas are due, what they did and how they rate modules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded.answers import as_json, iso, not_found, refused
from personas.embedded.bodies import parse_json, read_body
from personas.embedded.personas import COLUMNS, DETAILS
from personas.embedded.schema import CADENCES, Moment, persona_actions, persona_feedback, personas, users
from personas.embedded.service import Service

PREFIX: Final = "/api/v1/internal"
SATURDAY: Final = 5
MAX_ID: Final = 255


def due(request: Request) -> Response:
    """The personas that were never active, or long enough ago, on their days (in UTC)."""
    service = Service.for_runner(request)
    now = service.clock()
    cadences = CADENCES if now.weekday() < SATURDAY else ("daily", "hourly")
    active, cadence = personas.c.last_active_at, personas.c.tick_cadence
    day_ago, hour_ago = (sa.literal(now - dt.timedelta(hours=hours), Moment) for hours in (24, 1))
    long_ago = active <= sa.case((cadence == "hourly", hour_ago), else_=day_ago)
    query = (
        sa.select(*COLUMNS, *DETAILS)
        .join_from(personas, users)
        .where(cadence.in_(cadences), sa.or_(active.is_(None), long_ago))
        .order_by(active.is_not(None), active, personas.c.created_at, personas.c.user_id)
    )
    with service.database.read() as connection:
        found = [as_json(row) for row in connection.execute(query)]
    return JSONResponse({"personas": found, "serverTime": iso(now)})


@dataclass(frozen=True, slots=True)
class Batch:
    """A kind of report: its table, and the row for an entry, None if the entry is invalid."""

    entry: str
    max_entries: int
    table: sa.Table
    make_row: Callable[[dict[str, Any], int], dict[str, Any] | None]


def _make_action(entry: dict[str, Any], index: int) -> dict[str, Any] | None:
    tick_id, tool_name, result = entry.get("tickId"), entry.get("toolName"), entry.get("result")
    if not isinstance(tick_id, str) or not isinstance(tool_name, str) or result not in ("ok", "error"):
        return None
    return {
        "id": f"{tick_id}-{index}-{tool_name}"[:MAX_ID],
        "tick_id": tick_id,
        "tool_name": tool_name,
        "input_hash": entry.get("inputHash"),
        "result": result,
        "error_message": entry.get("errorMessage"),
        "latency_ms": entry.get("latencyMs"),
    }


def _make_feedback(entry: dict[str, Any], _index: int) -> dict[str, Any] | None:
    tick_id, module, rating = entry.get("tickId"), entry.get("module"), entry.get("rating")
    if not isinstance(tick_id, str) or not isinstance(module, str):
        return None
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not 1 <= rating <= 5:
        return None
    return {
        "id": f"{tick_id}-{module}"[:MAX_ID],
        "tick_id": tick_id,
        "module": module,
        "rating": rating,
        "notes": entry.get("notes"),
    }


BATCHES: Final = {
    "actions": Batch("action", 500, persona_actions, _make_action),
    "feedback": Batch("feedback", 100, persona_feedback, _make_feedback),
}


async def report(request: Request) -> Response:
    """Store what a persona did, or how it rates modules."""
    service = Service.for_runner(request)
    user_id, kind = request.path_params["id"], request.path_params["kind"]
    if kind not in BATCHES:
        return not_found(request)
    written = await service.write(_store, kind, user_id, await read_body(request), service.clock())
    return JSONResponse({"ok": True, "written": written})


def _store(connection: Connection, kind: str, user_id: str, raw: bytes, now: dt.datetime) -> int:
    """Add the entries with new ids. An id is unique for all personas, as on the real service."""
    batch, own = BATCHES[kind], personas.c.user_id == user_id
    if not connection.scalar(sa.select(sa.exists().where(own))):
        raise refused(404, "Persona not found")
    body = parse_json(raw, otherwise=refused(400, "Invalid JSON"))
    entries = body.get(kind) if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        raise refused(400, f"`{kind}` array required")
    if len(entries) > batch.max_entries:
        raise refused(400, f"`{kind}` batch size must be ≤ {batch.max_entries}")
    rows: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        row = batch.make_row(entry, index) if isinstance(entry, dict) else None
        if row is None:
            raise refused(400, f"One or more {batch.entry} rows failed validation")
        rows.setdefault(row["id"], {**row, "persona_id": user_id, "created_at": now})
    ids = batch.table.c.id
    known = set(connection.scalars(sa.select(ids).where(ids.in_(rows))))
    new = [row for row_id, row in rows.items() if row_id not in known]
    if new:
        connection.execute(sa.insert(batch.table), new)
    if kind == "actions":  # it was active now, even if every action is known already
        connection.execute(sa.update(personas).where(own).values(last_active_at=now))
    return len(entries)


async def unknown(request: Request) -> Response:
    """Any other call: without the key, the real service does not reveal what exists."""
    Service.for_runner(request)
    return not_found(request)


routes: Final = [
    Route(f"{PREFIX}/personas/due", due, methods=["GET"]),
    Route(PREFIX + "/personas/{id}/{kind}", report, methods=["POST"]),
    Route(PREFIX + "/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
