from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from personas.cli.app import app

from .conftest import personas

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
NAMES = sorted(COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_help_names_every_option_and_ends_with_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    result = personas(name, "--help")
    lines = result.out.rstrip().splitlines()
    assert (result.code, result.err) == (0, "")
    assert len(lines) <= 60
    assert not any(sign in result.out for sign in ("{", "…│", "<str>..."))
    for parameter in COMMANDS[name].params:
        assert parameter.help
        if not parameter.hidden:
            assert all(option in result.out for option in parameter.opts if option.startswith("-"))
    examples = lines[[line.strip() for line in lines].index("Examples:") + 1 :]
    assert 2 <= len(examples) <= 3
    assert all(f"personas {name}" in line for line in examples)
    assert max(map(len, lines)) <= 80


def test_help_of_seed_names_both_forms_of_the_variables() -> None:
    out = " ".join(personas("seed", "--help", COLUMNS="200").out.split())
    names = "AUTH_URL ADMIN_JWT ADMIN_EMAIL CATALOG SEED_SECRET"
    assert [name for name in names.split() if f"PERSONAS_{name}" not in out] == []
    assert [name for name in names.split()[:3] if f"MANA_{name}" not in out] == []
    assert "PERSONA_SEED_SECRET" in out


WRONG_SEED = ["--concurrency many", "--concurrency 0", "--output yaml", "--fail-on-drift", "a b", "--auth"]
WRONG = ["no-such-command", "show", "password", "schema nothing", "serve --port 99999"]
WRONG += [f"seed {options}" for options in WRONG_SEED] + [f"{name} --no-such-option" for name in NAMES]


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_is_exit_code_2(line: str) -> None:
    result = personas(*line.split())
    assert (result.code, result.out) == (2, "")
    assert "Value error" not in result.err
    assert result.err


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--host", "0.0.0.0"), 2, "base"),
        (("--host", "203.0.113.1"), 2, "cannot listen"),
        (("--admin-password-file", "missing.txt"), 2, "missing.txt"),
        (("--database", "catalog.json"), 2, "database"),
        (("--database", "catalog.json", "--reset"), 5, "Add --yes"),
        (("--database", "catalog.json", "--reset", "--yes"), 5, "production"),
    ],
)
def test_serve_refuses_what_cannot_work(options: tuple[str, ...], code: int, text: str) -> None:
    environment = "production" if text == "production" else "test"
    result = personas("serve", "--port", "0", *options, NODE_ENV=environment)
    assert (result.code, result.out, text in result.err) == (code, "", True)
    assert Path("catalog.json").read_text("utf-8").startswith("{")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['personas', 'seed', '--help']\n"
        "from personas.cli import main\n"
        "try: main()\n"
        "except SystemExit: sys.stderr.write(' '.join(sys.modules))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    heavy = {"httpx", "anyio", "sqlalchemy", "personas.report", "personas.catalog", "personas.services"}
    assert heavy & set(done.stderr.split()) == set()
