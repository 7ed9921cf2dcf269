"""Run commands as a user would: in this process, or as a program of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main
from typer.testing import CliRunner

from personas.cli.app import app

_runner = CliRunner()
# Made once: typer needs longer for it than for a small command.
_command = typer.main.get_command(app)
COMMANDS = frozenset(getattr(_command, "commands", ()))


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def all(self) -> str:
        """Everything that it printed, with white space as single spaces: lines may be wrapped anywhere."""
        return " ".join(f"{self.out} {self.err}".split())


def run(*arguments: str, env: Mapping[str, str | None] | None = None, stdin: str | bytes = "") -> Done:
    """Run a command in this process."""
    code: str | int | None = 0
    with _runner.isolation(input=stdin, env=env) as streams:
        try:
            _command.main(arguments, prog_name="personas")
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = streams[0].getvalue().decode(), streams[1].getvalue().decode()
    assert isinstance(code, int), code
    return Done(code, out, err)


def start(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start a command as a program, with other streams by `options`; the caller waits for it."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1", **(env or {})}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "personas", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environ, text=True, **streams)
