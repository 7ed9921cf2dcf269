"""The examples of the documentation, executed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import jwt
import pytest
from chromium import CHROMIUM_FLAGS

import personas
from personas import sync
from personas.catalog.reading import load_catalog
from personas.embedded import AdminCredentials, Embedded, serving
from personas.passwords import DEVELOPMENT_SECRET
from personas.reconcile.plan import plan
from personas.secret import Secret
from personas.service.credentials import Credentials

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


@pytest.fixture(scope="module")
def your_api(running: Running) -> Iterator[str]:
    """Somebody's own service: it knows who a JWT's bearer is by the keys that the auth service publishes."""
    keys = jwt.PyJWKClient(f"{running.url}/api/auth/jwks")

    class YourApi(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            key = keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="mana", issuer=running.url)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"notes of {claims['email']}\n".encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            del format, arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), YourApi)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "catalog.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(len(blocks_of("api.md"))))
def test_an_example_of_the_api_runs(
    number: int, running: Running, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del project
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


def run(code: str, running: Running, your_api: str) -> str:
    variables = {
        "PATH": f"{SCRIPTS}{os.pathsep}{os.defpath}",
        "MANA_AUTH_URL": running.url,
        "YOUR_API": your_api,
        "PYTEST_ADDOPTS": "-q -pno:cacheprovider -pno:hypothesispytest -pno:respx -pno:pytest_httpserver",
        "LANG": "C.UTF-8",
    }
    told = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", code],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, f"{code}\n{told.stdout}\n{told.stderr}"
    return told.stdout


def test_the_guides_work_one_step_after_the_other(running: Running, your_api: str, project: Path) -> None:
    told = ""
    for block in blocks_of("use.md"):
        code = block.code.replace(PORT, running.url)
        if block.note.startswith("file: "):
            (project / block.note.removeprefix("file: ")).write_text(code, encoding="utf-8")
        elif not block.note:
            assert block.language == "sh", "every other example says in a comment what to do with it"
            told += run(code, running, your_api)
        else:
            assert block.note == "browser" or re.match(r"not run: \w", block.note), block.note
    assert told.count('"email":"persona.anna@mana.test"') == 2
    assert told.count("notes of persona.anna@mana.test") == 2
    assert "I am Anna Brandt, persona.anna@mana.test" in told
    assert told.count("5 passed") == 2
    assert len(list((project / "auth").iterdir())) == 10


def test_the_page_on_spaces_works(running: Running, your_api: str, project: Path) -> None:
    blocks = {block.language: block for block in blocks_of("spaces.md") if not block.note}
    whole = json.loads((project / "catalog.json").read_text(encoding="utf-8"))
    shown = json.loads(blocks["json"].code)["spaces"]
    assert [space for space in whole["spaces"] if space["slug"] == "cold-rooms"] == shown
    (file,) = [block for block in blocks_of("spaces.md") if block.note]
    (project / file.note.removeprefix("file: ")).write_text(file.code, encoding="utf-8")
    (project / "spaces.py").write_text(blocks["python"].code, encoding="utf-8")
    told = run("python spaces.py", running, your_api)
    assert told == "cold-rooms Cold Rooms persona.ngozi@mana.test admin\n"
    assert "1 passed" in run(blocks["sh"].code, running, your_api)


def test_the_guide_for_playwright_shows_who_is_signed_in(
    running: Running, your_api: str, project: Path, chromium: str
) -> None:
    launch = f"launch(executable_path={chromium!r}, args={list(CHROMIUM_FLAGS)!r})"
    files = {block.note: block.code for block in blocks_of("use.md")}
    script = files["file: browse.py"].replace(PORT, running.url)
    assert "launch()" in script
    (project / "browse.py").write_text(script.replace("launch()", launch), encoding="utf-8")
    run("personas login anna --as storage-state --out anna.json", running, your_api)
    run(files["browser"], running, your_api)
