"""The runner's side, by X-Service-Key: which personas are due, what they did, what they thought of it."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar

import sqlalchemy as sa
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from starlette.responses import JSONResponse

from personas.embedded.answers import Call, Refusal, iso, path_id
from personas.embedded.bodies import Body, read_json
from personas.embedded.cadence import is_due
from personas.embedded.descriptors import descriptor_of
from personas.embedded.schema import persona_actions, persona_feedback, personas, users

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

PREFIX: Final = "/api/v1/internal/personas"
MAX_ID: Final = 255  # UTF-16 units
MAX_MODULE: Final = 2600  # bytes; longer ones overflow an index of PostgreSQL
_NUMBER: Final = re.compile(r"\s*[+-]?0*[0-9]{1,10}\s*", re.ASCII)


def _as_text(value: Any) -> str | None:
    """What stands in a field of free text; the original takes any value there."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_number(value: Any) -> Any:
    """A number, also where it is written as text: the original's database reads it."""
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _fits_index(module: str) -> str:
    if len(module.encode("utf-8")) > MAX_MODULE:
        msg = "too long"
        raise ValueError(msg)
    return module


FreeText = Annotated[str | None, BeforeValidator(_as_text)]
Milliseconds = Annotated[int, Field(ge=-(2**31), lt=2**31), BeforeValidator(_as_number)]


class Action(Body):
    """One call of a tool."""

    tick_id: str
    tool_name: str
    input_hash: FreeText = None
    result: Literal["ok", "error"]
    error_message: FreeText = None
    latency_ms: Milliseconds | None = None

    def row_id(self, index: int) -> str:
        """What a row is known by, so that a batch that is sent again adds nothing."""
        return _cut(f"{self.tick_id}-{index}-{self.tool_name}")


class Feedback(Body):
    """What a persona thought of a module."""

    tick_id: str
    module: Annotated[str, AfterValidator(_fits_index)]
    rating: Annotated[int, Field(ge=1, le=5)]
    notes: FreeText = None

    def row_id(self, index: int) -> str:  # noqa: ARG002 - a module is rated once in a tick
        """The same."""
        return _cut(f"{self.tick_id}-{self.module}")


class Actions(Body):
    """The body of `actions`."""

    at_most: ClassVar[int] = 500
    row: ClassVar[str] = "action"
    actions: Annotated[list[Action], Field(min_length=1, max_length=at_most)]


class Ratings(Body):
    """The body of `feedback`."""

    at_most: ClassVar[int] = 100
    row: ClassVar[str] = "feedback"
    feedback: Annotated[list[Feedback], Field(min_length=1, max_length=at_most)]


Batch = TypeVar("Batch", Actions, Ratings)


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

    async def due(self, request: Request) -> Response:
        """The personas whose turn it is, never active ones first."""
        self._service.require_service_key(request)
        now = self._service.now()
        listed = await self._service.read(lambda connection: list_due(connection, now))
        return JSONResponse({"personas": listed, "serverTime": iso(now)})

    async def add_actions(self, request: Request) -> Response:
        """A batch of what a persona did; it was active now, also where every row is known."""
        user_id, batch = await self._begin(request, Actions)
        now = self._service.now()

        def work(connection: Connection) -> None:
            _insert_new(connection, persona_actions, user_id, batch.actions, now)
            own = personas.c.user_id == user_id
            connection.execute(sa.update(personas).where(own).values(last_active_at=now))

        await self._service.write(work)
        return JSONResponse({"ok": True, "written": len(batch.actions)})

    async def add_feedback(self, request: Request) -> Response:
        """A batch of what a persona thought of modules."""
        user_id, batch = await self._begin(request, Ratings)
        now = self._service.now()

        def work(connection: Connection) -> None:
            _insert_new(connection, persona_feedback, user_id, batch.feedback, now)

        await self._service.write(work)
        return JSONResponse({"ok": True, "written": len(batch.feedback)})

    async def _begin(self, request: Request, model: type[Batch]) -> tuple[str, Batch]:
        """The persona that the path names, and the batch; the persona is looked for first."""
        self._service.require_service_key(request)
        user_id = path_id(request)
        await self._service.read(lambda connection: _require_persona(connection, user_id))
        value = await read_json(request, bad=Refusal(400, {"error": "Invalid JSON"}))
        try:
            return user_id, model.model_validate(value)
        except ValidationError as error:
            raise _refusal(model, error) from None


def list_due(connection: Connection, now: dt.datetime) -> list[dict[str, Any]]:
    """The personas whose turn it is at `now`, never active ones first, then the longest inactive."""
    active = personas.c.last_active_at
    rows = connection.execute(
        sa.select(personas, users.c.email, users.c.name)
        .join(users, users.c.id == personas.c.user_id)
        .where(is_due(now))
        .order_by(active.is_not(None), active, personas.c.created_at, personas.c.user_id)
    )
    described = [descriptor_of(row) for row in rows]
    for each in described:
        del each["name"]  # the runner is told no names
    return described


def _require_persona(connection: Connection, user_id: str) -> None:
    if connection.scalar(sa.select(personas.c.user_id).where(personas.c.user_id == user_id)) is None:
        raise Refusal(404, {"error": "Persona not found"})


def _insert_new(
    connection: Connection,
    table: sa.Table,
    user_id: str,
    given: Sequence[Action | Feedback],
    now: dt.datetime,
) -> None:
    """Add the rows whose ids are new: ids are the whole table's, as in the original, not a persona's."""
    _require_persona(connection, user_id)
    rows: dict[str, dict[str, Any]] = {}
    for index, row in enumerate(given):
        row_id = row.row_id(index)
        rows.setdefault(row_id, {**row.model_dump(), "id": row_id, "persona_id": user_id, "created_at": now})
    known = set(connection.scalars(sa.select(table.c.id).where(table.c.id.in_(rows))))
    new = [row for row_id, row in rows.items() if row_id not in known]
    if new:
        connection.execute(sa.insert(table), new)


def _refusal(model: type[Actions | Ratings], error: ValidationError) -> Refusal:
    """What is wrong with a batch: with its size, with some row, or else with the list itself."""
    (field,) = model.model_fields
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if any(each["type"] == "too_long" for each in found):
        return Refusal(400, {"error": f"`{field}` batch size must be ≤ {model.at_most}"})
    if any(len(each["loc"]) > 1 for each in found):
        return Refusal(400, {"error": f"One or more {model.row} rows failed validation"})
    return Refusal(400, {"error": f"`{field}` array required"})


def _cut(row_id: str) -> str:
    """An id cut where JavaScript would cut it."""
    return row_id.encode("utf-16-le")[: 2 * MAX_ID].decode("utf-16-le", "replace")
