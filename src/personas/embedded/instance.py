"""Opening the embedded service: a database, an application on it, and the right of its owner to be admin."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from personas.embedded import schema, users
from personas.embedded.app import make_app
from personas.embedded.database import open_database
from personas.embedded.passwords import COST, Hasher
from personas.embedded.service import Service, load_signer, utc_now
from personas.embedded.tokens import Cookies, Signer, make_id

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from sqlalchemy.engine import Connection
    from starlette.types import ASGIApp

    from personas.embedded.database import Database

DEFAULT_DATABASE: Final = Path(".personas/auth.db")
DEFAULT_BASE_URL: Final = "http://embedded.localhost"
DEFAULT_ORIGINS: Final = ("http://localhost:5173",)
ADMIN_EMAIL: Final = "admin@embedded.localhost"
_COOKIE: Final = "cookie"
_INTRODUCED: Final = "admin-introduced"


@dataclass(frozen=True, slots=True)
class AdminCredentials:
    """The admin's email and password, known in the clear on the first start only."""

    email: str
    password: str

    def __repr__(self) -> str:
        return f"AdminCredentials(email={self.email!r}, password=…)"


@dataclass(frozen=True, slots=True)
class Contents:
    """How much a database holds."""

    users: int
    personas: int


class Embedded:
    """The embedded auth service on one database; made by `Embedded.open`.

    Attributes:
        app: The ASGI application. It needs no lifespan: `httpx.ASGITransport(app)` is enough.
        admin: The admin's credentials when this start created them, else None: only their hash is stored.
    """

    def __init__(self, service: Service, admin: AdminCredentials | None) -> None:
        self._service = service
        self.app: ASGIApp = make_app(service)
        self.admin = admin

    @classmethod
    def open(
        cls,
        database: str | Path = DEFAULT_DATABASE,
        *,
        base_url: str = DEFAULT_BASE_URL,
        service_key: str | None = None,
        behind_proxy: bool = False,
        allow_origins: Sequence[str] = DEFAULT_ORIGINS,
        clock: Callable[[], dt.datetime] = utc_now,
        scrypt_cost: int = COST,
    ) -> Embedded:
        """Open a service, its database made or upgraded as needed.

        Args:
            database: An SQLite file, or a `postgresql://` URL.
            base_url: Where it is reached; tokens name it as their issuer.
            service_key: What the runner must send as X-Service-Key; without one its calls are refused.
            behind_proxy: Limit sign-ins by X-Forwarded-For as the original does in production.
            allow_origins: The origins whose pages may call it from a browser, such as `http://localhost:5173`.
            clock: Gives the time, in UTC.
            scrypt_cost: For tests: scrypt's N. Other values make hashes that only they verify.

        Raises:
            DatabaseError: The database cannot be opened, created or upgraded.
        """
        opened = open_database(database)
        hasher = Hasher(scrypt_cost)
        try:
            state = opened.read(_load)
            admin = None
            if state is None:
                admin = AdminCredentials(ADMIN_EMAIL, secrets.token_urlsafe(24))
                state, made = _initialize(opened, admin, hasher, clock())
                admin = admin if made else None
            secret, signer = state
        except BaseException:
            opened.close()
            raise
        service = Service(
            database=opened,
            hasher=hasher,
            signer=signer,
            cookies=Cookies(secret),
            base_url=base_url.rstrip("/"),
            service_key=service_key,
            behind_proxy=behind_proxy,
            allow_origins=tuple(allow_origins),
            now=clock,
        )
        return cls(service, admin)

    @property
    def database_name(self) -> str:
        """The file, or the URL without its password."""
        return self._service.database.name

    @property
    def base_url(self) -> str:
        """Where the service is reached, and the issuer of its tokens."""
        return self._service.base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        self._service.base_url = url.rstrip("/")

    def admin_token(self) -> str:
        """A fresh access token of an admin, for whoever owns the database; it lives 15 minutes."""

        def find(connection: Connection) -> sa.Row[tuple[object, ...]] | None:
            table = schema.users
            query = sa.select(table).where(table.c.role == "admin").order_by(table.c.created_at, table.c.id)
            return connection.execute(query.limit(1)).one_or_none()

        admin = self._service.database.read(find)
        if admin is None:  # the admin was deleted by hand: nobody could ever sign in again
            hashed = self._service.hasher.hash(secrets.token_urlsafe(24))
            now = self._service.now()
            self._service.database.write(lambda connection: _add_admin(connection, hashed, now))
            admin = self._service.database.read(find)
        if admin is None:
            raise AssertionError
        return self._service.access_token(admin, make_id())

    @contextmanager
    def introducing_admin(self) -> Iterator[AdminCredentials | None]:
        """Give the admin's credentials to a block that shows them: once for each database, else None.

        A block that fails has shown nothing, and leaves them to the next one. A first start in process shows
        nothing to anybody: the admin then gets another password here.
        """
        database = self._service.database
        if database.read(_is_introduced):
            yield None
            return
        with database.writing() as connection:
            connection.execute(sa.select(schema.secrets).with_for_update())  # another program waits here
            admin = None if _is_introduced(connection) else self._introduce(connection)
            yield admin
        self.admin = admin or self.admin

    def _introduce(self, connection: Connection) -> AdminCredentials:
        now = self._service.now()
        connection.execute(sa.insert(schema.secrets).values(name=_INTRODUCED, value=now.isoformat()))
        if self.admin is not None:
            return self.admin
        admin = AdminCredentials(ADMIN_EMAIL, secrets.token_urlsafe(24))
        ours = sa.select(schema.users.c.id).where(schema.users.c.email == ADMIN_EMAIL)
        connection.execute(
            sa.update(schema.accounts)
            .where(schema.accounts.c.user_id == ours.scalar_subquery())
            .values(password=self._service.hasher.hash(admin.password), updated_at=now)
        )
        return admin

    def count(self) -> Contents:
        """How many users there are, the admin among them, and how many of them are personas."""

        def work(connection: Connection) -> Contents:
            tables = (schema.users, schema.personas)
            found = [
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in tables
            ]
            return Contents(*found)

        return self._service.database.read(work)

    def reset(self) -> None:
        """Delete everything, the keys and the admin too, and start as on the first day.

        Whoever else has the database open keeps keys that are no longer valid until it starts again.
        """
        service = self._service
        admin = AdminCredentials(ADMIN_EMAIL, secrets.token_urlsafe(24))
        hashed = service.hasher.hash(admin.password)

        def work(connection: Connection) -> tuple[str, Signer]:
            for table in reversed(schema.metadata.sorted_tables):
                if table is not schema.schema_version:
                    connection.execute(sa.delete(table))
            return _fill(connection, hashed, service.now())

        secret, service.signer = service.database.write(work)
        service.cookies = Cookies(secret)
        self.admin = admin

    def close(self) -> None:
        """Close the database."""
        self._service.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _load(connection: Connection) -> tuple[str, Signer] | None:
    """The secrets of a database that has been started before."""
    table = schema.secrets
    secret = connection.scalar(sa.select(table.c.value).where(table.c.name == _COOKIE))
    if secret is None:
        return None
    return secret, load_signer(connection)


