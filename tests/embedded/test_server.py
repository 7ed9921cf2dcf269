from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from personas.embedded import EmbeddedError, ServerThread, serve

from .conftest import Client

FRONT_END = "http://localhost:5173"
SERVE = """
import json, sys
from personas.embedded import serve
serve(sys.argv[1], print_line=lambda line: print(line, flush=True), **json.loads(sys.argv[2]))
print("stopped")
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A client of one service for all tests."""
    with ServerThread(scrypt_n=2) as server, Client(server.service) as client:
        yield client


@contextmanager
def _serve(place: Path, **options: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A process that serves, and the first lines that it printed by their first word."""
    command = [sys.executable, "-W", "error", "-c", SERVE, str(place), json.dumps({"port": 0, **options})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: dict[str, str] = {}
            for line in process.stdout:
                word, _, rest = line.strip().partition(" ")
                lines[word] = rest
                if word == "listening":
                    break
            yield process, lines
        finally:
            process.kill()


def _sign_in(port: str, password: str) -> int:
    credentials = {"email": "admin@embedded.localhost", "password": password}
    url = f"http://localhost:{port}/api/auth/sign-in/email"
    return httpx.post(url, json=credentials, trust_env=False).status_code


def test_the_first_start_alone_prints_a_password(tmp_path: Path) -> None:
    with ServerThread(tmp_path / "auth.db", scrypt_n=2):
        pass  # prints nothing, and leaves the admin without a password
    with _serve(tmp_path / "auth.db") as (process, lines):
        assert list(lines) == ["admin", "password", "database", "listening"]
        assert len(lines["password"]) == 32
        assert lines["database"] == str(tmp_path / "auth.db")
        port = lines["listening"].removeprefix("on http://localhost:")
        assert _sign_in(port, lines["password"]) == 200
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
        assert (process.returncode, out, error) == (0, "stopped\n", "")
    options = {"port": int(port), "base_url": "https://auth.example.test"}
    with _serve(tmp_path / "auth.db", **options) as (process, again):
        assert list(again) == ["admin", "database", "listening"]
        assert again["listening"] == "on https://auth.example.test"
        assert _sign_in(port, lines["password"]) == 200
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == -signal.SIGTERM


def test_starts_that_cannot_succeed_are_refused(tmp_path: Path) -> None:
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "short").write_text("short")
        cases: list[tuple[dict[str, Any], str]] = [
            ({"port": taken.getsockname()[1]}, "cannot listen on 127.0.0.1, port"),
            ({"host": "203.0.113.1"}, "cannot listen on 203.0.113.1"),
            ({"base_url": "localhost:3001"}, "is not a base URL"),
            ({"admin_password_file": tmp_path / "short"}, "must have 8 to 128 characters"),
        ]
        for options, message in cases:
            with pytest.raises(EmbeddedError, match=message):
                serve(tmp_path / "auth.db", print_line=lines.append, **{"port": 0, **options})
    assert lines == []


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
