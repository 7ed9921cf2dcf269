"""What every part of the service works with, and how its blocking work leaves the event loop free."""

from __future__ import annotations

import datetime as dt
import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from anyio.lowlevel import RunVar

from personas.embedded import schema, users
from personas.embedded.answers import Refusal, coded
from personas.embedded.origins import Origins
from personas.embedded.tokens import Key, Signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection
    from starlette.requests import Request

    from personas.embedded.database import Database
    from personas.embedded.passwords import Hasher
    from personas.embedded.tokens import Cookies

    Result = TypeVar("Result")

_hashing: Final[RunVar[anyio.CapacityLimiter]] = RunVar("_hashing")


def utc_now() -> dt.datetime:
    """Now."""
    return dt.datetime.now(dt.UTC)


@dataclass(slots=True)
class Service:
    """The state of one running service.

    Attributes:
        base_url: What tokens name as their issuer; changes once, when a port is bound.
        service_key: What the runner sends as X-Service-Key; None keeps the runner's side closed.
        behind_proxy: Limit sign-ins by X-Forwarded-For, as the original does in production.
        allow_origins: The origins whose pages may call it from a browser.
    """

    database: Database
    hasher: Hasher
    signer: Signer
    cookies: Cookies
    base_url: str
    service_key: str | None
    behind_proxy: bool
    allow_origins: tuple[str, ...]
    now: Callable[[], dt.datetime]
    origins: Origins = field(init=False)

    def __post_init__(self) -> None:
        self.origins = Origins(self.allow_origins)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a reading transaction in a worker thread."""
        return await anyio.to_thread.run_sync(self.database.read, work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a writing transaction in a worker thread."""
        return await anyio.to_thread.run_sync(self.database.write, work)

    async def hash(self, password: str) -> str:
        """Hash a password; at most one per core at a time, and never inside a transaction."""
        return await anyio.to_thread.run_sync(self.hasher.hash, password, limiter=_hashing_limiter())

    async def verify(self, stored: str | None, password: str) -> bool:
        """Verify a password, likewise."""
        return await anyio.to_thread.run_sync(
            self.hasher.verify, stored, password, limiter=_hashing_limiter()
        )

    def access_token(self, user: sa.Row[Any], session_id: str) -> str:
        """A token of 15 minutes for a user's session."""
        claims = {
            "sub": user.id,
            "email": user.email,
            "role": user.role,
            "sid": session_id,
            "tier": user.access_tier,
        }
        return self.signer.sign(claims, issuer=self.base_url, now=self.now())

    async def find_session(self, request: Request) -> sa.Row[Any] | None:
        """The user of the session cookie, with the session's fields as `session_…`, or None."""
        token = self.cookies.read(request.headers.get("cookie", ""))
        if token is None:
            return None
        now = self.now()
        return await self.read(lambda connection: users.find_session(connection, token, now))

    async def require_session(self, request: Request) -> sa.Row[Any]:
        """The same.

        Raises:
            Refusal: 401 without a session that runs; 403 when another site's page sends the request.
        """
        self.require_origin(request)
        user = await self.find_session(request)
        if user is None:
            raise coded(401, "UNAUTHORIZED", "Unauthorized")
        return user

    def require_origin(self, request: Request) -> None:
        """Refuse what another site's page sends with this site's cookie.

        Raises:
            Refusal: 403, for a request that may change something and has a cookie but no trusted Origin.
        """
        self.origins.require_trusted(request, self.base_url)

    def require_own_page(self, request: Request) -> None:
        """Refuse what another site's page sends.

        Raises:
            Refusal: 403 without a trusted Origin.
        """
        self.origins.require_page(request, self.base_url)

    def require_admin(self, request: Request) -> dict[str, Any]:
        """The claims of the admin who calls.

        Raises:
            Refusal: 401 without a valid token, 403 when it is somebody else's.
        """
        header = request.headers.get("authorization", "")
        if not header.startswith("Bearer "):
            raise Refusal(401, {"statusCode": 401, "message": "Missing or invalid Authorization header"})
        claims = self.signer.verify(header.removeprefix("Bearer "), now=self.now())
        if claims is None:
            raise Refusal(401, {"statusCode": 401, "message": "Invalid or expired token"})
        if claims.get("role") != "admin":
            raise Refusal(403, {"error": "Forbidden", "message": "Admin access required"})
        return claims

    def require_service_key(self, request: Request) -> None:
        """Let the runner in, and nobody where the service has no key.

        Raises:
            Refusal: 401 without the right key.
        """
        given = request.headers.get("x-service-key", "")
        right = (self.service_key or "").encode("utf-8")
        if not right or not hmac.compare_digest(right, given.encode("utf-8")):
            raise Refusal(401, {"statusCode": 401, "message": "Invalid or missing service key"})


def _hashing_limiter() -> anyio.CapacityLimiter:
    """One limiter for each event loop: hashing beyond the number of cores only makes everyone slower."""
    try:
        return _hashing.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(os.cpu_count() or 1)
        _hashing.set(limiter)
        return limiter


def load_signer(connection: Connection, now: dt.datetime | None = None) -> Signer:
    """The keys of this database; the first one is made when there is none and a moment is given."""
    table = schema.jwks
    if now is not None:
        key = Key.generate()
        values = {"id": key.kid, "public_key": key.x, "private_key": key.seed, "created_at": now}
        connection.execute(sa.insert(table).values(values))
    rows = connection.execute(sa.select(table).order_by(table.c.created_at.desc())).all()
    return Signer([Key(kid=row.id, seed=row.private_key, x=row.public_key) for row in rows])
