"""`personas serve`: run as a program, but where it comes to nothing."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from typer.testing import CliRunner

from personas.cli.app import app
from personas.embedded import AddressError, Embedded, serving

from .client import ANNA, PASSWORD, PERSONAS, Client, body
from .postgresql import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLEAN = {
    name: value for name, value in ENVIRONMENT.items() if not name.startswith(("MANA_", "PERSONA", "CI"))
}


def _start(path: Path, *arguments: str, redirection: str = "", **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "personas", "serve", "--port", "0", "--database", "auth.db", *arguments]
    return subprocess.Popen(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command],
        cwd=path,
        env={**CLEAN, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class Served:
    """A running `personas serve`; `greeting` is what it printed at first."""

    process: subprocess.Popen[str]
    greeting: str

    @property
    def url(self) -> str:
        return str(re.findall(r"listens on (\S+)", self.greeting)[0])

    def stop(self, number: int) -> tuple[int, str]:
        """Exit code and stderr."""
        self.process.send_signal(number)
        error = self.process.communicate(timeout=30)[1]
        return self.process.returncode, error


@contextmanager
def _serve(path: Path, *arguments: str, **variables: str) -> Iterator[Served]:
    process = _start(path, *arguments, **variables)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    try:
        yield Served(process, "".join(lines))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _refused(*arguments: object, **variables: str) -> tuple[int, str, str]:
    """How a start ends that comes to nothing, and so needs no process of its own."""
    ended = CliRunner().invoke(app, ["serve", *map(str, arguments)], env=variables)
    return ended.exit_code, ended.stdout, ended.stderr


def test_serve_shows_the_admins_password_once_and_logs_no_secret(tmp_path: Path) -> None:
    with _serve(tmp_path, MANA_SERVICE_KEY="runner-key-1") as served:
        (email,) = re.findall(r"admin +(\S+)", served.greeting)
        (password,) = re.findall(r"password +(\S+)", served.greeting)
        with httpx.Client(base_url=served.url) as client:
            credentials = {"email": email, "password": password}
            token = client.post("/api/v1/auth/login", json=credentials).json()["accessToken"]
            headers = {"authorization": f"Bearer {token}", "x-service-key": "runner-key-1"}
            assert client.post(PERSONAS, json=body(), headers=headers).status_code == 200
            client.get("/api/v1/admin/users?search=very-private", headers=headers)
            client.get("/strange%0Apath%1B[31m")
            assert client.get("/api/v1/internal/personas/due", headers=headers).status_code == 200
        with Embedded.open(tmp_path / "auth.db") as beside:  # in process, on the same file
            assert beside.admin is None
            assert [persona["email"] for persona in Client(beside).live()] == [ANNA]
        code, log = served.stop(signal.SIGTERM)
    assert code == 0
    assert re.search(r"^POST /api/v1/admin/personas 200 \d+ ms$", log, re.MULTILINE)
    assert re.search(r"^GET /strange\\npath\\x1b\[31m 404 \d+ ms$", log, re.MULTILINE)
    assert log.endswith("stopped\n")
    everything = served.greeting + log
    assert everything.count(password) == 1
    for secret in (token, PASSWORD, "runner-key-1", "very-private"):
        assert secret not in everything


def test_a_later_start_shows_no_password_and_its_options_reach_the_service(tmp_path: Path) -> None:
    with Embedded.open(tmp_path / "auth.db") as embedded, embedded.introducing_admin() as admin:
        assert admin is embedded.admin  # the password that this start has made is the one to show
    options = ("--allow-host", "auth.test", "--trust-proxy", "127.0.0.1", "--allow-origin", "http://app.test")
    with _serve(tmp_path, *options) as served:
        assert "its password was shown by an earlier start" in served.greeting
        assert "password  " not in served.greeting
        for host, status in (("auth.test", 200), ("other.test", 400)):
            assert httpx.get(served.url, headers={"host": host}).status_code == status
        page = httpx.get(served.url, headers={"x-forwarded-for": "203.0.113.9", "origin": "http://app.test"})
        assert "From another machine" in page.text
        assert page.headers["access-control-allow-origin"] == "http://app.test"
        code, log = served.stop(signal.SIGINT)
    assert (code, log.endswith("stopped\n")) == (0, True)


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"], ids=["closed", "full"])
def test_a_password_that_was_not_shown_is_left_to_the_next_start(tmp_path: Path, redirection: str) -> None:
    with _start(tmp_path, redirection=redirection) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        process.terminate()
        told += process.stderr.read()
    assert process.returncode == 0
    assert told.startswith("the greeting could not be written: ")
    assert "the admin's password, if no earlier start has shown it, is shown by the next one\n" in told
    with Embedded.open(tmp_path / "auth.db") as embedded, embedded.introducing_admin() as admin:
        assert admin is not None


@pytest.mark.usefixtures("folder")
def test_hosts_and_proxies_that_are_none_are_told() -> None:
    for option, value in (("--allow-host", "http://auth.test"), ("--trust-proxy", "*")):
        code, out, error = _refused("--port", "0", option, value)
        assert (code, out) == (2, "")
        assert error.startswith(f"error: {value!r} is no ")


@pytest.mark.usefixtures("folder")
def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, error = _refused("--port", str(port))
    assert (code, out) == (2, "")
    assert error.startswith(f"error: port {port} of 127.0.0.1 is taken by another program\n")
    assert "--port 0" in error


def test_reset_asks_and_without_a_terminal_needs_yes(folder: Path) -> None:
    path = folder / "auth.db"
    with Embedded.open(path) as embedded:
        Client(embedded).seed()
        with embedded.introducing_admin():
            pass
    what = f"--reset would delete 2 users, 1 of them personas, in {path}"
    for arguments, variables, why in (
        ((), {}, ": nobody can be asked here"),
        (("--yes",), {"NODE_ENV": "production"}, ", and this is production"),
    ):
        code, out, error = _refused("--database", path, "--reset", *arguments, **variables)
        assert (code, out, error.splitlines()[0]) == (5, "", f"error: {what}{why}")
        with Embedded.open(path) as embedded:
            assert embedded.count().personas == 1
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that it ends after the reset
        _refused("--database", path, "--reset", "--yes", "--port", taken.getsockname()[1])
    with Embedded.open(path) as embedded, embedded.introducing_admin() as admin:
        assert (embedded.count().users, admin is None) == (1, False)


def test_a_database_that_cannot_be_used_is_told(folder: Path) -> None:
    (folder / "notes.txt").write_text("no database " * 100)
    code, out, error = _refused("--database", "notes.txt")
    assert (code, out) == (2, "")
    assert error.startswith("error: notes.txt is not an SQLite database")
    code, out, error = _refused("--database", "postgresql://u:geheim@127.0.0.1:1/x")
    assert (code, out, "geheim" in error) == (2, "", False)
    assert "127.0.0.1:1" in error


@pytest.mark.parametrize("host", ["203.0.113.1", "x" * 300])
def test_an_address_that_is_not_ours_is_told(small: Client, host: str) -> None:
    with pytest.raises(AddressError) as caught, serving(small.embedded, host=host):
        pass
    assert host in caught.value.message
    assert caught.value.hint


def test_a_served_address_is_the_issuer_of_its_tokens(small: Client) -> None:
    with serving(small.embedded, host="0.0.0.0") as url:
        assert re.fullmatch(r"http://localhost:\d+", url)
    with serving(small.embedded) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert small.embedded.base_url == url
