"""What was said on the command line arrives in what a run is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import typer.main

from personas.cli.app import app
from personas.cli.asked import Asked
from personas.cli.options import Output
from personas.secret import Secret

COMMANDS: Any = typer.main.get_command(app)
EVERYWHERE = (
    "--catalog c.json --auth https://a.example --endpoint /e --jwt t --allow-http --concurrency 3 "
    "--timeout 4 --output json --report r.md --report r.xml --quiet --verbose --debug"
)
SAID: dict[str, Any] = {
    "catalog": "c.json",
    "auth": "https://a.example",
    "endpoint": "/e",
    "jwt": Secret("t"),
    "allow_http": True,
    "concurrency": 3,
    "timeout": 4.0,
    "output": Output.JSON,
    "report": ["r.md", "r.xml"],
    "quiet": True,
    "verbose": True,
    "debug": True,
}


@pytest.mark.parametrize(
    ("command", "own", "more"),
    [
        ("seed", "--only a --only b --dry-run --fail-on-drift --full", {"fail_on_drift": True}),
        ("cleanup", "--only a --only b --dry-run --full", {}),
        ("dry-run", "--only a --only b --max-age 2d --full", {"dry_run": True, "max_age": timedelta(days=2)}),
    ],
)
def test_every_option_arrives_and_what_a_command_decides_itself_is_the_stronger(
    command: str, own: str, more: dict[str, Any]
) -> None:
    context = COMMANDS.commands[command].make_context(command, [*EVERYWHERE.split(), *own.split()])
    wanted = {**SAID, "only": ["a", "b"], "dry_run": True, "full": True, **more}
    assert Asked.of(context, dry_run=True) == Asked(command=command, **wanted)
