from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

# Imported here once, so that the runs of pytest inside of this one need not do it each anew.
from personas.embedded import instance, server  # noqa: F401
from personas.testing import PersonasService  # noqa: F401

from .conftest import QUIET, SECRET, Service, write_catalog

pytest_plugins = ("pytester",)

EXAMPLE = Path(__file__).parent.parent / "example_project"
NOTE_THE_SERVICE = """
import pytest

@pytest.fixture(autouse=True)
def _note(personas_service):
    with open("urls", "a") as file:
        print(personas_service.url, file=file)
"""
WITHOUT_SQLALCHEMY = """
import sys

for name in [name for name in sys.modules if name.startswith("personas.embedded")]:
    del sys.modules[name]
sys.modules["sqlalchemy"] = None
"""
WHOAMI = """
    def whoami(client):
        return client.get("/api/auth/get-session").json()["user"]["email"]
"""


@pytest.fixture(autouse=True)
def _plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the other plugins that are installed here: loading them takes longer than the tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    write_catalog(pytester.path / "catalog.json")
    return pytester


def test_the_example_project_passes_under_xdist_with_a_service_for_each_worker(
    pytester: pytest.Pytester,
) -> None:
    shutil.copytree(EXAMPLE, pytester.path, dirs_exist_ok=True)
    pytester.makeconftest(NOTE_THE_SERVICE)
    told = pytester.runpytest(*QUIET, "-p", "xdist", "-n", "2", "--personas-serve")
    told.assert_outcomes(passed=9)
    urls = (pytester.path / "urls").read_text(encoding="utf-8").split()
    assert (len(urls), len(set(urls))) == (9, 2)


