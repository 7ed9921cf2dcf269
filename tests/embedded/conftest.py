from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from conftest import SERVICE_KEY, as_new

from personas.embedded import Embedded

from . import postgresql
from .client import EVENT_LOOP, Client, Clock
from .flat import Flat, move_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOTH = ("sqlite", "postgresql")


@pytest.fixture(autouse=True, scope="session")
def _tls_is_prepared_once() -> Iterator[None]:
    """A client prepares it anew, which takes longer than a call over plain HTTP does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(autouse=True, scope="session")
def _event_loop_is_started_once() -> Iterator[None]:
    with EVENT_LOOP:
        yield


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a real server on which databases can be made."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgresql.server())
        except postgresql.NoServer as reason:
            if postgresql.ENVIRONMENT.get("CI"):
                pytest.fail(f"CI needs a PostgreSQL server: {reason}")
            pytest.skip(str(reason))
        yield server


@pytest.fixture(scope="session")
def _postgresql_database(postgresql_server: str) -> Iterator[str]:
    with postgresql.fresh_database(postgresql_server) as url:
        yield url


@pytest.fixture
def postgresql_database(_postgresql_database: str) -> str:
    """The URL of a database as empty as a new one, which takes much longer to make."""
    with psycopg.connect(_postgresql_database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS auth CASCADE")
    return _postgresql_database


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a new database, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "auth.db")
    url: str = request.getfixturevalue("postgresql_database")
    return url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def standing_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A service on SQLite that stays open for all tests."""
    with _open(str(tmp_path_factory.mktemp("standing") / "auth.db")) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def standing_postgresql(postgresql_server: str) -> Iterator[Embedded]:
    """The same on PostgreSQL."""
    with postgresql.fresh_database(postgresql_server) as url, _open(url) as embedded:
        yield embedded


def _open(database: str) -> Embedded:
    return Embedded.open(database, scrypt_cost=2, service_key=SERVICE_KEY)


@pytest.fixture(params=BOTH)
def standing(request: pytest.FixtureRequest) -> Embedded:
    """Either of them."""
    embedded: Embedded = request.getfixturevalue(f"standing_{request.param}")
    return embedded


@pytest.fixture
def client(standing: Embedded, clock: Clock) -> Client:
    """A fresh service on each kind of database."""
    return Client(as_new(standing, now=clock))


@pytest.fixture
def small(standing_sqlite: Embedded, clock: Clock) -> Client:
    """A fresh service on SQLite, for what does not depend on the database."""
    return Client(as_new(standing_sqlite, now=clock))


@pytest.fixture
def flat(client: Client) -> Flat:
    """A shared space, on each kind of database."""
    return move_in(client)


@pytest.fixture
def small_flat(small: Client) -> Flat:
    """The same on SQLite alone."""
    return move_in(small)
