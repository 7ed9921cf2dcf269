from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from . import postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql")))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgresql.server())
        except postgresql.NoServer as reason:
            if postgresql.ENVIRONMENT.get("CI"):
                pytest.fail(f"CI needs a PostgreSQL server: {reason}")
            pytest.skip(str(reason))
        yield url


@pytest.fixture(scope="module")
def make_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """Makes a place for a new database of a kind, `sqlite` or `postgresql`."""
    with ExitStack() as stack:

        def make(kind: str) -> str:
            if kind == "sqlite":
                return str(tmp_path_factory.mktemp("embedded") / "auth.db")
            server: str = request.getfixturevalue("postgresql_server")
            return stack.enter_context(postgresql.fresh_database(server))

        yield make


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, make_database: Callable[[str], str]) -> str:
    """A place for a new database, of each kind."""
    return make_database(request.param)
