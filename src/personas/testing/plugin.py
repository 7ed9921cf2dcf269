"""Fixtures for pytest: a persona, a client that is signed in as it, and their auth service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

    from personas.catalog.models import Persona
    from personas.testing.service import PersonasService

_CATALOG_HELP = "catalog of personas (default: PERSONAS_CATALOG, or catalog.json in the root directory)"
_AUTH_HELP = "auth service: embedded (default: a new one, seeded), or the URL of a seeded service"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command-line options and their settings in the configuration file."""
    group = parser.getgroup("personas", "personas of an auth service")
    group.addoption("--personas-catalog", metavar="FILE", help=_CATALOG_HELP)
    group.addoption("--personas-auth", metavar="URL|embedded", help=_AUTH_HELP)
    parser.addini("personas_catalog", _CATALOG_HELP, default="")
    parser.addini("personas_auth", _AUTH_HELP, default="")
    parser.addini("personas_spaces", "also create the catalog's shared spaces", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "persona(who, *, archetype): the persona of the test")


@pytest.fixture(scope="session")
def personas_service(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PersonasService]:
    """The auth service: one for each test session and each worker of pytest-xdist."""
    from personas.catalog.loader import load_catalog
    from personas.config import DEFAULT_CATALOG, variable
    from personas.testing.service import open_embedded, open_external

    with _errors_without_traceback():
        if option := pytestconfig.getoption("personas_catalog"):
            file = pytestconfig.invocation_params.dir / option
        else:
            file = pytestconfig.getini("personas_catalog") or variable("PERSONAS_CATALOG") or DEFAULT_CATALOG
        catalog = load_catalog(pytestconfig.rootpath / file)
        # MANA_AUTH_URL is ignored: tests use a real service only where their own setting names it.
        auth = pytestconfig.getoption("personas_auth") or pytestconfig.getini("personas_auth") or "embedded"
        if auth == "embedded":
            database = tmp_path_factory.mktemp("personas") / "auth.db"
            with open_embedded(catalog, database, spaces=pytestconfig.getini("personas_spaces")) as service:
                yield service
        else:
            yield open_external(catalog, auth)


@pytest.fixture
def persona(request: pytest.FixtureRequest, personas_service: PersonasService) -> Persona:
    """The persona of the marker or of an indirect parameter; without both, the first of the catalog."""
    marker = request.node.get_closest_marker("persona")
    with _errors_without_traceback():
        if hasattr(request, "param"):
            return personas_service.persona(request.param)
        if marker is None:
            return personas_service.persona()
        try:
            return personas_service.persona(*marker.args, **marker.kwargs)
        except TypeError:
            message = '@pytest.mark.persona takes one text: ("anna"), or (archetype="ceo")'
            raise pytest.fail.Exception(message, pytrace=False) from None


@pytest.fixture
def persona_client(persona: Persona, personas_service: PersonasService) -> Iterator[httpx.Client]:
    """An httpx client of the service, signed in as `persona` by cookie and JWT."""
    with _errors_without_traceback(), personas_service.client(persona) as client:
        yield client


@contextmanager
def _errors_without_traceback() -> Iterator[None]:
    """Report an error of this package as the reason why a test cannot run."""
    from personas.errors import PersonasError

    try:
        yield
    except PersonasError as error:
        from personas.report.sanitize import visible
        from personas.report.text import format_problem

        lines = [f"personas: {visible(error.message)}", visible(error.hint)]
        lines += map(format_problem, getattr(error, "problems", ()))
        raise pytest.fail.Exception("\n".join(filter(None, lines)), pytrace=False) from None
