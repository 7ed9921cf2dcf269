"""The admin's calls: the four on personas, and the look-up of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import sqlalchemy as sa
from pydantic import AfterValidator, BeforeValidator, ValidationError
from starlette.responses import JSONResponse

from personas.embedded import descriptors
from personas.embedded import users as accounts
from personas.embedded.answers import (
    Call,
    Refusal,
    invalid,
    iso,
    path_id,
    query_given,
    query_parsed,
    query_text,
    utf16_length,
)
from personas.embedded.auth import SignUp, check_password
from personas.embedded.bodies import Body, Says, as_text, is_falsy, mistakes, read_json, wrong
from personas.embedded.descriptors import Descriptor
from personas.embedded.passwords import MIN_PASSWORD
from personas.embedded.schema import CADENCES, users

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

# The second is where later deployments have the same four calls.
MOUNTS: Final = ("/api/v1/admin/personas", "/api/v1/personas/admin")
TIERS: Final = ("guest", "public", "beta", "alpha", "founder")
MAX_SEARCH: Final = 10_000  # SQLite refuses patterns that are much longer
MAX_ROWS: Final = 2**63 - 1
_MEASURES: Final[Mapping[type, Callable[[Any], int]]] = {str: utf16_length, list: len}


def _with_an_at(value: Any) -> Any:
    """What `value.includes("@")` lets through, but for what has no such method."""
    if not isinstance(value, str) or "@" not in value:
        raise wrong()
    return value


def _long_enough(value: Any) -> Any:
    """What `!value || value.length < 8` lets through: also what has no length, unless it is to be hashed."""
    measure = _MEASURES.get(type(value))
    if is_falsy(value) or (measure is not None and measure(value) < MIN_PASSWORD):
        raise wrong()
    return value


def _as_text(value: Any) -> str:
    if is_falsy(value):
        raise wrong()
    return as_text(value)


def _cadence(value: Any) -> Any:
    """One of the cadences, the first for what JavaScript takes for none."""
    given = CADENCES[0] if is_falsy(value) else value
    if given not in CADENCES:
        raise wrong()
    return given


Anything = Annotated[str, BeforeValidator(_as_text)]


class Upsert(Body):
    """Who is to be a persona, and which; of a name and a password no more is known than the original asks."""

    email: Annotated[str, BeforeValidator(_with_an_at), Says("email required")]
    name: Any = None
    password: Annotated[Any, AfterValidator(_long_enough), Says("password ≥ 8 chars required")]
    archetype: Annotated[Anything, Says("archetype required")]
    system_prompt: Annotated[Anything, Says("systemPrompt required")]
    module_mix: Annotated[dict[str, Any] | list[Any], Says("moduleMix object required")]
    tick_cadence: Annotated[
        str, BeforeValidator(_cadence), Says(f"tickCadence must be one of {', '.join(CADENCES)}")
    ] = CADENCES[0]

    def descriptor(self) -> Descriptor:
        """What makes the user a persona."""
        return Descriptor(
            archetype=self.archetype,
            system_prompt=self.system_prompt,
            module_mix=self.module_mix,
            tick_cadence=self.tick_cadence,
        )

    def sign_up(self) -> SignUp:
        """The user, who is called by the local part of the email without a name.

        Raises:
            Refusal: 400 for what sign-up refuses.
        """
        name = self.email.partition("@")[0] if self.name is None else self.name
        try:
            wanted = SignUp.check({"email": self.email, "name": name, "password": self.password})
            check_password(wanted.password)
        except Refusal as refusal:
            # The original answers 500, although it is the caller's mistake.
            body = {"error": "Sign-up failed", "message": refusal.body["message"]}
            raise Refusal(400, body) from None
        return wanted


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
        wanted = check_upsert(await read_json(request, bad=_no_json()))
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
        service = self._service
        given = wanted.sign_up()
        new = accounts.NewUser(
            email=given.email, name=given.name, password=await service.hash(given.password)
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
        if may_be_ours and await self._service.verify(user.password, as_text(wanted.password)):
            return
        message = f"{wanted.email} belongs to a user that is no persona"
        raise Refusal(409, {"error": "Conflict", "message": message})

    def _stamp(self, connection: Connection, user_id: str, wanted: Upsert) -> bool:
        return descriptors.stamp(connection, user_id, wanted.descriptor(), self._service.now())

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
        limit = query_parsed(request, "limit", default=20)
        tier = query_given(request, "tier")
        search = query_text(request, "search") or ""
        if tier and not search and not query_given(request, "page"):
            if tier not in TIERS:
                raise Refusal(400, {"error": "Invalid tier"})
            return JSONResponse(
                await self._service.read(lambda connection: _by_tier(connection, tier, limit))
            )
        if len(search) > MAX_SEARCH:
            raise invalid(f"search must be at most {MAX_SEARCH} characters")
        page = query_parsed(request, "page", default=1)
        found = await self._service.read(lambda connection: _by_text(connection, search, page, limit))
        return JSONResponse(found)


def check_upsert(body: Any) -> Upsert:
    """Check a body of POST.

    Raises:
        Refusal: 400 with every reason at once.
    """
    if body is None:
        raise _no_json()
    try:
        return Upsert.model_validate(body if isinstance(body, dict) else {})
    except ValidationError as error:
        raise invalid(*mistakes(Upsert, error)) from None


def _no_json() -> Refusal:
    return Refusal(400, {"error": "Invalid JSON body"})


def _find(connection: Connection, email: str) -> sa.Row[Any] | None:
    return accounts.find_by_email(connection, email)


def _by_tier(connection: Connection, tier: str, limit: int | None) -> dict[str, Any]:
    query = (
        sa.select(users)
        .where(users.c.access_tier == tier)
        .order_by(users.c.name, users.c.created_at, users.c.id)
        .limit(_rows(limit))
    )
    found = [
        {**_in_short(row), "accessTier": row.access_tier, "createdAt": iso(row.created_at)}
        for row in connection.execute(query)
    ]
    return {"users": found, "count": len(found)}


def _by_text(connection: Connection, search: str, page: int | None, limit: int | None) -> dict[str, Any]:
    matches: sa.ColumnElement[bool] = sa.true()
    if search:
        # The original puts the text into a pattern as it is: % and _ stand for whatever.
        pattern = f"%{search}%"
        matches = sa.or_(users.c.email.ilike(pattern, escape="\\"), users.c.name.ilike(pattern, escape="\\"))
    query = (
        sa.select(users)
        .where(matches)
        .order_by(users.c.created_at.desc(), users.c.id)
        .limit(_rows(limit))
        .offset(_offset(page, limit))
    )
    found = [{**_in_short(row), "createdAt": iso(row.created_at)} for row in connection.execute(query)]
    total = connection.scalar(sa.select(sa.func.count()).select_from(users).where(matches))
    return {"users": found, "total": total, "page": page, "limit": limit}


def _in_short(row: sa.Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "email": row.email, "name": row.name, "role": row.role}


def _rows(limit: int | None) -> int | None:
    """How many rows a limit lets through: all of them where it is below 0 or no number."""
    return None if limit is None or limit < 0 else min(limit, MAX_ROWS)


def _offset(page: int | None, limit: int | None) -> int:
    """How many rows come before a page; the original breaks where they are fewer than none, or too many."""
    before = (max(page or 1, 1) - 1) * (20 if limit is None else limit)
    return min(max(before, 0), MAX_ROWS)
