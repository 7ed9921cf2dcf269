"""The examples of README.md and docs/ work, and what they say about files and links is true."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from personas import parse_catalog
from personas.embedded import ServerThread, open_embedded
from personas.embedded.service import ADMIN_EMAIL
from tests.commands import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
# These ask a question, and the tests are not a terminal.
ASKING = {"personas cleanup": 5}
PASSWORD = "the password of the admin"
# What the fixtures did.
PREPARED = ("export ", ". .venv/bin/activate")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    note: str


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["language"], match["text"], match["note"] or "") for match in found]


def all_blocks(language: str) -> list[object]:
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page))
        if block.language == language and not block.note.startswith(("not run:", "file: "))
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(scrypt_n=16, admin_password=PASSWORD) as server:
        yield server


@cache
def seed(server: ServerThread) -> None:
    """Seed the catalog's personas, once for all examples."""
    env = {"MANA_AUTH_URL": server.url, "MANA_ADMIN_JWT": server.admin_token()}
    assert run("seed", "--quiet", env=env).code == 0


@pytest.fixture
def env(server: ServerThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The folder and the variables that the examples use, with the catalog's personas on the service."""
    monkeypatch.chdir(tmp_path)
    for name in ("catalog.json", "catalog.schema.json", "Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    Path("pytest.ini").write_text("[pytest]\n")  # goes before the options in pyproject.toml
    # The embedded service in this process: hashing would take most of the time.
    monkeypatch.setattr("personas.embedded.open_embedded", partial(open_embedded, scrypt_n=16))
    seed(server)
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MANA_AUTH_URL": server.url,
        "MANA_ADMIN_JWT": server.admin_token(),
        "YOUR_API": server.url + "/health?",
        # Loading the other installed plugins takes longer than the examples.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p personas.testing.plugin",
    }


def run_line(line: str, env: dict[str, str]) -> str:
    """Run a command in this process: starting the program takes longer than most commands."""
    done = run(*line.split()[1:], env=env)
    assert done.code == ASKING.get(line, 0), f"{line}\n{done.all}"
    return done.out


def run_shell(script: str, env: dict[str, str]) -> None:
    """Run a script; the outputs of `$(personas …)` become variables."""
    for number, line in enumerate(re.findall(r"\$\((personas [\w .-]+)\)", script)):
        env[f"OUTPUT_{number}"] = run_line(line, env)
        script = script.replace(f"$({line})", f"$OUTPUT_{number}")
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    options: dict[str, Any] = {"env": env, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, timeout=60, **options)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


@pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.language == "sh" for b in blocks(p))], ids=lambda p: p.name
)
def test_shell_examples_run(page: Path, env: dict[str, str]) -> None:
    for block in blocks(page):
        if block.note.startswith("file: "):
            Path(block.note.removeprefix("file: ")).write_text(block.text)
        if block.language != "sh" or block.note.startswith("not run:"):
            continue
        lines = [line.partition(" # ")[0].strip() for line in block.text.splitlines()]
        lines = [line for line in lines if line and not line.startswith(PREPARED)]
        if all(re.fullmatch(r"personas [\w .-]+( > [\w.]+)?", line) for line in lines):
            for line in lines:
                command, _, file = line.partition(" > ")
                Path(file or os.devnull).write_text(run_line(command, env), encoding="utf-8")
        else:
            # make would install, so it only shows its commands.
            run_shell("\n".join(re.sub(r"^make", "make -n", line) for line in lines), env)
        if "make seed" in block.text:
            run_line("personas seed --auth embedded", env)


@pytest.mark.parametrize("block", all_blocks("python"))
def test_python_examples_run(block: Block, server: ServerThread, env: dict[str, str]) -> None:
    if "def test_" in block.text:
        Path("test_example.py").write_text(block.text)
        run_shell("pytest test_example.py", env)
        return
    text = block.text
    for shown, used in (
        ("http://localhost:3001", server.url),
        ("admin@example.com", ADMIN_EMAIL),
        ("the admin's password", PASSWORD),
        ("the seed secret", "dev-persona-seed-secret-rotate-in-prod"),
    ):
        assert shown in text
        text = text.replace(shown, used)
    exec(compile(text, "example.py", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", all_blocks("json"))
def test_json_examples_are_parts_of_valid_catalogs(block: Block) -> None:
    part = json.loads(block.text)
    catalog = json.loads((ROOT / "catalog.json").read_text(encoding="utf-8"))
    catalog.pop("spaces", None)
    if "email" in part:
        part = {"personas": [part]}
    emails = re.findall(r"[\w.]+@[\w.]+", json.dumps(part.get("spaces", [])))
    template = catalog["personas"][0]
    if "personas" not in part:
        scope = part.get("scope", ["*@mana.test"])
        patterns = [scope] if isinstance(scope, str) else scope
        wanted = emails or [pattern.replace("*", "anna") for pattern in patterns]
        part["personas"] = [template | {"email": email, "name": email} for email in dict.fromkeys(wanted)]
    assert parse_catalog(json.dumps(part)).warnings == ()


@pytest.mark.parametrize("block", all_blocks("yaml"))
def test_yaml_examples_use_inputs_of_the_action(block: Block) -> None:
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    document = yaml.safe_load(block.text)
    steps = document["jobs"]["preview"]["steps"] if "jobs" in document else []
    used = {name for step in steps if "personas@" in step.get("uses", "") for name in step["with"]}
    assert used <= set(inputs)


def test_links_lead_somewhere() -> None:
    dead = [
        f"{page.name}: {target}"
        for page in [*ROOT.glob("*.md"), *PAGES]
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []


def test_pages_name_existing_files_and_all_folders() -> None:
    source = ROOT / "src" / "personas"
    architecture, safety = (
        (ROOT / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "docs/safety.md")
    )
    names = [path.name for path in source.glob("*.py") if path.name != "__main__.py"]
    names += [f"{path.name}/" for path in source.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert [name for name in names if name not in architecture] == []
    files = re.findall(r"`((?:[a-z]+/)+[a-z_]+\.py)`", architecture)
    tests = re.findall(r"`(tests/\S+\.py)`", safety)
    assert tests
    assert [f for f in files + tests if not ((source / f).exists() or (ROOT / f).exists())] == []


def test_pages_are_short() -> None:
    limits = {page: 200 for page in PAGES if page.name != "commands.md"} | {ROOT / "CHANGELOG.md": 41}
    lines = {page: len(page.read_text(encoding="utf-8").splitlines()) for page in limits}
    assert [page.name for page, limit in limits.items() if lines[page] >= limit] == []
