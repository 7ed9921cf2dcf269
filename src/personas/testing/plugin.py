"""Fixtures for pytest: a persona, a client that is signed in as one, and the service that both live on.

Every run of pytest loads this: nothing heavy is imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    import httpx

    from personas.catalog.reading import Catalog, Persona
    from personas.settings import Settings
    from personas.testing.seeded import PersonasService

_MARKER = (
    "persona(who, *, archetype): whom the fixtures persona and persona_client are: an email, its local part, "
    "a name when unique, or the first of an archetype."
)
_CATALOG_HELP = "the catalog of personas (default: PERSONAS_CATALOG, or catalog.json in the root directory)"
_AUTH_HELP = "the auth service of the personas: embedded (default, seeded afresh), or the URL of a seeded one"
_SERVE_HELP = "let the embedded service answer on a free port, for browsers and other programs"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and their counterparts in the configuration file."""
    group = parser.getgroup("personas", "personas of an auth service")
    group.addoption("--personas-catalog", metavar="FILE", help=_CATALOG_HELP)
    group.addoption("--personas-auth", metavar="URL|embedded", help=_AUTH_HELP)
    group.addoption("--personas-serve", action="store_true", help=_SERVE_HELP)
    parser.addini("personas_catalog", _CATALOG_HELP, default="")
    parser.addini("personas_auth", _AUTH_HELP, default="")
    parser.addini("personas_serve", _SERVE_HELP, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture(scope="session")
def personas_service(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PersonasService]:
    """The service, one for each session and, under pytest-xdist, for each worker."""
    with ExitStack() as stack:
        with _told():
            from personas.testing.seeded import open_embedded, open_external

            settings, catalog = _settings(pytestconfig)
            serve = pytestconfig.getoption("personas_serve") or pytestconfig.getini("personas_serve")
            if settings.auth.url:
                opened = open_external(catalog, settings.auth)
            else:
                opened = open_embedded(catalog, tmp_path_factory.mktemp("personas"), serve=serve)
            service = stack.enter_context(opened)
        yield service


@pytest.fixture
def persona(request: pytest.FixtureRequest, personas_service: PersonasService) -> Persona:
    """The persona that the marker chooses, or an indirect parameter; the catalog's first without both."""
    who, archetype = _wish(request)
    with _told():
        return personas_service.persona(who, archetype=archetype)


@pytest.fixture
def persona_client(persona: Persona, personas_service: PersonasService) -> Iterator[httpx.Client]:
    """An httpx client of the service, signed in as `persona` by cookie and by JWT."""
    with _told():
        client = personas_service.client(persona)
    with client:
        yield client


def _wish(request: pytest.FixtureRequest) -> tuple[str | None, str | None]:
    """Whom a test wants to be: who, archetype."""
    if hasattr(request, "param"):
        return request.param, None
    marker = request.node.get_closest_marker("persona")
    if marker is None:
        return None, None
    wishes = [*marker.args, *marker.kwargs.values()]
    if len(wishes) != 1 or not marker.kwargs.keys() <= {"who", "archetype"} or not isinstance(wishes[0], str):
        pytest.fail(
            '@pytest.mark.persona takes one text: ("anna"), or (archetype="researcher")', pytrace=False
        )
    return (None, wishes[0]) if "archetype" in marker.kwargs else (wishes[0], None)


def _settings(config: pytest.Config) -> tuple[Settings, Catalog]:
    from personas.catalog.reading import load_catalog
    from personas.errors import UsageError
    from personas.settings import find_catalog, resolve

    given = config.getoption("personas_catalog")
    named = config.getini("personas_catalog")
    file = config.invocation_params.dir / given if given else named
    # Never MANA_AUTH_URL: tests go to a real service only where somebody says so for tests.
    auth = config.getoption("personas_auth") or config.getini("personas_auth") or "embedded"
    if auth.startswith("embedded:"):
        raise UsageError(f"personas_auth is {auth}", hint="Give embedded, or the URL of a service.")
    settings = resolve(catalog=str(file) if file else find_catalog(), auth=cast("str", auth))
    return settings, load_catalog(Path(config.rootpath, settings.catalog))


@contextmanager
def _told() -> Iterator[None]:
    """Tell an error of ours as the reason why a test cannot run, without a traceback."""
    from personas.errors import PersonasError

    try:
        yield
    except PersonasError as error:
        reason = f"{error.message}\n{error.hint}" if error.hint else error.message
        raise pytest.fail.Exception(f"personas: {reason}", pytrace=False) from None
