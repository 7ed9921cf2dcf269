"""A small HTTP server that misbehaves by script: in front of a real service, or all by itself."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Literal

from anyio.from_thread import start_blocking_portal


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer made up; nothing is forwarded."""

    status: int = 200
    body: bytes | str | object = b""
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None  # instead of all of it

    @property
    def keeps_the_connection(self) -> bool:
        return self.raw is None and "connection" not in {name.lower() for name, _ in self.headers}

    def encoded(self) -> bytes:
        if self.raw is not None:
            return self.raw
        body = self.body
        if isinstance(body, str):
            body = body.encode()
        kind = b""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            kind = b"content-type: application/json\r\n"
        lines = b"".join(f"{name}: {value}\r\n".encode("latin-1", "replace") for name, value in self.headers)
        if "content-length" not in {name.lower() for name, _ in self.headers}:
            lines += b"content-length: %d\r\n" % len(body)
        return b"HTTP/1.1 %d X\r\n%s%s\r\n%s" % (self.status, kind, lines, body)


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection: before the service hears of it, in its answer, or instead of its answer."""

    when: Literal["before", "in", "lost"]


@dataclass(frozen=True, slots=True)
class Cut:
    """Let the service act, answer half of what it says, and close the connection in good order."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing until the client gives up."""

    forward: bool = False


@dataclass(frozen=True, slots=True)
class Drip:
    """Answer one byte at a time."""

    pause: float = 0.01


@dataclass(frozen=True, slots=True)
class Hold:
    """Forward only when the test lets it."""

    until: threading.Event


@dataclass(frozen=True, slots=True)
class Then:
    """Forward, then answer what this makes of the service's answer (status, head, body)."""

    change: Callable[[int, bytes, bytes], bytes]


Fault = Answer | Reset | Cut | Stall | Drip | Hold | Then


class Requests(list["Seen"]):
    """Requests in the order of their arrival."""

    def to(self, *parts: str) -> Requests:
        """Those whose `METHOD /path` holds all of these patterns."""
        return Requests(seen for seen in self if seen.matches(*parts))


