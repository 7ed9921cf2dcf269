"""The admin's calls: the four on personas, and the look-up of users."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded.answers import Crash, Refusal, as_json, query_number, query_text, refused
from personas.embedded.auth import create_user
from personas.embedded.bodies import parse_json, read_body
from personas.embedded.passwords import MIN_PASSWORD, js_length
from personas.embedded.schema import CADENCES, persona_actions, persona_feedback, personas, sessions, users
from personas.embedded.service import Service

RECENT: Final = dt.timedelta(days=7)
TIERS: Final = ("guest", "public", "beta", "alpha", "founder")
COLUMNS: Final = (users.c.email, *personas.c["user_id", "archetype", "tick_cadence", "last_active_at"])
DETAILS: Final = tuple(personas.c["system_prompt", "module_mix"])
FOUND: Final = tuple(users.c["id", "email", "name", "role", "created_at"])
FALSY: Final = (None, False, 0, "")  # to JavaScript; an empty list or object is not

# Of one persona. Made once, because making a query takes longer than these take to run.
USER_ID: Final[sa.BindParameter[str]] = sa.bindparam("user_id")
PERSONA: Final = (
    sa.select(*COLUMNS, *DETAILS, users.c.name, personas.c.created_at)
    .join_from(personas, users)
    .where(personas.c.user_id == USER_ID)
)
LAST_ACTIONS, LAST_FEEDBACK = (
    sa.select(table)
    .where(table.c.persona_id == USER_ID)
    .order_by(table.c.created_at.desc(), table.c.id)
    .limit(20)
    for table in (persona_actions, persona_feedback)
)
FEEDBACK_BY_MODULE: Final = (
    # The number of ratings, which the real service calls their mean.
    sa.select(persona_feedback.c.module, sa.func.count().label("avg_rating"))
    .where(persona_feedback.c.persona_id == USER_ID)
    .group_by(persona_feedback.c.module)
    .order_by(persona_feedback.c.module)
)


def list_personas(request: Request) -> Response:
    """Every persona, newest first."""
    service = Service.for_admin(request)
    query = select_with_actions(service.clock() - RECENT)
    with service.database.read() as connection:
        rows = connection.execute(query.order_by(personas.c.created_at.desc(), personas.c.user_id))
        return JSONResponse({"personas": [as_json(row) for row in rows]})


def select_with_actions(since: dt.datetime) -> sa.Select[Any]:
    """Personas with the number of their actions since a moment, as `actions7d`."""
    recent = (
        sa.select(persona_actions.c.persona_id, sa.func.count().label("actions"))
        .where(persona_actions.c.created_at > since)
        .group_by(persona_actions.c.persona_id)
        .subquery()
    )
    actions = sa.func.coalesce(recent.c.actions, 0).label("actions7d")
    return (
        sa.select(*COLUMNS, users.c.name, personas.c.created_at, actions)
        .join_from(personas, users)
        .outerjoin(recent, recent.c.persona_id == personas.c.user_id)
    )


async def show_persona(request: Request) -> Response:
    """One persona with its last actions and the feedback by module."""
    # In the event loop: a worker thread would take longer than these reads by key.
    service = Service.for_admin(request)
    with service.database.read() as connection:
        return JSONResponse(describe_persona(connection, request.path_params["id"]))


def describe_persona(connection: Connection, user_id: str) -> dict[str, Any]:
    """One persona with its last actions and the feedback by module; refuses an unknown id with 404."""
    row = connection.execute(PERSONA, {"user_id": user_id}).one_or_none()
    if row is None:
        raise refused(404, "Not found")
    return {
        "persona": as_json(row),
        "recentActions": list_own(connection, LAST_ACTIONS, user_id),
        "feedbackByModule": list_own(connection, FEEDBACK_BY_MODULE, user_id),
    }


def list_own(connection: Connection, query: sa.Select[Any], user_id: str) -> list[dict[str, Any]]:
    """The rows that a query finds of one persona."""
    return [as_json(row) for row in connection.execute(query, {"user_id": user_id})]


async def upsert_persona(request: Request) -> Response:
    """Create a persona, or update the one with this email; an ordinary user becomes a persona."""
    service = Service.for_admin(request)
    body = parse_json(await read_body(request), otherwise=refused(400, "Invalid JSON body"))
    if body is None:
        raise Crash
    fields = body if isinstance(body, dict) else {}
    _check(fields)
    email = fields["email"]
    # The email is looked up as it was sent, and stored in lower case.
    user = await run_in_threadpool(service.find_user, email)
    user_id = await _sign_up(service, fields) if user is None else user.id
    # Two transactions, as on the real service: a text that cannot be stored leaves a user without a row here.
    await service.write(_stamp, user_id, service.clock())
    await service.write(_store, user_id, fields, service.clock())
    return JSONResponse({"ok": True, "userId": user_id, "email": email})


def _check(fields: dict[str, Any]) -> None:
    """Check a body as the real service does, loosely, as JavaScript compares; refuse with every problem."""
    email, password, cadence = fields.get("email"), fields.get("password"), fields.get("tickCadence")
    if email not in FALSY and not isinstance(email, str | list):
        raise Crash  # it has no method `includes`
    is_short = isinstance(password, str | list) and js_length(password) < MIN_PASSWORD
    problems = {
        "email required": email in FALSY or "@" not in email,
        "password ≥ 8 chars required": password in FALSY or is_short,
        "archetype required": fields.get("archetype") in FALSY,
        "systemPrompt required": fields.get("systemPrompt") in FALSY,
        "moduleMix object required": not isinstance(fields.get("moduleMix"), dict | list),
        f"tickCadence must be one of {', '.join(CADENCES)}": cadence not in (*FALSY, *CADENCES),
    }
    details = [words for words, applies in problems.items() if applies]
    if details:
        raise Refusal(400, {"error": "ValidationError", "details": details})


async def _sign_up(service: Service, fields: dict[str, Any]) -> str:
    """Sign a new user up; the id, which is an invented one if the email in lower case is taken."""
    email, name, password = fields["email"], fields.get("name"), fields["password"]
    name = email.partition("@")[0] if name is None else name
    try:
        user = await create_user(service, {"email": email, "name": name, "password": password})
    except Refusal as refusal:
        raise refused(500, "Sign-up failed", (refusal.body or {}).get("message")) from None
    return str(user["id"])


def _stamp(connection: Connection, user_id: str, now: dt.datetime) -> None:
    """Make a user a persona, with its name and password as they are."""
    values = {"kind": "persona", "access_tier": "founder", "email_verified": True, "updated_at": now}
    connection.execute(sa.update(users).where(users.c.id == user_id).values(values))


def _store(connection: Connection, user_id: str, fields: dict[str, Any], now: dt.datetime) -> None:
    cadence = fields.get("tickCadence")
    values = {
        "archetype": fields["archetype"],
        "system_prompt": fields["systemPrompt"],
        "module_mix": fields["moduleMix"],
        "tick_cadence": CADENCES[0] if cadence is None else cadence,
        "updated_at": now,
    }
    changed = connection.execute(sa.update(personas).where(personas.c.user_id == user_id).values(values))
    if not changed.rowcount:
        # With an invented id, this breaks the foreign key and is a crash, as on the real service.
        connection.execute(sa.insert(personas).values(user_id=user_id, created_at=now, **values))


def delete_persona(request: Request) -> Response:
    """Delete the user of a persona; its spaces and memberships stay, as on the real service."""
    service = Service.for_admin(request)
    user_id = request.path_params["id"]
    with service.database.write() as connection:
        kind = connection.scalar(sa.select(users.c.kind).where(users.c.id == user_id))
        if kind is None:
            raise refused(404, "Not found")
        if kind != "persona":
            error = "Refusing to delete non-persona user via this endpoint"
            raise Refusal(400, {"error": error, "hint": "Use /api/v1/admin/users/:id/data instead"})
        connection.execute(sa.delete(users).where(users.c.id == user_id))
    return JSONResponse({"ok": True, "deleted": user_id})


def find_users(request: Request) -> Response:
    """Users by part of their email or name, in pages; or the users of one access tier."""
    service = Service.for_admin(request)
    limit = query_number(request, "limit", default=20)
    tier, search = query_text(request, "tier"), query_text(request, "search")
    with service.database.read() as connection:
        if tier and not search and not query_text(request, "page"):
            return JSONResponse(_find_by_tier(connection, tier, limit))
        page = query_number(request, "page", default=1)
        return JSONResponse(_find_by_text(connection, search or "", page, limit))


def _find_by_tier(connection: Connection, tier: str, limit: int | None) -> dict[str, Any]:
    if tier not in TIERS:
        raise refused(400, "Invalid tier")
    rows = connection.execute(
        sa.select(*FOUND, users.c.access_tier)
        .where(users.c.access_tier == tier)
        .order_by(users.c.name, users.c.created_at, users.c.id)
        .limit(_rows(limit))
    )
    found = [as_json(row) for row in rows]
    return {"users": found, "count": len(found)}


def _find_by_text(connection: Connection, search: str, page: int | None, limit: int | None) -> dict[str, Any]:
    if page is not None and page < 1:
        raise Crash
    # The search goes into the pattern as it is: % and _ are wildcards.
    pattern = f"%{search}%"
    matches = sa.or_(users.c.email.ilike(pattern, escape="\\"), users.c.name.ilike(pattern, escape="\\"))
    rows = connection.execute(
        sa.select(*FOUND)
        .where(matches)
        .order_by(users.c.created_at.desc(), users.c.id)
        .limit(_rows(limit))
        .offset(_rows(((page or 1) - 1) * (20 if limit is None else limit)))
    ).all()
    # The real service fails on every page with a user who has a session.
    theirs = sessions.c.user_id.in_([row.id for row in rows])
    if connection.scalar(sa.select(sa.exists().where(theirs))):
        raise Crash
    total = connection.scalar(sa.select(sa.func.count()).select_from(users).where(matches))
    return {"users": [as_json(row) for row in rows], "total": total, "page": page, "limit": limit}


def _rows(number: int | None) -> int | None:
    """A number of rows; None, all of them, for less than 0 or something that is not a number."""
    return None if number is None or number < 0 else number


PATH: Final = "/api/v1/admin/personas"
routes: Final = [
    Route(PATH, list_personas),
    Route(PATH, upsert_persona, methods=["POST"]),
    Route(PATH + "/{id}", show_persona),
    Route(PATH + "/{id}", delete_persona, methods=["DELETE"]),
    Route("/api/v1/admin/users", find_users),
]
