from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import take_form
from typer.testing import CliRunner

from personas.catalog.reading import Catalog, load_catalog
from personas.cli.app import app
from personas.embedded import Embedded, serving
from personas.reconcile.plan import plan
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.sync import AuthService, apply, survey

SECRET = "a-secret-for-tests"
# How a run of pytest within a test is started: its other plugins take longer to load than the tests.
QUIET = ("-q", "-p", "no:cacheprovider", "-p", "personas.testing.plugin", "-p", "anyio.pytest_plugin")
NAMES = {"ada": "Ada O'Neil", "ben": "Ben $HOME", "cem": "Cem", "dana": "Dana"}


@dataclass(frozen=True)
class Service:
    url: str
    embedded: Embedded


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str


Personas = Callable[..., Told]


def write_catalog(path: Path) -> Catalog:
    personas = [
        {
            "name": name,
            "email": f"persona.{key}@mana.test",
            "archetype": "researcher" if key == "ben" else "solo-dev",
            "systemPrompt": f"You are {name}, somebody for tests only.",
            "moduleMix": {"notes": 1},
        }
        for key, name in NAMES.items()
    ]
    path.write_text(json.dumps({"personas": personas}), encoding="utf-8")
    return load_catalog(path)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return write_catalog(tmp_path_factory.mktemp("catalog") / "catalog.json")


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, catalog: Catalog
) -> Iterator[Service]:
    """A service on a port, in the form that the test wants, with everybody of the catalog but Dana."""
    database = tmp_path_factory.mktemp("service") / "auth.db"
    with Embedded.open(database, scrypt_cost=16) as embedded:
        take_form(embedded, getattr(request, "param", "embedded"))
        with serving(embedded) as url:
            credentials = Credentials(mint=embedded.admin_token)
            with AuthService(url, credentials) as auth:
                apply(plan(catalog, survey(auth, catalog), only="persona.[abc]*"), auth, Secret(SECRET))
            yield Service(url, embedded)


@pytest.fixture
def personas(service: Service, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Personas:
    """Runs the command line in an empty folder; catalog, service and secret are in its variables."""
    monkeypatch.setenv("PERSONAS_CATALOG", catalog.file)
    monkeypatch.setenv("MANA_AUTH_URL", service.url)
    monkeypatch.setenv("PERSONA_SEED_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **variables: str) -> Told:
        result = CliRunner().invoke(app, list(arguments), env=variables, catch_exceptions=False)
        return Told(result.exit_code, result.stdout, result.stderr)

    return run