@dataclass(slots=True)
class Seen:
    """One request as it arrived, and what was known when it did."""

    method: str
    path: str
    query: str
    headers: dict[str, str]  # a script may change what is forwarded
    body: bytes
    at: float
    all: Requests  # every request so far, this one included
    number: int  # which of them it is, from 1
    together: int  # how many requests were under way, this one included
    status: int = 0  # what was answered in the end; 0 for nothing

    @property
    def target(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def email(self) -> str:
        """Whom the body is about; empty where it does not say so."""
        return str(json.loads(self.body or "{}").get("email", ""))

    def matches(self, *parts: str) -> bool:
        return all(re.search(part, self.target) for part in parts)


Script = Callable[[Seen], Fault | None]


def nothing(_: Seen) -> None:
    """The script of a proxy that only forwards."""


def when(
    *parts: str,
    then: Fault | Callable[[], Fault | None],
    email: str | None = None,
    first: int = 1,
    times: float = math.inf,
) -> Script:
    """A script that answers so, or acts so, when a request is to these parts, and forwards all others.

    Args:
        parts: Patterns that are all in the request's `METHOD /path`.
        then: The fault, or what is to be done; the request is forwarded unless that returns a fault.
        email: Whom the request's body must be about.
        first: From which of these requests on.
        times: To how many of them.
    """
    earlier = count(1)

    def script(seen: Seen) -> Fault | None:
        if not seen.matches(*parts) or email not in {None, seen.email}:
            return None
        if not first <= next(earlier) < first + times:
            return None
        return then() if callable(then) else then

    return script


@dataclass(slots=True)
class FaultServer:
    """What a test sees of the server.

    Attributes:
        script: Asked about each request; None forwards it (without a service behind it: answers 404).
        upstream: The service behind it, if there is one.
        url: Where it listens.
        seen: Every request.
        connections: How many there have been.
        failures: What a script has raised.
    """

    script: Script
    upstream: str | None
    url: str = ""
    seen: Requests = field(default_factory=Requests)
    connections: int = 0
    failures: list[Exception] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    under_way: int = 0

    def wait_for(self, number: int, *parts: str) -> None:
        """Wait until so many requests to these parts have arrived."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen.to(*parts)) >= number, 20), self.seen

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None) -> AsyncIterator[None]:
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22, ssl=tls)
        host, port = listener.sockets[0].getsockname()
        self.url = f"{'https' if tls else 'http'}://{host}:{port}"
        yield
        listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await _Connection(self, reader, writer, _Upstream(self.upstream)).serve()


@contextmanager
def fault_server(
    script: Script = nothing, upstream: str | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[FaultServer]:
    """Run a server on a free port of this machine, from a thread."""
    server = FaultServer(script, upstream)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server.listening(tls)):
        yield server
    for error in server.failures:
        raise error


@dataclass(frozen=True, slots=True)
class _Connection:
    """One connection of a client, for as long as it is kept."""

    server: FaultServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: _Upstream

    async def serve(self) -> None:
        try:
            while await self._serve_one():
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        except Exception as error:
            self.server.failures.append(error)
            raise
        finally:
            self.upstream.close()
            self.writer.transport.abort()

    async def _serve_one(self) -> bool:
        """Answer one request; tell whether another one may follow."""
        first, headers = _read_head(await self.reader.readuntil(b"\r\n\r\n"))
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        server, number = self.server, len(self.server.seen) + 1
        server.under_way += 1
        seen = Seen(method, path, query, headers, body, monotonic(), server.seen, number, server.under_way)
        try:
            with server.changed:
                server.seen.append(seen)
                server.changed.notify_all()
            return await self._answer(seen, server.script(seen))
        finally:
            server.under_way -= 1

    async def _answer(self, seen: Seen, fault: Fault | None) -> bool:
        match fault:
            case Reset("before"):
                return self._reset()
            case Stall(forward=False):
                return await self._wait_for_the_end()
            case Answer():
                seen.status = fault.status
                await self._send(fault.encoded())
                return fault.keeps_the_connection
            case Hold(until):
                await asyncio.to_thread(until.wait, 20)
        if self.server.upstream is None:
            seen.status = 404
            await self._send(Answer(404, {"error": "Not found"}).encoded())
            return True
        whole = await self.upstream.forward(seen)
        seen.status = int(whole[9:12])
        return await self._answer_in_part(seen, fault, whole)

    async def _answer_in_part(self, seen: Seen, fault: Fault | None, whole: bytes) -> bool:
        """Send what a fault leaves of the service's answer."""
        head, end, body = whole.partition(b"\r\n\r\n")
        half = head + end + body[: len(body) // 2]
        match fault:
            case Reset("lost"):
                return self._reset()
            case Reset("in"):
                await self._send(half)
                return self._reset()
            case Cut():
                await self._send(half)
                self.writer.close()
                return False
            case Stall():
                return await self._wait_for_the_end()
            case Drip(pause):
                for byte in whole:
                    await self._send(bytes([byte]))
                    await asyncio.sleep(pause)
            case Then(change):
                await self._send(change(seen.status, head + end, body))
            case _:
                await self._send(whole)
        return True

    async def _send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def _wait_for_the_end(self) -> bool:
        await self.reader.read()
        return False

    def _reset(self) -> bool:
        """Send a TCP reset instead of an orderly end."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        return False


def _read_head(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line, and the headers by their names."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    return first, {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


class _Upstream:
    """The way to the real service, over one connection for as long as it keeps it."""

    def __init__(self, url: str | None) -> None:
        self._host, _, self._port = (url or "").removeprefix("http://").partition(":")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def forward(self, seen: Seen) -> bytes:
        """The whole answer of the service, fit for a kept connection."""
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection(self._host, int(self._port))
        reader, writer = self._streams
        target = f"{seen.path}?{seen.query}" if seen.query else seen.path
        lines = "".join(f"{name}: {value}\r\n" for name, value in seen.headers.items())
        writer.write(f"{seen.method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        writer.write(seen.body)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        _, headers = _read_head(head)
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
            head = head.replace(b"connection: close\r\n", b"")
        return head + body

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
