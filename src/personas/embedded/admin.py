"""The admin's calls: the four on personas, and the look-up of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from starlette.responses import JSONResponse

from personas.embedded import descriptors
from personas.embedded import users as accounts
from personas.embedded.answers import (
    Call,
    Refusal,
    invalid,
    iso,
    path_id,
    query_number,
    query_text,
    read_object,
    utf16_length,
)
from personas.embedded.descriptors import Descriptor
from personas.embedded.schema import CADENCES, users

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

# The second is where later deployments have the same four calls.
MOUNTS: Final = ("/api/v1/admin/personas", "/api/v1/personas/admin")
MAX_LIMIT: Final = 100
MAX_PAGE: Final = 1_000_000
MAX_SEARCH: Final = 1000  # SQLite refuses patterns that are much longer


@dataclass(frozen=True, slots=True)
class Upsert:
    """A checked body of POST: who is to be a persona, and which."""

    email: str
    name: str
    password: str
    descriptor: Descriptor


class AdminCalls:
    """The handlers of the admin's calls."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Call]:
        """Where they are."""
        routes = [Call("/api/v1/admin/users", self.find_users, methods=["GET"])]
        for mount in MOUNTS:
            routes += [
                Call(mount, self.list, methods=["GET"]),
                Call(mount, self.upsert, methods=["POST"]),
                Call(mount + "/{id}", self.show, methods=["GET"]),
                Call(mount + "/{id}", self.delete, methods=["DELETE"]),
            ]
        return routes

    async def list(self, request: Request) -> Response:
        """Every persona, newest first."""
        self._service.require_admin(request)
        now = self._service.now()
        found = await self._service.read(lambda connection: descriptors.list_personas(connection, now))
        return JSONResponse({"personas": found})

    async def show(self, request: Request) -> Response:
        """One persona, what it did last and its feedback."""
        self._service.require_admin(request)
        user_id = path_id(request)
        found = await self._service.read(lambda connection: descriptors.describe_persona(connection, user_id))
        if found is None:
            raise Refusal(404, {"error": "Not found"})
        return JSONResponse(found)

    async def upsert(self, request: Request) -> Response:
        """Create a persona, or change the descriptor of the one that has the email."""
        service = self._service
        service.require_admin(request)
        body = await read_object(request, bad=Refusal(400, {"error": "Invalid JSON body"}))
        wanted = check_upsert(body)
        user = await service.read(lambda connection: _find(connection, wanted.email))
        if user is None:
            user_id = await self._create(wanted)
        else:
            await self._prove_ours(user, wanted)
            user_id = user.id
            changed = await service.write(lambda connection: self._stamp(connection, user_id, wanted))
            if not changed:  # deleted since we looked
                user_id = await self._create(wanted)
        return JSONResponse({"ok": True, "userId": user_id, "email": wanted.email})

    async def _create(self, wanted: Upsert) -> str:
        if not accounts.is_email(wanted.email):
            raise _sign_up_failed("[body.email] Invalid email address")
        if utf16_length(wanted.password) > accounts.MAX_PASSWORD:
            raise _sign_up_failed("Password too long")
        service = self._service
        new = accounts.NewUser(
            email=wanted.email, name=wanted.name, password=await service.hash(wanted.password)
        )

        def work(connection: Connection) -> sa.Row[Any] | str:
            # Sign-up and stamp are one transaction: no half-created user, whatever happens to us here.
            user = _find(connection, wanted.email)
            if user is not None:
                return user
            user_id = accounts.sign_up(connection, new, service.now())
            self._stamp(connection, user_id, wanted)
            return user_id

        made = await service.write(work)
        if isinstance(made, str):
            return made
        # Another call has signed the same email up while we hashed.
        await self._prove_ours(made, wanted)
        user_id: str = made.id
        await service.write(lambda connection: self._stamp(connection, user_id, wanted))
        return user_id

    async def _prove_ours(self, user: sa.Row[Any], wanted: Upsert) -> None:
        """Refuse to swallow somebody else's account; the original turns it into a persona without a word.

        A sign-up that was never stamped is half-created and ours when the password fits.
        """
        if user.kind == "persona":
            return
        may_be_ours = user.kind == "human" and user.role == "user"
        if may_be_ours and await self._service.verify(user.password, wanted.password):
            return
        message = f"{wanted.email} belongs to a user that is no persona"
        raise Refusal(409, {"error": "Conflict", "message": message})

    def _stamp(self, connection: Connection, user_id: str, wanted: Upsert) -> bool:
        return descriptors.stamp(connection, user_id, wanted.descriptor, self._service.now())

    async def delete(self, request: Request) -> Response:
        """Delete a persona's user with everything that hangs on it."""
        self._service.require_admin(request)
        user_id = path_id(request)

        def work(connection: Connection) -> None:
            kind = connection.scalar(sa.select(users.c.kind).where(users.c.id == user_id))
            if kind is None:
                raise Refusal(404, {"error": "Not found"})
            if kind != "persona":
                error = "Refusing to delete non-persona user via this endpoint"
                raise Refusal(400, {"error": error, "hint": "Use /api/v1/admin/users/:id/data instead"})
            accounts.delete_user(connection, user_id)

        await self._service.write(work)
        return JSONResponse({"ok": True, "deleted": user_id})

    async def find_users(self, request: Request) -> Response:
        """Users by part of their email or name, in pages; or the users of one access tier."""
        self._service.require_admin(request)
        limit = query_number(request, "limit", default=20, at_most=MAX_LIMIT)
        tier = query_text(request, "tier")
        if tier:
            return JSONResponse(
                await self._service.read(lambda connection: _by_tier(connection, tier, limit))
            )
        search = query_text(request, "search") or ""
        if len(search) > MAX_SEARCH:
            raise invalid(f"search must be at most {MAX_SEARCH} characters")
        page = query_number(request, "page", default=1, at_most=MAX_PAGE)
        found = await self._service.read(lambda connection: _by_text(connection, search, page, limit))
        return JSONResponse(found)


