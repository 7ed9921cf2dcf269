from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from conftest import Served
from making import catalog_json, make_persona
from typer.testing import CliRunner

from personas.catalog.reading import Persona
from personas.cli.app import app

THREE = (make_persona("ada"), make_persona("bo"), make_persona("cy", archetype="solo-dev"))


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


class Personas(Protocol):
    def __call__(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Said: ...


@pytest.fixture
def personas(folder: Path) -> Personas:
    """Runs a command in a folder with a catalog of three, without any variable that is not given."""
    write_catalog(folder, *THREE)

    def run(*args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Said:
        given: dict[str, Any] = {"PERSONA_SEED_SECRET": "the-secret-of-these-tests", **(env or {})}
        result = CliRunner().invoke(app, list(args), input=stdin, env=given)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        # A test that meets a bug in the tool should say so, whatever else it looks for.
        assert "a bug in personas" not in result.stderr
        return Said(result.exit_code, result.stdout, result.stderr)

    return run


def write_catalog(folder: Path, *wanted: Persona) -> Path:
    path = folder / "catalog.json"
    path.write_text(catalog_json(wanted), "utf-8")
    return path


@pytest.fixture
def at(served: Served) -> tuple[str, ...]:
    """The options that lead to the embedded service on a port, with a token."""
    return ("--auth", served.url, "--jwt", served.embedded.admin_token())


@pytest.fixture
def unused_port() -> int:
    """A port of this machine where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
