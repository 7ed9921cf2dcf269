"""The runner's side, by X-Service-Key: which personas are due, what they did, what they thought of it."""

from __future__ import annotations

import datetime as dt
import hmac
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from starlette.responses import JSONResponse

from personas.embedded.answers import Call, Refusal, invalid, path_id, read_object
from personas.embedded.descriptors import descriptor_of
from personas.embedded.schema import persona_actions, persona_feedback, personas, users

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

PREFIX: Final = "/api/v1/internal/personas"
MAX_ACTIONS: Final = 500
MAX_FEEDBACK: Final = 100
MAX_ID: Final = 500  # longer ones overflow an index of PostgreSQL
MAX_LATENCY: Final = 2**31 - 1
HOUR: Final = dt.timedelta(hours=1)
DAY: Final = dt.timedelta(days=1)
SATURDAY: Final = 5


class RunnerCalls:
    """The handlers of the runner's calls."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call(f"{PREFIX}/due", self.due, methods=["GET"]),
            Call(PREFIX + "/{id}/actions", self.add_actions, methods=["POST"]),
            Call(PREFIX + "/{id}/feedback", self.add_feedback, methods=["POST"]),
        ]

    def _require_key(self, request: Request) -> None:
        wanted = self._service.service_key
        given = request.headers.get("x-service-key", "")
        if not wanted or not hmac.compare_digest(wanted.encode("utf-8"), given.encode("utf-8")):
            raise Refusal(401, {"statusCode": 401, "message": "Missing or invalid X-Service-Key header"})

    async def due(self, request: Request) -> Response:
        """The personas whose turn it is, never active ones first."""
        self._require_key(request)
        now = self._service.now()
        return JSONResponse(
            {"personas": await self._service.read(lambda connection: list_due(connection, now))}
        )

    async def add_actions(self, request: Request) -> Response:
        """A batch of what a persona did; a repeated batch changes nothing."""
        return await self._add(request, "actions", MAX_ACTIONS, persona_actions, _check_action)

    async def add_feedback(self, request: Request) -> Response:
        """A batch of what a persona thought of modules; a repeated batch changes nothing."""
        return await self._add(request, "feedback", MAX_FEEDBACK, persona_feedback, _check_feedback)

    async def _add(
        self,
        request: Request,
        field: str,
        at_most: int,
        table: sa.Table,
        check: Callable[[dict[str, Any], str, list[str]], dict[str, Any]],
    ) -> Response:
        self._require_key(request)
        user_id = path_id(request)
        body = await read_object(request, bad=Refusal(400, {"error": "Invalid JSON body"}))
        given = body.get(field)
        if not isinstance(given, list) or not 1 <= len(given) <= at_most:
            raise invalid(f"{field} must be a list of 1 to {at_most} rows")
        now = self._service.now()
        rows = _check_rows(given, field, user_id, now, check)

        def work(connection: Connection) -> int:
            return _insert_new(connection, table, user_id, rows, now)

        return JSONResponse({"ok": True, "inserted": await self._service.write(work)})


def list_due(connection: Connection, now: dt.datetime) -> list[dict[str, Any]]:
    """The personas whose turn it is at `now`, never active ones first, then the longest inactive."""
    cadence, active = personas.c.tick_cadence, personas.c.last_active_at
    waiting = {"hourly": now - HOUR, "daily": now - DAY}
    if now.astimezone(dt.UTC).weekday() < SATURDAY:
        waiting["weekdays"] = now - DAY
    is_due = [
        sa.and_(cadence == name, sa.or_(active.is_(None), active <= latest))
        for name, latest in waiting.items()
    ]
    rows = connection.execute(
        sa.select(personas, users.c.email, users.c.name)
        .join(users, users.c.id == personas.c.user_id)
        .where(sa.or_(*is_due))
        .order_by(active.is_not(None), active, personas.c.created_at, personas.c.user_id)
    )
    return [descriptor_of(row) for row in rows]


def _insert_new(
    connection: Connection, table: sa.Table, user_id: str, rows: list[dict[str, Any]], now: dt.datetime
) -> int:
    if connection.scalar(sa.select(personas.c.user_id).where(personas.c.user_id == user_id)) is None:
        raise Refusal(404, {"error": "Not found"})
    ids = [row["id"] for row in rows]
    found = connection.execute(sa.select(table.c.id, table.c.persona_id).where(table.c.id.in_(ids)))
    stored = {row.id: row.persona_id for row in found}
    for row_id, owner in stored.items():
        if owner != user_id:
            raise Refusal(409, {"error": "Conflict", "message": f"row {row_id} is another persona's"})
    new = [row for row in rows if row["id"] not in stored]
    if new:
        connection.execute(sa.insert(table), new)
        if table is persona_actions:
            connection.execute(
                sa.update(personas).where(personas.c.user_id == user_id).values(last_active_at=now)
            )
    return len(new)


def _check_rows(
    given: list[Any],
    field: str,
    user_id: str,
    now: dt.datetime,
    check: Callable[[dict[str, Any], str, list[str]], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Check every row and name every mistake; a row that is given twice counts once."""
    problems: list[str] = []
    rows: dict[str, dict[str, Any]] = {}
    for index, row in enumerate(given):
        place = f"{field}[{index}]"
        if not isinstance(row, dict):
            problems.append(f"{place} must be an object")
            continue
        tick = _text(row, "tickId", place, problems)
        # Without an id of its own, a row is known by its persona, its tick and its place in the batch.
        row_id = row.get("id") or f"{user_id}-{tick}-{index}"
        if not isinstance(row_id, str) or len(row_id) > MAX_ID:
            problems.append(f"{place}.id must be text of at most {MAX_ID} characters")
            continue
        checked = check(row, place, problems)
        created = _moment(row, place, now, problems)
        rows.setdefault(
            row_id, {"id": row_id, "persona_id": user_id, "tick_id": tick, "created_at": created, **checked}
        )
    if problems:
        raise invalid(*problems)
    return list(rows.values())