def test_the_plugin_is_there_wherever_the_package_is_installed(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("personas")


def test_a_project_that_uses_no_fixture_pays_for_no_import() -> None:
    script = (
        "import sys, personas.testing.plugin\n"
        "print([name for name in ('httpx', 'pydantic', 'starlette', 'anyio', 'personas.catalog.reading')"
        " if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_a_project_without_the_embedded_service_is_told_how_to_install_it(project: pytest.Pytester) -> None:
    project.makeconftest(WITHOUT_SQLALCHEMY)
    project.makepyfile("def test_ada(persona): pass")
    result = project.runpytest(*QUIET)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["personas: the embedded service is not installed: sqlalchemy is missing", "*personas[[]embedded[]]*"]
    )


def test_a_project_without_a_catalog_is_not_troubled_until_it_asks_for_a_persona(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_nothing(): pass\ndef test_asks(persona): pass")
    result = pytester.runpytest(*QUIET)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["personas: *catalog.json*there is no such file*", "*--personas-catalog*"])


def test_a_persona_that_nobody_knows_is_told_with_the_nearest_name(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.persona("danna")
        def test_who(persona): pass

        @pytest.mark.persona(archetype="gardener")
        def test_what(persona): pass

        @pytest.mark.persona("ada", "ben")
        def test_two(persona): pass

        @pytest.mark.persona(nickname="ada")
        def test_how(persona): pass
        """
    )
    result = project.runpytest(*QUIET)
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        [
            "personas: 'danna' is nobody in *catalog.json",
            "Did you mean Dana?",
            "personas: no persona in *catalog.json has the archetype 'gardener'",
            "There are: researcher, solo-dev",
            "@pytest.mark.persona takes one text: *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


def test_a_client_survives_the_sign_out_of_another_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        WHOAMI
        + """
    def test_one(persona_client):
        persona_client.post("/api/auth/sign-out", json={}).raise_for_status()
        assert persona_client.get("/api/auth/get-session").json() is None

    def test_two(persona_client):
        assert whoami(persona_client) == "persona.ada@mana.test"
"""
    )
    project.runpytest(*QUIET).assert_outcomes(passed=2)


def test_a_client_gives_cookie_and_jwt_to_the_service_and_to_nobody_else(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(
        """
        import os

        def test_elsewhere(persona_client):
            persona_client.get(os.environ["ELSEWHERE"])

        def test_here(persona_client):
            request = persona_client.get("/health").request
            assert "mana.session_token=" in request.headers["cookie"]
            assert request.headers["authorization"].count(".") == 2
        """
    )
    with HTTPServer(host="127.0.0.2") as elsewhere:
        elsewhere.expect_request("/").respond_with_data()
        monkeypatch.setenv("ELSEWHERE", elsewhere.url_for("/"))
        project.runpytest(*QUIET, "--personas-serve").assert_outcomes(passed=2)
    ((request, _),) = elsewhere.log
    assert not [name for name in ("cookie", "authorization") if name in request.headers]


def test_an_async_client_is_signed_in_too(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_async(personas_service, persona):
            async with personas_service.async_client(persona) as client:
                answer = await client.get("/api/auth/get-session")
            assert answer.json()["user"]["email"] == persona.email
        """
    )
    project.runpytest(*QUIET).assert_outcomes(passed=1)


def test_the_catalog_is_named_by_option_over_configuration_over_variable(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = pytester.mkdir("people")
    for name in ("option", "configured", "variable"):
        write_catalog(people / f"{name}.json")
    monkeypatch.setenv("PERSONAS_CATALOG", "people/variable.json")
    pytester.makepyfile(
        """
        import os
        def test_file(personas_service):
            assert personas_service.catalog.file.endswith(f"people/{os.environ['EXPECTED']}.json")
        """
    )
    monkeypatch.setenv("EXPECTED", "variable")
    pytester.runpytest(*QUIET).assert_outcomes(passed=1)
    pytester.makeini("[pytest]\npersonas_catalog = people/configured.json\n")
    monkeypatch.setenv("EXPECTED", "configured")
    pytester.runpytest(*QUIET).assert_outcomes(passed=1)
    monkeypatch.setenv("EXPECTED", "option")
    pytester.runpytest(*QUIET, "--personas-catalog", "people/option.json").assert_outcomes(passed=1)


# A service that runs already


def test_an_external_service_is_used_as_it_is_and_nothing_is_written_there(
    project: pytest.Pytester, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_SEED_SECRET", SECRET)
    project.makepyfile(
        WHOAMI
        + """
    def test_ada(persona_client, personas_service):
        assert whoami(persona_client) == "persona.ada@mana.test"
        assert personas_service.url == personas_service.base_url != ""
"""
    )
    project.runpytest(*QUIET, "--personas-auth", service.url).assert_outcomes(passed=1)


def test_a_persona_that_is_not_seeded_there_is_told_with_the_next_step(
    project: pytest.Pytester, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_SEED_SECRET", SECRET + "x")
    project.makepyfile("def test_ada(persona_client): pass")
    result = project.runpytest(*QUIET, "--personas-auth", service.url)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["personas: persona.ada@mana.test cannot sign in at *", "*personas seed*"])
    assert SECRET not in result.stdout.str()


def test_the_variable_of_the_commands_does_not_send_tests_to_a_real_service(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANA_AUTH_URL", "http://127.0.0.1:1")
    project.makepyfile("def test_ada(persona_client): pass")
    project.runpytest(*QUIET).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://auth.example.com", "*development secret is refused*"),
        ("http://auth.example.com", "*plain http*"),
        ("embedded:here.db", "personas: personas_auth is embedded:here.db"),
        ("localhost:3001", "*no http(s) URL*"),
    ],
)
def test_an_address_that_cannot_be_meant_so_is_told(
    project: pytest.Pytester, address: str, said: str
) -> None:
    project.makeini(f"[pytest]\npersonas_auth = {address}\n")
    project.makepyfile("def test_ada(persona): pass")
    result = project.runpytest(*QUIET)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


def test_a_browser_needs_the_service_on_a_port(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from personas import UsageError

        def test_state(personas_service):
            if personas_service.url:
                assert personas_service.storage_state("ada")["cookies"][0]["domain"] == "127.0.0.1"
            else:
                with pytest.raises(UsageError, match="in process"):
                    personas_service.storage_state("ada")
        """
    )
    project.runpytest(*QUIET).assert_outcomes(passed=1)
    project.runpytest(*QUIET, "--personas-serve").assert_outcomes(passed=1)