def _is_introduced(connection: Connection) -> bool:
    table = schema.secrets
    return connection.scalar(sa.select(table.c.value).where(table.c.name == _INTRODUCED)) is not None


def _initialize(
    database: Database, admin: AdminCredentials, hasher: Hasher, now: dt.datetime
) -> tuple[tuple[str, Signer], bool]:
    """First start: secrets, a key, the admin; and whether it was we who made them."""
    hashed = hasher.hash(admin.password)

    def work(connection: Connection) -> tuple[tuple[str, Signer], bool]:
        state = _load(connection)
        if state is not None:  # another program has started on the same database meanwhile
            return state, False
        return _fill(connection, hashed, now), True

    return database.write(work)


def _fill(connection: Connection, hashed: str, now: dt.datetime) -> tuple[str, Signer]:
    secret = secrets.token_urlsafe(32)
    connection.execute(sa.insert(schema.secrets).values(name=_COOKIE, value=secret))
    _add_admin(connection, hashed, now)
    return secret, load_signer(connection, now)


def _add_admin(connection: Connection, hashed: str, now: dt.datetime) -> None:
    new = users.NewUser(
        email=ADMIN_EMAIL,
        name="Admin",
        password=hashed,
        kind="system",
        role="admin",
        access_tier="founder",
        email_verified=True,
    )
    users.sign_up(connection, new, now)
