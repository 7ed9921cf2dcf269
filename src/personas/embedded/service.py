"""The state of one running service, and what every handler needs from it."""

from __future__ import annotations

import asyncio
import datetime as dt
import hmac
import math
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.requests import Request

from personas.embedded import users
from personas.embedded.answers import Refusal, auth_error, refused, service_error
from personas.embedded.database import Database, EmbeddedError, open_database
from personas.embedded.passwords import MAX_PASSWORD, MIN_PASSWORD, SCRYPT_N, Hasher, utf16_length
from personas.embedded.schema import accounts, settings, users as users_table
from personas.embedded.tokens import Cookies, Signer, make_id

Result = TypeVar("Result")

FRONT_END: Final = "http://localhost:5173"
TRUSTED_ORIGINS: Final = (FRONT_END, "https://mana.how")

ADMIN_EMAIL: Final = "admin@embedded.localhost"
SIGN_INS: Final = 3  # in the window, for each address
SIGN_IN_WINDOW: Final = dt.timedelta(seconds=10)


def utc_now() -> dt.datetime:
    """Now."""
    return dt.datetime.now(dt.UTC)


@dataclass(slots=True)
class Service:
    """The state of one running service; handlers get it by `Service.of(request)`.

    `base_url` is the issuer of its tokens; without a `service_key` the runner's calls are refused; the page
    is shown only `on_loopback`, when other machines cannot reach the service.
    """

    database: Database
    hasher: Hasher
    signer: Signer
    cookies: Cookies
    base_url: str
    service_key: str | None = None
    on_loopback: bool = True
    clock: Callable[[], dt.datetime] = utc_now
    # Hashing has threads of its own: in the common ones it would delay every other call.
    _hashing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(os.cpu_count()))
    _sign_ins: dict[str, tuple[int, dt.datetime]] = field(default_factory=dict)

    @staticmethod
    def of(request: Request) -> Service:
        """The service that a request is for."""
        service: Service = request.app.state.service
        return service

    def close(self) -> None:
        """Close the database and stop the threads."""
        self._hashing.shutdown()
        self.database.close()

    async def read(self, work: Callable[..., Result], *args: Any) -> Result:
        """Call `work(connection, …)` in a reading transaction, in a worker thread."""
        return await anyio.to_thread.run_sync(_run, self.database.read, work, args)

    async def write(self, work: Callable[..., Result], *args: Any) -> Result:
        """Call `work(connection, …)` in a writing transaction, in a worker thread."""
        return await anyio.to_thread.run_sync(_run, self.database.write, work, args)

    async def hash(self, password: str) -> str:
        """Hash a password; never inside a transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._hashing, self.hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether the password belongs to the hash."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hashing, self.hasher.verify, stored, password)

    def access_token(self, user: sa.Row[Any], session_id: str) -> str:
        """A token of 15 minutes for the session of a user."""
        claims = {"sub": user.id, "email": user.email, "role": user.role, "tier": user.access_tier}
        claims["sid"] = session_id
        return self.signer.sign(claims, issuer=self.base_url, now=self.clock())

    def admin_token(self) -> str:
        """An access token of the admin, for the owner of the database."""
        with self.database.read() as connection:
            query = sa.select(users_table).where(users_table.c.role == "admin").limit(1)
            return self.access_token(connection.execute(query).one(), make_id())

    def ensure_admin_password(self, password: str | None) -> str | None:
        """Give the admin this password, or else a new one if it has none; return a new one."""
        if password is not None and not MIN_PASSWORD <= utf16_length(password) <= MAX_PASSWORD:
            message = f"the admin's password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters"
            raise EmbeddedError(message, hint="Write another one into the file.")
        with self.database.start() as connection:
            admin = users.find_by_email(connection, ADMIN_EMAIL)
            if admin is None or (password is None and admin.password):
                return None
            made = password or secrets.token_urlsafe(24)
            changed = sa.update(accounts).where(accounts.c.user_id == admin.id)
            connection.execute(changed.values(password=self.hasher.hash(made)))
        return None if password else made

    def require_admin(self, request: Request) -> None:
        """Let an admin's access token through; else raise a Refusal with 401 or 403."""
        header = request.headers.get("authorization", "")
        if not header.startswith("Bearer "):
            raise service_error(401, "Missing or invalid Authorization header")
        claims = self.signer.verify(header.removeprefix("Bearer "), now=self.clock())
        if claims is None:
            raise service_error(401, "Invalid or expired token")
        if claims.get("role") != "admin":
            raise refused(403, "Forbidden", "Admin access required")

    def require_service_key(self, request: Request) -> None:
        """Let the runner through; else raise a Refusal with 401."""
        given, right = request.headers.get("x-service-key", ""), self.service_key or ""
        if not right or not hmac.compare_digest(right.encode(), given.encode()):
            raise service_error(401, "Invalid or missing service key")

    def limit_sign_ins(self, request: Request) -> None:
        """Refuse the fourth sign-in in ten seconds from an address that a proxy names, with 429."""
        address = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
        if not address:
            return
        now = self.clock()
        count, last = self._sign_ins.get(address, (0, now))
        wait = last + SIGN_IN_WINDOW - now
        if count >= SIGN_INS and wait > dt.timedelta(0):
            body = {"message": "Too many requests. Please try again later."}
            raise Refusal(429, body, {"X-Retry-After": str(math.ceil(wait.total_seconds()))})
        self._sign_ins[address] = (count + 1 if wait > dt.timedelta(0) else 1, now)

    def require_origin(self, request: Request) -> None:
        """Refuse a POST that has a cookie and no trusted Origin, with 403.

        As on the real service, the base URL is trusted, and not the address that the client used.
        """
        if request.method != "POST" or "cookie" not in request.headers:
            return
        origin = request.headers.get("origin") or request.headers.get("referer") or "null"
        if origin == "null":
            raise auth_error(403, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin")
        if "/".join(origin.split("/")[:3]) not in (self.base_url, *TRUSTED_ORIGINS):
            raise auth_error(403, "INVALID_ORIGIN")

    async def find_session(self, request: Request) -> sa.Row[Any] | None:
        """The user of the session cookie, with the session's columns as `session_…`, or None."""
        token = self.cookies.read(request.headers.get("cookie", ""))
        return None if token is None else await self.read(users.find_session, token, self.clock())

    async def require_session(self, request: Request) -> sa.Row[Any]:
        """The same; without a session or a trusted Origin raise a Refusal with 401 or 403."""
        self.require_origin(request)
        user = await self.find_session(request)
        if user is None:
            raise auth_error(401, "UNAUTHORIZED")
        return user


def _run(
    transaction: Callable[[], AbstractContextManager[Connection]],
    work: Callable[..., Result],
    args: tuple[Any, ...],
) -> Result:
    with transaction() as connection:
        return work(connection, *args)


def open_service(
    place: str | Path,
    *,
    base_url: str,
    service_key: str | None = None,
    reset: bool = False,
    scrypt_n: int = SCRYPT_N,
    clock: Callable[[], dt.datetime] = utc_now,
) -> Service:
    """Open a database; the first start makes the tables, the keys and an admin without a password."""
    database = open_database(place)
    with ExitStack() as stack:
        stack.callback(database.close)
        with database.start(reset=reset) as connection:
            _ensure_admin(connection, clock())
            signer = Signer(_ensure_setting(connection, "signing_key", Signer.generate()))
            cookies = Cookies(_ensure_setting(connection, "cookie_secret", secrets.token_urlsafe(32)))
        stack.pop_all()
    url = base_url.rstrip("/")
    return Service(database, Hasher(scrypt_n), signer, cookies, url, service_key, clock=clock)


def _ensure_setting(connection: Connection, name: str, default: str) -> str:
    value = connection.scalar(sa.select(settings.c.value).where(settings.c.name == name))
    if value is None:
        connection.execute(sa.insert(settings).values(name=name, value=default))
    return value or default


def _ensure_admin(connection: Connection, now: dt.datetime) -> None:
    if users.find_by_email(connection, ADMIN_EMAIL) is None:
        new = users.NewUser(ADMIN_EMAIL, "Admin", password="")
        user_id = users.add_user(connection, new, now).id
        users.add_personal_space(connection, user_id, new, now)
        rights = {"kind": "system", "role": "admin", "access_tier": "founder", "email_verified": True}
        connection.execute(sa.update(users_table).where(users_table.c.id == user_id).values(rights))
