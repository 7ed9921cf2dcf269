"""A real PostgreSQL server for the tests: the one that is named, or one of our own in a temporary folder."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = dict(os.environ)


class NoServer(Exception):
    """Why there is no server."""


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server on which databases can be created, for as long as the block runs."""
    named = ENVIRONMENT.get("PERSONAS_TEST_DATABASE")
    if named:
        yield named
        return
    programs = _find_programs()
    folder = Path(tempfile.mkdtemp(prefix="personas-postgresql-"))
    try:
        run = partial(_run, folder, _as_no_root(folder))
        data = ("-D", folder / "data")
        run(programs / "initdb", *data, "-U", "tests", "-A", "trust", "-N", "-E", "UTF8")
        port = _free_port()
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        )
        run(programs / "pg_ctl", *data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://tests@127.0.0.1:{port}/postgres"
        finally:
            run(programs / "pg_ctl", *data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """A new, empty database on the server, dropped at the end of the block."""
    name = f"personas_test_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _find_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    message = "PERSONAS_TEST_DATABASE is not set, and no PostgreSQL server is installed"
    raise NoServer(message)


def _as_no_root(folder: Path) -> tuple[str, ...]:
    """What a server's programs are run by: as root by somebody else, who gets the folder."""
    if os.geteuid() != 0:
        return ()
    for name in ("postgres", "nobody"):
        with suppress(LookupError):
            shutil.chown(folder, name)
            return ("runuser", "-u", name, "--")
    message = "PostgreSQL does not run as root, and there is no user postgres or nobody"
    raise NoServer(message)


def _run(folder: Path, runner: tuple[str, ...], *command: str | Path) -> None:
    # Not through pipes: the server inherits them and would keep them open.
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            [*runner, *command],
            cwd=folder,
            env={**ENVIRONMENT, "LC_ALL": "C.UTF-8", "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            output.seek(0)
            message = f"{command[0]} ended with {done.returncode}: {output.read()[-500:]}"
            raise RuntimeError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
