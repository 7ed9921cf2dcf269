from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from personas.embedded import Embedded

from . import postgresql
from .client import Client, Clock
from .flat import Flat, move_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SERVICE_KEY = "the runner's own key"

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql")))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[str]:
    """The URL of a database of our own on a real server."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgresql.server())
        except postgresql.NoServer as reason:
            if postgresql.ENVIRONMENT.get("CI"):
                pytest.fail(f"CI needs a PostgreSQL server: {reason}")
            pytest.skip(str(reason))
        yield stack.enter_context(postgresql.fresh_database(server))


@pytest.fixture(scope="module")
def make_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Makes a place for a new database, `sqlite` or `postgresql`; of the latter there is one at a time."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return str(tmp_path_factory.mktemp("embedded") / "auth.db")
        url: str = request.getfixturevalue("postgresql_database")
        postgresql.empty(url)
        return url

    return make


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, make_database: Callable[[str], str]) -> str:
    """A place for a new database, of each kind."""
    return make_database(request.param)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(database: str, clock: Clock) -> Iterator[Client]:
    """A fresh service on each kind of database."""
    with Embedded.open(database, clock=clock, scrypt_cost=2, service_key=SERVICE_KEY) as embedded:
        yield Client(embedded)


@pytest.fixture
def small(tmp_path: Path, clock: Clock) -> Iterator[Client]:
    """A fresh service on SQLite, for what does not depend on the database."""
    with Embedded.open(tmp_path / "auth.db", clock=clock, scrypt_cost=2, service_key=SERVICE_KEY) as embedded:
        yield Client(embedded)


@pytest.fixture
def flat(client: Client) -> Flat:
    """A shared space, on each kind of database."""
    return move_in(client)


@pytest.fixture
def small_flat(small: Client) -> Flat:
    """The same on SQLite alone."""
    return move_in(small)
