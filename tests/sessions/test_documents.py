"""The examples of the documentation, executed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from chromium import CHROMIUM_FLAGS
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner
from werkzeug import Request, Response

import personas
from personas import sync
from personas.catalog.reading import load_catalog
from personas.cli.app import app
from personas.embedded import AdminCredentials, Embedded, serving
from personas.passwords import DEVELOPMENT_SECRET
from personas.reconcile.plan import plan
from personas.secret import Secret
from personas.service.credentials import Credentials

from .conftest import QUIET

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = Path(sys.executable).parent
PORT = "http://localhost:3001"  # where the documents have the service
BLOCK = re.compile(r"(?:<!-- (?P<note>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)```\n", re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    note: str


def blocks_of(document: str) -> list[Block]:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return [Block(m["language"], m["code"], m["note"] or "") for m in BLOCK.finditer(text)]


@dataclass(frozen=True)
class Running:
    url: str
    admin: AdminCredentials


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service on a port, seeded from this project's own catalog."""
    catalog = load_catalog(ROOT / "catalog.json")
    secret = Secret(DEVELOPMENT_SECRET)
    database = tmp_path_factory.mktemp("documents") / "auth.db"
    with Embedded.open(database, scrypt_cost=16) as embedded, serving(embedded) as url:
        with sync.AuthService(url, Credentials(mint=embedded.admin_token)) as service:
            sync.apply(plan(catalog, sync.survey(service, catalog, secret=secret)), service, secret)
        assert embedded.admin is not None
        yield Running(url, embedded.admin)


@pytest.fixture
def your_api(running: Running, httpserver: HTTPServer) -> str:
    """Somebody's own service: it knows who a JWT's bearer is by the keys that the auth service publishes."""
    keys = jwt.PyJWKClient(f"{running.url}/api/auth/jwks")

    def notes(request: Request) -> Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="mana", issuer=running.url)
        return Response(f"notes of {claims['email']}\n")

    httpserver.expect_request("/notes").respond_with_handler(notes)
    return httpserver.url_for("").rstrip("/")


class Project:
    """A folder with the catalog, in which the steps of a guide are done."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.path = pytester.path
        self._pytester = pytester
        shutil.copy(ROOT / "catalog.json", self.path)

    def run(self, code: str) -> str:
        """What is told where this is typed into a shell; for one command of ours, and pytest, without one."""
        match shlex.split(code) if code.count("\n") == 1 else []:
            case ["pytest", *arguments]:
                told = self._pytester.runpytest(*QUIET, *arguments)
                assert told.ret == 0
                return told.stdout.str()
            case ["personas", *arguments]:
                result = CliRunner().invoke(app, arguments, catch_exceptions=False)
                assert result.exit_code == 0, result.output
                return result.stdout
            case _:
                return self._run_in_shell(code)

    def _run_in_shell(self, code: str) -> str:
        names = ("MANA_AUTH_URL", "YOUR_API")
        variables = {name: os.environ[name] for name in names}
        variables["PATH"] = f"{SCRIPTS}{os.pathsep}{os.defpath}"
        shell = ["bash", "-eu", "-o", "pipefail", "-c", code]
        told = subprocess.run(shell, env=variables, capture_output=True, text=True, check=False)
        assert told.returncode == 0, f"{code}\n{told.stdout}\n{told.stderr}"
        return told.stdout


@pytest.fixture
def project(
    pytester: pytest.Pytester, running: Running, your_api: str, monkeypatch: pytest.MonkeyPatch
) -> Project:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("MANA_AUTH_URL", running.url)
    monkeypatch.setenv("YOUR_API", your_api)
    return Project(pytester)


@pytest.mark.parametrize("number", range(len(blocks_of("api.md"))))
def test_an_example_of_the_api_runs(
    number: int, running: Running, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "catalog.json", folder)
    monkeypatch.setenv("MANA_ADMIN_EMAIL", running.admin.email)
    monkeypatch.setenv("MANA_ADMIN_PASSWORD", running.admin.password)
    monkeypatch.setenv("PERSONA_SEED_SECRET", DEVELOPMENT_SECRET)
    block = blocks_of("api.md")[number]
    assert block.language == "python"
    exec(compile(block.code.replace(PORT, running.url), f"api.md, example {number + 1}", "exec"), {})


def test_every_public_name_is_in_the_documentation_of_the_api() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names = text[text.index("## All names") :]
    missing = [name for name in (*personas.__all__, *sync.__all__) if f"`{name}`" not in names]
    assert missing == []


def test_the_guides_work_one_step_after_the_other(running: Running, project: Project) -> None:
    told = ""
    for block in blocks_of("use.md"):
        code = block.code.replace(PORT, running.url)
        if block.note.startswith("file: "):
            (project.path / block.note.removeprefix("file: ")).write_text(code, encoding="utf-8")
        elif not block.note:
            assert block.language == "sh", "every other example says in a comment what to do with it"
            told += project.run(code)
        else:
            assert block.note == "browser" or re.match(r"not run: \w", block.note), block.note
    assert told.count('"email":"persona.anna@mana.test"') == 2
    assert told.count("notes of persona.anna@mana.test") == 2
    assert "I am Anna Brandt, persona.anna@mana.test" in told
    assert told.count("5 passed") == 2
    assert len(list((project.path / "auth").iterdir())) == 10


def test_the_page_on_spaces_works(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = {block.language: block for block in blocks_of("spaces.md") if not block.note}
    whole = json.loads((project.path / "catalog.json").read_text(encoding="utf-8"))
    shown = json.loads(blocks["json"].code)["spaces"]
    assert [space for space in whole["spaces"] if space["slug"] == "cold-rooms"] == shown
    exec(compile(blocks["python"].code, "spaces.md", "exec"), {})
    assert capsys.readouterr().out == "cold-rooms Cold Rooms persona.ngozi@mana.test admin\n"
    (file,) = [block for block in blocks_of("spaces.md") if block.note]
    (project.path / file.note.removeprefix("file: ")).write_text(file.code, encoding="utf-8")
    assert "1 passed" in project.run(blocks["sh"].code)


def test_the_guide_for_playwright_shows_who_is_signed_in(
    running: Running, project: Project, chromium: str
) -> None:
    launch = f"launch(executable_path={chromium!r}, args={list(CHROMIUM_FLAGS)!r})"
    files = {block.note: block.code for block in blocks_of("use.md")}
    script = files["file: browse.py"].replace(PORT, running.url)
    assert "launch()" in script
    (project.path / "browse.py").write_text(script.replace("launch()", launch), encoding="utf-8")
    project.run("personas login anna --as storage-state --out anna.json\n")
    project.run(files["browser"])
