"""The pytest plugin, as projects use it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from personas.embedded import ServerThread

# Imported here once, so that the inner runs of pytest need not import it again.
from personas.testing import PersonasService  # noqa: F401 - see above
from tests.commands import run

pytest_plugins = ("pytester",)

EXAMPLE = Path(__file__).parent.parent / "example_project"
QUIET = ("-p", "personas.testing.plugin", "-p", "no:cacheprovider", "-q")


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the other installed plugins takes longer than the tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    people = json.loads((EXAMPLE / "people.json").read_text(encoding="utf-8"))
    (pytester.path / "catalog.json").write_text(json.dumps({"personas": people["personas"]}))
    return pytester


def test_example_project_passes(pytester: pytest.Pytester) -> None:
    shutil.copytree(EXAMPLE, pytester.path, dirs_exist_ok=True)
    pytester.runpytest(*QUIET).assert_outcomes(passed=11)


def test_plugin_is_loaded_wherever_the_package_is_installed(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("personas")


def test_project_without_a_fixture_imports_nothing_heavy() -> None:
    heavy = "{'httpx', 'pydantic', 'sqlalchemy'}"
    script = f"import sys, personas.testing.plugin; print(*{heavy} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", script], text=True, timeout=60).strip() == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [(None, "personas: *catalog.json*"), ('{"personas": []}', "*catalog.json:1:*")],
)
def test_unusable_catalog_matters_only_to_tests_with_a_persona(
    pytester: pytest.Pytester, text: str | None, line: str
) -> None:
    if text is not None:
        (pytester.path / "catalog.json").write_text(text)
    pytester.makepyfile("def test_nothing(): pass\ndef test_asks(persona): pass")
    result = pytester.runpytest(*QUIET)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([line])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_unknown_personas_fail_with_a_reason(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.persona("adda")
        def test_name(persona): pass

        @pytest.mark.persona(archetype="king")
        def test_archetype(persona): pass

        @pytest.mark.persona("ada", "ben")
        def test_two(persona): pass

        @pytest.mark.persona("ada", archetype="king")
        def test_both(persona): pass
        """
    )
    result = project.runpytest(*QUIET)
    result.assert_outcomes(errors=4)
    reasons = (
        "No persona in * matches 'adda'*",
        "No persona in * 'king'*",
        "*takes one text*",
        "*not by both.",
    )
    result.stdout.fnmatch_lines_random([f"*{reason}" for reason in reasons])
    result.stdout.no_fnmatch_line("*During handling*")


def test_cookie_and_jwt_go_to_the_service_only(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(
        """
        import os

        def test_elsewhere(persona_client):
            persona_client.get(os.environ["ELSEWHERE"])

        def test_here(persona_client):
            request = persona_client.get("/health").request
            assert "session_token=" in request.headers["cookie"]
            assert request.headers["authorization"].count(".") == 2
        """
    )
    with HTTPServer(host="127.0.0.2") as elsewhere:
        elsewhere.expect_request("/").respond_with_data()
        monkeypatch.setenv("ELSEWHERE", elsewhere.url_for("/"))
        project.runpytest(*QUIET).assert_outcomes(passed=2)
    ((request, _),) = elsewhere.log
    assert not {"cookie", "authorization"} & {name.lower() for name, _ in request.headers.items()}


def test_option_wins_over_setting_over_variable(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(EXAMPLE / "people.json", pytester.path / "expected.json")
    pytester.makepyfile(
        """
        def test_file(personas_service):
            assert personas_service.catalog.file.endswith("expected.json")
        """
    )
    for variable, setting, options in (
        ("expected.json", "", ()),
        ("other.json", "expected.json", ()),
        ("other.json", "other.json", ("--personas-catalog", "expected.json")),
    ):
        monkeypatch.setenv("PERSONAS_CATALOG", variable)
        pytester.makeini(f"[pytest]\npersonas_catalog = {setting}\n")
        pytester.runpytest(*QUIET, *options).assert_outcomes(passed=1)


def test_external_service_is_used_and_not_written_to(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(
        """
        def test_ada(persona_client):
            session = persona_client.get("/api/auth/get-session").json()
            assert session["user"]["email"] == "persona.ada@mana.test"
        """
    )
    # The variable of the commands sends no test to a service.
    monkeypatch.setenv("MANA_AUTH_URL", "http://127.0.0.1:1")
    with ServerThread(project.path / "auth.db", scrypt_n=16) as server:
        result = project.runpytest(*QUIET, "--personas-auth", server.url)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            ["personas: signing in as persona.ada@mana.test: email or password is wrong*", "*personas seed*"]
        )
        env = {"MANA_AUTH_URL": server.url, "MANA_ADMIN_JWT": server.admin_token()}
        assert run("seed", "--quiet", env=env).code == 0
        project.runpytest(*QUIET, "--personas-auth", server.url).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("https://auth.example.com", "*PERSONA_SEED_SECRET is not set*"),
        ("http://auth.example.com", "*plain http*"),
        ("embedded:here.db", "personas: personas_auth is embedded:here.db*"),
        ("localhost:3001", "*not an http(s) URL*"),
    ],
)
def test_unusable_address_is_reported(project: pytest.Pytester, address: str, line: str) -> None:
    project.makeini(f"[pytest]\npersonas_auth = {address}\n")
    project.makepyfile("def test_ada(persona): pass")
    result = project.runpytest(*QUIET)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([line])
