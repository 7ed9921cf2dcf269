from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from personas.embedded import EmbeddedError, ServerThread, serve
from tests.cli.conftest import limited

from .conftest import Client

FRONT_END = "http://localhost:5173"
SERVE = """
import functools, sys
from personas.embedded import serve
serve(sys.argv[1], print_line=functools.partial(print, flush=True), port=0)
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A client of one service for all tests."""
    with ServerThread(scrypt_n=2) as server, Client(server.service) as client:
        yield client


class Listens(Exception):
    """Raised instead of serving."""


def _start(place: Path, lines: dict[str, str], **options: Any) -> None:
    """Start in this process; add the lines by their first word, and end before serving."""

    def print_line(line: str) -> None:
        word, _, lines[word] = line.partition(" ")
        if word == "listening":
            raise Listens

    serve(place, print_line=print_line, **{"port": 0, **options})


def test_the_first_start_alone_prints_a_password(tmp_path: Path) -> None:
    place = tmp_path / "auth.db"
    with ServerThread(place, scrypt_n=2):
        pass  # prints nothing, and leaves the admin without a password
    command = [sys.executable, "-W", "error", "-c", SERVE, str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with limited(process):
        assert process.stdout is not None
        first = [process.stdout.readline().strip().partition(" ") for _ in range(4)]
        assert [line[0] for line in first] == ["admin", "password", "database", "listening"]
        password, url = first[1][2], first[3][2].removeprefix("on ")
        assert (len(password), first[2][2]) == (32, str(place))
        credentials = {"email": "admin@embedded.localhost", "password": password}
        signed_in = httpx.post(f"{url}/api/auth/sign-in/email", json=credentials, verify=False)
        assert signed_in.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.communicate() == ("", "")
        assert process.returncode == -signal.SIGTERM
    again: dict[str, str] = {}
    with pytest.raises(Listens):
        _start(place, again, port=int(url.rpartition(":")[2]), base_url="https://auth.example.test")
    assert list(again) == ["admin", "database", "listening"]
    assert again["listening"] == "on https://auth.example.test"
    with ServerThread(place) as server, Client(server.service) as client:
        assert client.sign_in(credentials["email"], password).status_code == 200


def test_starts_that_cannot_succeed_are_refused(tmp_path: Path) -> None:
    lines: dict[str, str] = {}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "short").write_text("short")
        cases: list[tuple[dict[str, Any], str]] = [
            ({"port": taken.getsockname()[1]}, "cannot listen on 127.0.0.1, port"),
            ({"base_url": "localhost:3001"}, "is not a base URL"),
            ({"admin_password_file": tmp_path / "short"}, "must have 8 to 128 characters"),
        ]
        for options, message in cases:
            with pytest.raises(EmbeddedError, match=message):
                _start(tmp_path / "auth.db", lines, **options)
    assert lines == {}


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:3001", 200), ("evil.test", 400), ("", 400)],
)
def test_only_names_of_this_machine_are_served(client: Client, host: str, status: int) -> None:
    assert client.get("/health", headers={"host": host}).status_code == status


def test_the_front_end_alone_gets_cors_headers(client: Client) -> None:
    preflight = {"origin": FRONT_END, "access-control-request-method": "GET"}
    answer = client.options("/api/auth/get-session", headers=preflight)
    assert answer.headers["access-control-allow-origin"] == FRONT_END
    assert answer.headers["access-control-allow-credentials"] == "true"
    other = client.get("/health", headers={"origin": "http://evil.test"})
    assert "access-control-allow-origin" not in other.headers


def test_bodies_have_at_most_five_megabytes(client: Client) -> None:
    assert client.create("ada@mana.test", systemPrompt="p" * 4_900_000).status_code == 200
    assert client.create("bo@mana.test", systemPrompt="p" * 5_000_000).status_code == 413
    answer = client.post("/api/auth/sign-up/email", json={"name": "p" * 5_000_000})
    assert (answer.status_code, answer.json()["error"]) == (413, "Body too large")


def test_deep_json_is_refused(client: Client) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/api/auth/sign-up/email", content="[" * 100_000, headers=headers)
    assert answer.status_code == 500


def test_other_calls_do_not_wait_for_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    read, release = threading.Semaphore(0), threading.Event()

    def scrypt(*_args: object, **_options: object) -> bytes:
        release.wait(30)
        return b""

    def count(*_statement: object) -> None:
        read.release()

    with (
        ServerThread(scrypt_n=2) as server,
        Client(server.service) as client,
        Client(server.service) as other,
        ThreadPoolExecutor(60) as pool,
    ):
        monkeypatch.setattr(hashlib, "scrypt", scrypt)
        sa.event.listen(sa.Engine, "after_cursor_execute", count)
        sign_ins = [pool.submit(client.sign_in, "unknown@mana.test") for _ in range(60)]
        try:
            # Each begins a transaction and looks the user up; then there is only hashing to wait for.
            assert all(read.acquire(timeout=10) for _ in range(2 * len(sign_ins)))
            assert other.get("/health").json()["status"] == "ok"
            assert other.admin("GET", "/personas").json() == {"personas": []}
            assert other.admin("GET", "/personas/unknown").status_code == 404
            assert not any(each.done() for each in sign_ins)
        finally:
            release.set()
            sa.event.remove(sa.Engine, "after_cursor_execute", count)
        assert [each.result().status_code for each in sign_ins] == [401] * len(sign_ins)


@pytest.mark.parametrize(
    "call",
    [
        "GET /api/v1/admin/nope",
        "PUT /api/v1/admin/personas",
        "GET /api/v1/admin/personas/",
        "POST /health",
        "POST /api/v1/auth/login",
        "GET /openapi.json",
    ],
)
def test_other_calls_are_not_found(client: Client, call: str) -> None:
    answer = client.request(*call.split())
    assert (answer.status_code, answer.text) == (404, "404 Not Found")
    assert client.post("/api/auth/nope").status_code == 404


def test_a_clock_that_a_test_moved_does_not_delay_the_end() -> None:
    # In a program of its own: the clock is the one of all event loops.
    program = """
import threading, time
from personas.embedded import ServerThread, server

server.STOP_SECONDS = 0.1
seen, real, enough = [], time.monotonic, threading.Event()

def tomorrow():
    seen.append(1)
    if len(seen) > 9:  # also the next wait of the event loop was planned with it
        enough.set()
    return real() + 86_400

with ServerThread(scrypt_n=2):
    time.monotonic = tomorrow
    enough.wait(10)
    time.monotonic = real
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
