"""One run of every command, in the order of a day's work; also with the lowest allowed dependencies."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx
import pytest

from tests.commands import run, start

from .conftest import limited


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MANA_AUTH_URL", "embedded")
    monkeypatch.setenv("PERSONAS_CATALOG", "mine.json")


def test_every_command_once(tmp_path: Path) -> None:
    assert run("init", "mine.json", "--scope", "*@acme.test").code == 0
    assert run("validate").code == 0
    assert json.loads(run("schema").out)["title"] == "Catalog"
    assert "1 to create" in run("dry-run", "--only", "anna").out
    assert run("seed").code == 0
    assert "in sync" in run("seed").out
    done = run("list", "-o", "json")
    emails = [persona["email"] for persona in done.json["live"]["personas"]]
    assert sorted(emails) == ["persona.anna@acme.test", "persona.jonas@acme.test"]
    (tmp_path / "live.json").write_text(done.out)
    assert run("dry-run", "--snapshot", "live.json", "--fail-on-drift").code == 0
    assert "persona.anna@acme.test" in run("show", "anna").out
    assert run("spaces").code == 0
    assert run("spaces", "--dry-run", "--fail-on-drift").code == 0
    assert len(run("password", "anna").out.strip()) == 32
    assert run("token").out.count(".") == 2
    assert run("login", "anna").out.count(".") == 2
    assert run("login", "anna", "-o", "cookie").out.startswith("Cookie: ")
    report = tmp_path / "report.md"
    assert run("cleanup", "--yes", "--report", str(report)).code == 0
    assert "2 deleted" in report.read_text()
    assert run("list").code == 0


def test_serve_prints_what_clients_need_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "admin.txt").write_text("a-password-of-a-file\n")
    serve = start("serve", "--port", "0", "--admin-password-file", "admin.txt", folder=tmp_path)
    with limited(serve) as server:
        assert server.stdout is not None
        admin, database, listening = (server.stdout.readline().strip().split(" ") for _ in range(3))
        assert (admin[0], database[0], listening[:2]) == ("admin", "database", ["listening", "on"])
        url = listening[2]
        assert httpx.get(f"{url}/health", verify=False).status_code == 200
        env = {"MANA_ADMIN_EMAIL": admin[1], "MANA_ADMIN_PASSWORD": "a-password-of-a-file"}
        assert run("token", "--auth", url, env=env).code == 0
        server.send_signal(signal.SIGINT)
        assert server.communicate() == ("", "")
        assert server.returncode == 0
    # Its database is also that of the service in process.
    assert run("list", env={"PERSONAS_CATALOG": None}).code == 0
