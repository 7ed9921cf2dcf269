from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from personas import __version__
from personas.cli.app import app

from .conftest import Personas

GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
DESIGNED = [
    "cleanup",
    "dry-run",
    "list",
    "login",
    "password",
    "schema",
    "seed",
    "serve",
    "show",
    "token",
    "validate",
]


def test_the_commands_are_those_of_the_design() -> None:
    assert sorted(COMMANDS) == DESIGNED


@pytest.mark.parametrize("name", DESIGNED)
def test_every_command_and_each_of_its_options_has_help(personas: Personas, name: str) -> None:
    said = personas(name, "--help")
    assert said.code == 0
    assert said.err == ""
    assert f"Usage: personas {name} [OPTIONS]" in said.out
    assert COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert parameter.help, f"{name} {parameter.name}"
        for option in parameter.opts:
            if option.startswith("-"):
                assert option in said.out


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_of_commands_tells_each_in_a_whole_line(
    personas: Personas, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", columns)
    shown = personas("--help").out
    for name in DESIGNED:
        (line,) = re.findall(rf"^│ {name} +(.+?) *│$", shown, re.MULTILINE)
        assert line.endswith(".")


@pytest.mark.parametrize("name", ["seed", "dry-run", "cleanup"])
def test_the_options_of_a_command_stand_in_panels_of_their_subject(personas: Personas, name: str) -> None:
    panels = re.findall(r"^╭─ (\w+) ─+╮$", personas(name, "--help").out, re.MULTILINE)
    assert panels == ["Options", "Catalog", "Service", "Safety", "Output"]


def test_the_help_names_the_variable_and_the_default_of_an_option(personas: Personas) -> None:
    out = " ".join(personas("seed", "--help").out.split())
    for name in ("PERSONAS_CATALOG", "MANA_AUTH_URL", "MANA_ADMIN_JWT"):
        assert f"[env var: {name}]" in out
    assert "[default: catalog.json]" in out


@pytest.mark.parametrize("name", DESIGNED)
def test_options_that_are_unknown_or_misused_are_wrong_usage(personas: Personas, name: str) -> None:
    said = personas(name, "--no-such-option")
    assert (said.code, said.out) == (2, "")
    assert "--no-such-option" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["seed", "--concurrency", "many"],
        ["seed", "--concurrency", "0"],
        ["seed", "--concurrency", "65"],
        ["seed", "--timeout", "0"],
        ["seed", "--timeout", "nan"],
        ["seed", "--output", "yaml"],
        ["seed", "surplus"],
        ["seed", "--auth"],
        ["seed", "--auth", "no-url"],
        ["seed", "--endpoint", "no-path"],
        ["seed", "--report", "report.yaml"],
        ["seed", "--jwt", ""],
        ["show"],
        ["password"],
        ["schema", "--of", "nothing"],
        ["serve", "--port", "99999"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_in_one_message_and_exit_code_2(personas: Personas, arguments: list[str]) -> None:
    said = personas(*arguments)
    assert said.code == 2
    assert said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_nothing_said_shows_the_help(personas: Personas) -> None:
    said = personas()
    assert "Usage: personas" in said.out + said.err
    assert "seed" in said.out + said.err


def test_the_version_is_told(personas: Personas) -> None:
    assert personas("--version").out == f"personas {__version__}\n"


def test_it_runs_as_a_module() -> None:
    program = [sys.executable, "-m", "personas", "--version"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout == f"personas {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "light"),
    [
        (["seed", "--help"], {"httpx", "anyio", "sqlalchemy", "personas.report", "personas.catalog"}),
        (["schema"], {"httpx", "sqlalchemy", "personas.report"}),
        (["password", "ada"], {"httpx", "sqlalchemy", "personas.report"}),
        (["validate"], {"httpx", "sqlalchemy", "personas.embedded"}),
        (["dry-run", "--offline"], {"httpx", "sqlalchemy", "personas.embedded"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_loads_nothing_heavy_that_it_does_not_use(
    personas: Personas, folder: Path, arguments: list[str], light: set[str]
) -> None:
    del personas  # has written the catalog
    code = (
        "import os, sys; sys.argv = ['personas', *sys.argv[1:]]\n"
        "from personas.cli import app\n"
        "try: app.app()\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    assert light & set(done.stderr.split()) == set()