def check_upsert(body: dict[str, Any]) -> Upsert:
    """Check a body of POST.

    Raises:
        Refusal: 400 with every reason at once.
    """
    email, name, password = body.get("email"), body.get("name"), body.get("password")
    archetype, prompt = body.get("archetype"), body.get("systemPrompt")
    mix, cadence = body.get("moduleMix"), body.get("tickCadence")
    problems = {
        "email required": isinstance(email, str) and email,
        "name must be text": name is None or isinstance(name, str),
        "password ≥ 8 chars required": isinstance(password, str)
        and utf16_length(password) >= accounts.MIN_PASSWORD,
        "archetype required": isinstance(archetype, str) and archetype,
        "systemPrompt required": isinstance(prompt, str) and prompt,
        "moduleMix object required": isinstance(mix, dict),
        f"tickCadence must be one of {', '.join(CADENCES)}": cadence is None or cadence in CADENCES,
    }
    details = [problem for problem, is_right in problems.items() if not is_right]
    if details:
        raise invalid(*details)
    descriptor = Descriptor(
        archetype=str(archetype),
        system_prompt=str(prompt),
        module_mix=dict(mix or {}),
        tick_cadence=str(cadence or CADENCES[0]),
    )
    own_name = str(name or "") or str(email).partition("@")[0]
    return Upsert(email=str(email), name=own_name, password=str(password), descriptor=descriptor)


def _sign_up_failed(message: str) -> Refusal:
    """What the original answers with 500, although it is the caller's mistake."""
    return Refusal(400, {"error": "Sign-up failed", "message": message})


def _find(connection: Connection, email: str) -> sa.Row[Any] | None:
    return accounts.find_by_email(connection, email)


def _by_tier(connection: Connection, tier: str, limit: int) -> dict[str, Any]:
    rows = connection.execute(
        sa.select(users)
        .where(users.c.access_tier == tier)
        .order_by(users.c.name, users.c.created_at, users.c.id)
        .limit(limit)
    ).all()
    found = [
        {
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "role": row.role,
            "accessTier": row.access_tier,
            "createdAt": iso(row.created_at),
        }
        for row in rows
    ]
    return {"users": found, "count": len(found)}


def _by_text(connection: Connection, search: str, page: int, limit: int) -> dict[str, Any]:
    if search:
        matches = sa.or_(
            users.c.email.icontains(search, autoescape=True), users.c.name.icontains(search, autoescape=True)
        )
    else:
        matches = sa.true()
    rows = connection.execute(
        sa.select(users)
        .where(matches)
        .order_by(users.c.created_at.desc(), users.c.id)
        .limit(limit)
        .offset((page - 1) * limit)
    ).all()
    found = [
        {
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "role": row.role,
            "createdAt": iso(row.created_at),
        }
        for row in rows
    ]
    total = connection.scalar(sa.select(sa.func.count()).select_from(users).where(matches))
    return {"users": found, "total": total, "page": page, "limit": limit}
