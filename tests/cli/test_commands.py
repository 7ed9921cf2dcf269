"""One run of every command, in the order of a day's work; also with the lowest allowed dependencies."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.commands import run, start


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


def test_serve_answers_until_it_is_interrupted(tmp_path: Path) -> None:
    server = start("serve", "--port", "0", "--database", "served.db", folder=tmp_path)
    try:
        assert server.stdout is not None
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=20)
    assert "Traceback" not in err


def test_machine_formats_are_utf8_in_every_locale(tmp_path: Path) -> None:
    assert run("init", "mine.json").code == 0
    text = (tmp_path / "mine.json").read_text("utf-8").replace('"name": "', '"name": "Ü ', 1)
    (tmp_path / "mine.json").write_text(text, "utf-8")
    for encoding in ("cp1252", "ascii"):
        env = {"PYTHONIOENCODING": encoding, "MANA_AUTH_URL": "embedded", "PERSONAS_CATALOG": "mine.json"}
        process = start("dry-run", "-o", "json", folder=tmp_path, env=env)
        out, _ = process.communicate(timeout=30)
        assert "Ü " in json.dumps(json.loads(out), ensure_ascii=False)