def _check_action(row: dict[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    latency = row.get("latencyMs")
    is_number = isinstance(latency, int) and not isinstance(latency, bool) and 0 <= latency <= MAX_LATENCY
    if latency is not None and not is_number:
        problems.append(f"{place}.latencyMs must be a whole number of milliseconds")
    if row.get("result") not in ("ok", "error"):
        problems.append(f"{place}.result must be ok or error")
    return {
        "tool_name": _text(row, "toolName", place, problems),
        "input_hash": _optional_text(row, "inputHash", place, problems),
        "result": row.get("result"),
        "error_message": _optional_text(row, "errorMessage", place, problems),
        "latency_ms": latency,
    }


def _check_feedback(row: dict[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    rating = row.get("rating")
    if not isinstance(rating, int) or isinstance(rating, bool) or not 1 <= rating <= 5:
        problems.append(f"{place}.rating must be a whole number from 1 to 5")
    module = _text(row, "module", place, problems)
    if len(module) > MAX_ID:
        problems.append(f"{place}.module must be at most {MAX_ID} characters")
    return {"module": module, "rating": rating, "notes": _optional_text(row, "notes", place, problems)}


def _text(row: dict[str, Any], field: str, place: str, problems: list[str]) -> str:
    value = row.get(field)
    if isinstance(value, str) and value:
        return value
    problems.append(f"{place}.{field} required")
    return ""


def _optional_text(row: dict[str, Any], field: str, place: str, problems: list[str]) -> str | None:
    value = row.get(field)
    if value is None or isinstance(value, str):
        return value
    problems.append(f"{place}.{field} must be text")
    return None


def _moment(row: dict[str, Any], place: str, now: dt.datetime, problems: list[str]) -> dt.datetime:
    value = row.get("createdAt")
    if value is None:
        return now
    try:
        moment = dt.datetime.fromisoformat(value)
        moment = moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except (TypeError, ValueError, OverflowError):
        problems.append(f"{place}.createdAt must be a moment such as 2026-11-23T08:28:49.577Z")
        return now
    return moment
