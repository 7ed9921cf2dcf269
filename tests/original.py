"""The second form of the embedded service, for tests alone: as wrong as the original in every point.

    with Embedded.open(database) as embedded:
        embedded.app = Original(embedded)

The embedded service does the work; this ASGI application turns what it does better on purpose back into what
the original does, as it was recorded. A client that is right against both forms is right against the real
one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from calls import BROKEN, Call, changed, content, has_content, has_nul, number, storable, was_refused
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from personas.embedded import schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from starlette.types import Receive, Scope, Send

    from personas.embedded import Embedded

MOUNT: Final = "/api/v1/admin/personas"
LATER_MOUNT: Final = "/api/v1/personas/admin"
RUNNER: Final = "/api/v1/internal/personas/"
REGISTER: Final = "/api/v1/auth/register"
SIGN_UP: Final = "/api/auth/sign-up/email"
SIGN_UPS: Final = {  # and how a name with a NUL is answered, although the user is signed up
    REGISTER: (409, {"error": "Email already registered", "code": "EMAIL_ALREADY_REGISTERED"}),
    SIGN_UP: (422, {"message": "Failed to create user", "code": "FAILED_TO_CREATE_USER"}),
}
PAGE: Final = ("/", "/sign-in", "/sign-out")
SIGN_INS: Final = ("/api/v1/auth/login", "/api/auth/sign-in/email")
BIGINT: Final = 2**63
INTEGER: Final = 2**31
LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]+")
NO_EMAIL: Final = "@"  # the admin's call takes it, sign-up does not


@dataclass
class Original:
    """The application.

    Attributes:
        embedded: The service that does the work.
        mount: Where the admin's calls are; at LATER_MOUNT the list has no names, as in later deployments.
        limited: Whether it stands behind a proxy, where an address signs in three times in ten seconds.
        races: Emails whose next POST loses against another sign-up of the same moment: it answers 500.
    """

    embedded: Embedded
    mount: str = MOUNT
    limited: bool = False
    races: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._app = self.embedded.app
        self._service = self.embedded._service
        self._service.behind_proxy |= self.limited
        self._ownerless: set[str] = set()  # spaces with a member whose user is gone
        self._cadences: dict[str, str] = {}  # what the original stores and the embedded service does not

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            call = await Call.arrived(scope, receive)
        except ClientDisconnect:
            return
        await call.answer(await self._answer(call.forwarded() if self.limited else call), send)

    async def _ask(self, call: Call) -> Response:
        """The answer of the embedded service."""
        return await call.answered_by(self._app)

    async def _answer(self, call: Call) -> Response:
        absent = MOUNT if self.mount == LATER_MOUNT else LATER_MOUNT
        if call.path in PAGE or call.path == absent or call.path.startswith(absent + "/"):
            return await self._ask(call.to("/nowhere"))
        if call.path == self.mount:
            return await (self._upsert(call) if call.method == "POST" else self._list(call))
        if call.path.startswith(self.mount + "/"):
            return await (self._delete(call) if call.method == "DELETE" else self._show(call))
        if call.path == "/api/v1/admin/users":
            return await self._find_users(call)
        if call.path.startswith(RUNNER):
            return await self._add_rows(call)
        if call.path in SIGN_UPS or call.path in SIGN_INS:
            return await self._know(call)
        return await self._use_session(call)

    async def _crash(self, call: Call, *causes: bool) -> Response:
        """The embedded service's answer, or the 500 that the original has for what is refused for a cause."""
        answer = await self._ask(call)
        return crashed(call) if any(causes) and was_refused(answer) else answer

    # --- the admin's calls ------------------------------------------------------------------------------

    async def _list(self, call: Call) -> Response:
        answer = await self._ask(call)
        if not has_content(answer):
            return answer
        found = content(answer)
        for persona in found["personas"]:
            persona["tickCadence"] = self._cadences.get(persona["userId"], persona["tickCadence"])
            if self.mount == LATER_MOUNT:
                del persona["name"]
        return changed(answer, found)

    async def _show(self, call: Call) -> Response:
        answer = await self._crash(call, "\0" in call.path)
        if not has_content(answer):
            return answer
        found = content(answer)
        persona = found["persona"]
        persona["tickCadence"] = self._cadences.get(persona["userId"], persona["tickCadence"])
        found["feedbackByModule"] = [
            {"module": module["module"], "avgRating": module["ratings"]}
            for module in found["feedbackByModule"]
        ]
        return changed(answer, found)

    async def _upsert(self, call: Call) -> Response:
        email = call.fields.get("email")
        if not isinstance(email, str):
            # The original looks for an @ in whatever is not empty; only text and lists can be asked.
            is_asked = bool(email) or isinstance(email, dict)
            return await self._crash(call, call.json is None, is_asked and not isinstance(email, list))
        if "@" not in email:
            return await self._ask(call)
        failure = await self._failure_of_sign_up(call, email)
        if failure is not None:
            # Whoever may not call, and a body that misses something, is refused before.
            answer = await self._ask(call.storable().sending(email=NO_EMAIL, name=None))
            if not refused_sign_up(answer):
                return answer
            if has_nul(call.fields.get("name")):
                await self._ask(call.storable().to(REGISTER))
            return failure
        before = await self._descriptor(email)
        answer = await self._ask(call.storable())
        if answer.status_code == 409:
            await self._swallow(email)
            answer = await self._ask(call.storable())
        if refused_sign_up(answer):
            return changed(answer, content(answer), 500)
        if not has_content(answer):
            return answer
        if any(has_nul(call.fields.get(name)) for name in ("archetype", "systemPrompt", "moduleMix")):
            await self._leave_half_made(email, before)
            return crashed(call)
        if email in self.races:
            self.races.remove(email)
            return crashed(call)
        user_id = content(answer)["userId"]
        cadence = call.fields.get("tickCadence")
        self._cadences.pop(user_id, None)
        if cadence is not None and not cadence:
            self._cadences[user_id] = cadence if isinstance(cadence, str) else json.dumps(cadence)
        return answer

    async def _failure_of_sign_up(self, call: Call, email: str) -> Response | None:
        """How the sign-up of a new user fails where the embedded service refuses earlier."""
        if "\0" in email:
            return crashed(call)
        if await self._has_user(email):
            return None
        if await self._has_user(email.lower()):
            return crashed(call)  # signed up long ago, and then not found under the name as sent
        if has_nul(call.fields.get("name")):
            return JSONResponse({"error": "Sign-up failed", "message": "Failed to create user"}, 500)
        return None

    async def _has_user(self, email: str) -> bool:
        query = sa.select(schema.users.c.id).where(schema.users.c.email == email)
        return await self._service.read(lambda connection: connection.scalar(query)) is not None

    async def _swallow(self, email: str) -> None:
        """Make a human a persona, name and password as they were."""
        users = schema.users
        turned = sa.update(users).where(users.c.email == email).values(kind="persona", access_tier="founder")
        await self._service.write(lambda connection: connection.execute(turned))

    async def _descriptor(self, email: str) -> sa.Row[Any] | None:
        personas, users = schema.personas, schema.users
        query = sa.select(personas).join(users, users.c.id == personas.c.user_id)
        return await self._service.read(
            lambda connection: connection.execute(query.where(users.c.email == email)).one_or_none()
        )

    async def _leave_half_made(self, email: str, before: sa.Row[Any] | None) -> None:
        """The user is there and stamped; the descriptor is what it was, or none at all."""
        personas, users = schema.personas, schema.users

        def work(connection: Connection) -> None:
            user_id = connection.scalar(sa.select(users.c.id).where(users.c.email == email.lower()))
            if before is None:
                connection.execute(sa.delete(personas).where(personas.c.user_id == user_id))
            else:
                change = sa.update(personas).where(personas.c.user_id == user_id)
                connection.execute(change.values(**before._mapping))

        await self._service.write(work)

    async def _delete(self, call: Call) -> Response:
        """Delete a user and none of their spaces."""
        user_id = call.path.rpartition("/")[2]
        organizations, members = schema.organizations, schema.members
        theirs = sa.select(members.c.organization_id).where(members.c.user_id == storable(user_id))
        query = sa.select(organizations).where(organizations.c.id.in_(theirs))
        spaces = await self._service.read(lambda connection: connection.execute(query).all())
        answer = await self._crash(call, "\0" in call.path)
        if not has_content(answer):
            return answer
        ids = [space.id for space in spaces]
        self._ownerless.update(ids)

        def restore(connection: Connection) -> None:
            left = set(connection.scalars(sa.select(organizations.c.id).where(organizations.c.id.in_(ids))))
            for space in spaces:
                if space.id not in left:
                    connection.execute(sa.insert(organizations).values(**space._mapping))

        await self._service.write(restore)
        return answer

    async def _find_users(self, call: Call) -> Response:
        """The look-up, with rows only where none of their users has a session."""
        by_tier = call.query.get("tier") and not (call.query.get("search") or call.query.get("page"))
        if by_tier:
            return await self._ask(call.storable())
        answer = await self._crash(call, "\0" in call.query.get("search", ""))
        if not has_content(answer):
            return answer
        page, limit = number(call.query.get("page"), 1), number(call.query.get("limit"), 20)
        if page < 1 or limit >= BIGINT or (page - 1) * limit >= BIGINT:
            return crashed(call)
        sessions = schema.sessions.c
        ids = [user["id"] for user in content(answer)["users"]]
        query = sa.select(sessions.id).where(sessions.user_id.in_(ids)).limit(1)
        has_session = await self._service.read(lambda connection: connection.scalar(query))
        return crashed(call) if has_session else answer

    # --- everybody else's calls -------------------------------------------------------------------------

    async def _add_rows(self, call: Call) -> Response:
        rows = call.fields.get("actions") or call.fields.get("feedback")
        given = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return await self._crash(
            call,
            call.has_nul,
            any("latencyMs" in row and not is_integer(row["latencyMs"]) for row in given),
            any(isinstance(row.get("rating"), float) and 1 <= row["rating"] <= 5 for row in given),
        )

    async def _know(self, call: Call) -> Response:
        """Signing up and in."""
        if call.path in SIGN_UPS:
            return await self._sign_up(call)
        if call.path.startswith("/api/auth/"):
            return await self._crash(call.storable(), call.is_broken)
        email = call.fields.get("email")
        as_sent = email if isinstance(email, str) else ""
        await self._count_failures_of(as_sent, begin=True)
        answer = await self._crash(call.storable(), call.json in (None, BROKEN))
        await self._count_failures_of(as_sent, begin=False)
        return answer

    async def _sign_up(self, call: Call) -> Response:
        name = call.fields.get("name")
        if call.path == REGISTER and isinstance(name, str) and LONE_SURROGATES.fullmatch(name):
            # A name is there, so that none is made of the email; and then there is nothing to store.
            return await self._ask(call.to(SIGN_UP).sending(name=""))
        answer = await self._crash(call.storable(), call.path == REGISTER or call.is_broken)
        if has_nul(name) and has_content(answer):
            status, body = SIGN_UPS[call.path]
            return changed(answer, body, status)
        return answer

    async def _count_failures_of(self, email: str, *, begin: bool) -> None:
        """Let wrong passwords lock the email as it was sent: in upper case it is another one."""
        lower, aside, attempts = email.lower(), f"aside {email.lower()}", schema.login_attempts
        if email == lower:
            return
        renamed = ((lower, aside), (email, lower)) if begin else ((lower, email), (aside, lower))

        def work(connection: Connection) -> None:
            for old, new in renamed:
                connection.execute(sa.update(attempts).where(attempts.c.email == old).values(email=new))

        await self._service.write(work)

    async def _use_session(self, call: Call) -> Response:
        """Everything under /api/auth that needs a session, and what is the same in both forms."""
        answer = await self._crash(
            call, call.path.startswith("/api/auth/") and (call.is_broken or call.has_nul)
        )
        if call.path.endswith("/get-full-organization") and has_content(answer):
            space = content(answer)
            if space is not None and space["id"] in self._ownerless:
                return crashed(call)  # it looks for the user of each member
        return answer


def crashed(call: Call) -> Response:
    """The 500 of whatever part of the service the call is for."""
    if call.path.startswith("/api/auth/"):
        return Response(status_code=500)
    return JSONResponse({"statusCode": 500, "message": "Internal server error"}, 500)


def refused_sign_up(answer: Response) -> bool:
    """Tell whether it was the sign-up of a new user that found fault."""
    return was_refused(answer) and content(answer).get("error") == "Sign-up failed"


def is_integer(value: object) -> bool:
    """Tell whether PostgreSQL puts it into a column of integers."""
    if value is None or isinstance(value, bool):
        return value is None
    try:
        return float(str(value)).is_integer() and -INTEGER <= int(str(value)) < INTEGER
    except ValueError:
        return False
