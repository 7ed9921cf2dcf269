"""Connections that dawdle, and very many of them; all on loopback, bounded in number and time."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from personas.embedded import serving
from personas.embedded.connections import Bounds

from .client import PERSONAS
from .postgresql import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

    from .client import Client

HEAD = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
NEVER = Bounds(50, header_seconds=3600, body_seconds=3600, answer_seconds=3600)


def _connect(url: str, sent: bytes = b"") -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)
    connection.sendall(sent)
    return connection


def _everything(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    with connection:
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def _health(url: str) -> int:
    """The status as soon as the service has seen that the connections before are gone."""
    status = 0
    for _ in range(1000):
        with suppress(httpx.TransportError):
            status = httpx.get(f"{url}/health", timeout=20).status_code
            if status == 200:
                break
        time.sleep(0.02)
    return status


def _ended(connection: socket.socket, sent: bytes) -> bool:
    """Send again and again, reading nothing, until the other side has ended the connection."""
    for _ in range(1000):
        try:
            connection.sendall(sent)
        except ConnectionError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: "])
def test_half_a_head_is_waited_for_only_so_long(small: Client, sent: bytes) -> None:
    with serving(small.embedded, bounds=replace(NEVER, header_seconds=0.1)) as url:
        assert _everything(_connect(url, sent)) == b""


def test_a_head_that_comes_byte_by_byte_gains_no_time(small: Client) -> None:
    with (
        serving(small.embedded, bounds=replace(NEVER, header_seconds=0.3)) as url,
        _connect(url, b"G") as connection,
    ):
        assert _ended(connection, b"E")


def test_half_a_body_is_answered_408_and_not_logged(small: Client, caplog: pytest.LogCaptureFixture) -> None:
    with serving(small.embedded, bounds=replace(NEVER, body_seconds=0.1)) as url:
        answer = _everything(_connect(url, HEAD + b'{"email":'))
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"The request took too long to come")
    assert caplog.records == []


def test_an_answer_that_nobody_reads_ends_its_connection(small: Client) -> None:
    small.add_crowd({"archetype": "x" * 1_000_000} for _ in range(12))  # more than the system buffers
    with serving(small.embedded, bounds=replace(NEVER, answer_seconds=0.1)) as url:
        token = small.embedded.admin_token()
        head = f"GET {PERSONAS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        with _connect(url, head.encode()) as connection:
            assert _ended(connection, b"\r\n")


def test_a_connection_that_is_used_again_and_again_is_kept(small: Client) -> None:
    with (
        serving(small.embedded, bounds=replace(NEVER, header_seconds=0.1, body_seconds=0.1)) as url,
        httpx.Client(base_url=url) as client,
    ):
        start = time.monotonic()
        ports = set()
        while time.monotonic() - start < 0.3:
            answer = client.get("/health")
            assert answer.status_code == 200
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
        assert len(ports) == 1


def test_connections_beyond_the_limit_get_a_503_and_one_line(
    small: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(small.embedded, bounds=replace(NEVER, connections=10)) as url:
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(_connect(url))
            for _ in range(100):
                answer = _everything(_connect(url))
                assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert _health(url) == 200
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("10 connections at once are the limit")


def test_hundreds_of_half_open_connections_leave_it_answering_and_its_log_short(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "personas", "serve", "--port", "0", "--database", str(tmp_path / "a.db")]
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", *command],
        env={name: value for name, value in ENVIRONMENT.items() if not name.startswith(("MANA_", "PERSONA"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(_connect(url, b"GET / HT"))
            assert process.poll() is None
        assert _health(url) == 200
    finally:
        process.terminate()
        _, log = process.communicate(timeout=30)
    lines = log.splitlines()
    assert process.returncode == 0, log
    assert sum("connections at once are the limit" in line for line in lines) == 1
    assert len(lines) <= 4
    assert "Traceback" not in log
