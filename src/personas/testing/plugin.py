"""Fixtures for pytest: a persona, a client that is signed in as it, and their auth service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

    from personas.catalog.models import Persona
    from personas.testing.service import PersonasService

_MARKER = "persona(who, *, archetype): the persona of a test, by email, local part, unique name or archetype."
_CATALOG_HELP = "catalog of personas (default: PERSONAS_CATALOG, or catalog.json in the root directory)"
_AUTH_HELP = "auth service: embedded (default: a new one, seeded), or the URL of a seeded service"
_SPACES_HELP = "also create the shared spaces of the catalog in the embedded service"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command-line options and their settings in the configuration file."""
    group = parser.getgroup("personas", "personas of an auth service")
    group.addoption("--personas-catalog", metavar="FILE", help=_CATALOG_HELP)
    group.addoption("--personas-auth", metavar="URL|embedded", help=_AUTH_HELP)
    parser.addini("personas_catalog", _CATALOG_HELP, default="")
    parser.addini("personas_auth", _AUTH_HELP, default="")
    parser.addini("personas_spaces", _SPACES_HELP, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture(scope="session")
def personas_service(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PersonasService]:
    """The auth service: one for each test session and each worker of pytest-xdist."""
    with _errors_without_traceback():
        from personas.catalog.loader import load_catalog
        from personas.config import DEFAULT_CATALOG, variable
        from personas.testing.service import open_embedded, open_external

        given = pytestconfig.getoption("personas_catalog")
        file = (
            pytestconfig.invocation_params.dir / given
            if given
            else pytestconfig.getini("personas_catalog") or variable("PERSONAS_CATALOG") or DEFAULT_CATALOG
        )
        catalog = load_catalog(Path(pytestconfig.rootpath, file))
        # MANA_AUTH_URL is ignored: tests use a real service only where their own setting names it.
        auth = pytestconfig.getoption("personas_auth") or pytestconfig.getini("personas_auth") or "embedded"
        if auth == "embedded":
            spaces = pytestconfig.getini("personas_spaces")
            opened = open_embedded(catalog, tmp_path_factory.mktemp("personas") / "auth.db", spaces=spaces)
        else:
            opened = open_external(catalog, auth)
        service = opened.__enter__()
    try:
        yield service
    finally:
        opened.__exit__(None, None, None)


@pytest.fixture
def persona(request: pytest.FixtureRequest, personas_service: PersonasService) -> Persona:
    """The persona of the marker or of an indirect parameter; without both, the first of the catalog."""
    who, archetype = _chosen(request)
    with _errors_without_traceback():
        return personas_service.persona(who, archetype=archetype)


@pytest.fixture
def persona_client(persona: Persona, personas_service: PersonasService) -> Iterator[httpx.Client]:
    """An httpx client of the service, signed in as `persona` by cookie and JWT."""
    with _errors_without_traceback():
        client = personas_service.client(persona)
    with client:
        yield client


def _chosen(request: pytest.FixtureRequest) -> tuple[str | None, str | None]:
    """Return what a test asks for: a name or email, and an archetype."""
    if hasattr(request, "param"):
        return request.param, None
    marker = request.node.get_closest_marker("persona")
    if marker is None:
        return None, None
    values = [*marker.args, *marker.kwargs.values()]
    if len(values) != 1 or not isinstance(values[0], str) or not marker.kwargs.keys() <= {"who", "archetype"}:
        pytest.fail('@pytest.mark.persona takes one text: ("anna"), or (archetype="ceo")', pytrace=False)
    return (None, values[0]) if "archetype" in marker.kwargs else (values[0], None)


@contextmanager
def _errors_without_traceback() -> Iterator[None]:
    """Report an error of this package as the reason why a test cannot run."""
    from personas.errors import CatalogError, PersonasError

    try:
        yield
    except PersonasError as error:
        lines = [f"personas: {error.message}", error.hint]
        if isinstance(error, CatalogError):
            lines += [f"{p.file}:{p.line}:{p.column}: {p.message}" for p in error.problems]
        raise pytest.fail.Exception("\n".join(filter(None, lines)), pytrace=False) from None
