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
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from personas.embedded import users
from personas.embedded.answers import Refusal, auth_error, refused, service_error
from personas.embedded.database import EmbeddedError, open_database
from personas.embedded.passwords import MAX_PASSWORD, MIN_PASSWORD, SCRYPT_N, Hasher, js_length
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


class Service:
    """One service on its database; handlers get it by `Service.of(request)`.

    The first start makes the tables, the keys and an admin without a password. `base_url` is the issuer of
    tokens; without a `service_key` the runner's calls are refused. A small power of two as `scrypt_n` makes
    quick password hashes, for tests. The clock returns UTC. Raises EmbeddedError.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        base_url: str,
        service_key: str | None = None,
        reset: bool = False,
        scrypt_n: int = SCRYPT_N,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.service_key = service_key
        self.clock = clock
        self.hasher = Hasher(scrypt_n)
        self.on_loopback = True  # the page is shown only then: other machines cannot reach the service
        # Hashing has threads of its own: in the common ones it would delay every other call.
        self._hashing = ThreadPoolExecutor(os.cpu_count())
        self._sign_ins: dict[str, tuple[int, dt.datetime]] = {}
        self.database = open_database(place)
        with ExitStack() as stack:
            stack.callback(self.close)
            with self.database.start(reset=reset) as connection:
                _ensure_admin(connection, clock())
                self.signer = Signer(_ensure_setting(connection, "signing_key", Signer.generate()))
                secret = _ensure_setting(connection, "cookie_secret", secrets.token_urlsafe(32))
            self.cookies = Cookies(secret)
            stack.pop_all()

    @staticmethod
    def of(request: Request) -> Service:
        """The service that a request is for."""
        service: Service = request.app.state.service
        return service

    @staticmethod
    def for_admin(request: Request) -> Service:
        """The same for an admin's access token; else raise a Refusal with 401 or 403."""
        service = Service.of(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise service_error(401, "Missing or invalid Authorization header")
        claims = service.signer.verify(token, now=service.clock())
        if claims is None:
            raise service_error(401, "Invalid or expired token")
        if claims.get("role") != "admin":
            raise refused(403, "Forbidden", "Admin access required")
        return service

    @staticmethod
    def for_runner(request: Request) -> Service:
        """The same for the service key; else raise a Refusal with 401."""
        service = Service.of(request)
        given, right = request.headers.get("x-service-key", ""), service.service_key or ""
        if not right or not hmac.compare_digest(right.encode(), given.encode()):
            raise service_error(401, "Invalid or missing service key")
        return service

    def close(self) -> None:
        """Close the database and stop the threads."""
        self._hashing.shutdown()
        self.database.close()

    def find_user(self, email: str) -> sa.Row[Any] | None:
        """The user with exactly this email, with the hash as `password`, or None."""
        with self.database.read() as connection:
            return users.find_by_email(connection, email)

    async def write(self, work: Callable[..., Result], *args: Any) -> Result:
        """Call `work(connection, …)` in a writing transaction, in a worker thread."""

        def run() -> Result:
            with self.database.write() as connection:
                return work(connection, *args)

        return await run_in_threadpool(run)

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
        return self.signer.sign({**claims, "sid": session_id}, issuer=self.base_url, now=self.clock())

    def admin_token(self) -> str:
        """An access token of the admin, for the owner of the database."""
        with self.database.read() as connection:
            query = sa.select(users_table).where(users_table.c.role == "admin").limit(1)
            return self.access_token(connection.execute(query).one(), make_id())

    def ensure_admin_password(self, password: str | None) -> str | None:
        """Give the admin this password, or else a new one if it has none; return a new one."""
        if password is not None and not MIN_PASSWORD <= js_length(password) <= MAX_PASSWORD:
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

    def find_session(self, request: Request, connection: Connection) -> sa.Row[Any] | None:
        """The user of the session cookie, with the session's columns as `session_…`, or None."""
        return users.find_session(connection, self.cookies.read(request), self.clock())

    def require_session(self, request: Request, connection: Connection) -> sa.Row[Any]:
        """The same; raise a Refusal with 401 without a session."""
        user = self.find_session(request, connection)
        if user is None:
            raise auth_error(401, "UNAUTHORIZED")
        return user


def _ensure_setting(connection: Connection, name: str, default: str) -> str:
    value = connection.scalar(sa.select(settings.c.value).where(settings.c.id == name))
    if value is None:
        connection.execute(sa.insert(settings).values(id=name, value=default))
    return value or default


def _ensure_admin(connection: Connection, now: dt.datetime) -> None:
    if users.find_by_email(connection, ADMIN_EMAIL) is None:
        rights = {"kind": "system", "role": "admin", "access_tier": "founder", "email_verified": True}
        admin = {**users.make_user(ADMIN_EMAIL, "Admin", now), **rights}
        users.add_user(connection, admin, password_hash="")
        users.add_personal_space(connection, admin)
