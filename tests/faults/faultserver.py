"""A small HTTP server that misbehaves by script: in front of a real service, or all by itself."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal


@dataclass(slots=True)
class Seen:
    """One request as it arrived, and what was known when it did."""

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]  # a script may change what is forwarded
    body: bytes
    at: float
    together: int  # how many requests were under way, this one included
    status: int = 0  # what was answered in the end; 0 for nothing

    @property
    def target(self) -> str:
        return f"{self.method} {self.path}"

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer made up; nothing is forwarded."""

    status: int = 200
    body: bytes | str | object = b""
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None  # instead of all of it

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
Script = Callable[[Seen], Fault | None]


def nothing(seen: Seen) -> None:
    """The script of a proxy that only forwards."""
    del seen


@dataclass(slots=True)
class FaultServer:
    """What a test sees of the server.

    Attributes:
        url: Where it listens.
        script: Asked about each request; None forwards it (without a service behind it: answers 404).
        seen: Every request, in the order of arrival.
    """

    url: str
    script: Script
    upstream: str | None = None
    seen: list[Seen] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    connections: int = 0
    _under_way: int = 0

    def to(self, *parts: str) -> list[Seen]:
        """The requests whose `METHOD /path` holds all of these parts."""
        return [seen for seen in self.seen if all(part in seen.target for part in parts)]

    def wait_for(self, number: int, timeout: float = 20.0) -> None:
        """Wait until so many requests have arrived."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen) >= number, timeout), len(self.seen)

    # On the loop's thread

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream = _Upstream(self.upstream)
        try:
            while (request := await _read_request(reader)) is not None:
                if not await self._answer(request, upstream, reader, writer):
                    break
        except (
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            asyncio.CancelledError,
            ssl.SSLError,
        ):
            pass
        finally:
            upstream.close()
            writer.transport.abort()

    async def _answer(
        self,
        request: _Request,
        upstream: _Upstream,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        self._under_way += 1
        path, _, query = request.target.partition("?")
        seen = Seen(
            number=len(self.seen) + 1,
            method=request.method,
            path=path,
            query=query,
            headers=request.headers,
            body=request.body,
            at=monotonic(),
            together=self._under_way,
        )
        try:
            with self.changed:
                self.seen.append(seen)
                self.changed.notify_all()
            return await self._do(self.script(seen), seen, request, upstream, reader, writer)
        finally:
            self._under_way -= 1

    async def _do(  # noqa: C901, PLR0912 - one branch for each fault
        self,
        fault: Fault | None,
        seen: Seen,
        request: _Request,
        upstream: _Upstream,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        match fault:
            case Reset("before"):
                return _reset(writer)
            case Stall(forward=False):
                await reader.read()
                return False
            case Answer():
                whole = fault.encoded()
                seen.status = fault.status
                writer.write(whole)
                await writer.drain()
                return fault.raw is None and "connection" not in {n.lower() for n, _ in fault.headers}
            case Hold(until):
                await asyncio.to_thread(until.wait, 20)
        if self.upstream is None:
            seen.status = 404
            writer.write(Answer(404, {"error": "Not found"}).encoded())
            return True
        whole = await upstream.forward(request)
        head, _, body = whole.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        seen.status = int(whole[9:12])
        match fault:
            case Reset("lost"):
                return _reset(writer)
            case Reset("in"):
                writer.write(head + body[: len(body) // 2])
                await writer.drain()
                return _reset(writer)
            case Cut():
                writer.write(head + body[: len(body) // 2])
                await writer.drain()
                writer.close()
                return False
            case Stall():
                await reader.read()
                return False
            case Drip(pause):
                for byte in whole:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(pause)
            case Then(change):
                writer.write(change(seen.status, head, body))
            case _:
                writer.write(whole)
        await writer.drain()
        return True


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def _fields(lines: list[str]) -> dict[str, str]:
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def _read_request(reader: asyncio.StreamReader) -> _Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = _fields(lines)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return _Request(method, target, headers, body)


class _Upstream:
    """The way to the real service, over one connection for as long as it keeps it."""

    def __init__(self, url: str | None) -> None:
        self._host, _, self._port = (url or "").removeprefix("http://").partition(":")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def forward(self, request: _Request) -> bytes:
        """The whole answer of the service, fit for a kept connection."""
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection(self._host, int(self._port))
        reader, writer = self._streams
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        writer.write(f"{request.method} {request.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        writer.write(request.body)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        fields = _fields(head.decode("latin-1").split("\r\n")[1:-2])
        body = await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            self.close()
            head = head.replace(b"connection: close\r\n", b"")
        return head + body

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Send a TCP reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


@contextmanager
def fault_server(
    script: Script = nothing, upstream: str | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[FaultServer]:
    """Run a server on a free port of this machine, from a thread."""
    ready = threading.Event()
    server = FaultServer(url="", script=script, upstream=upstream)
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def run() -> None:
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await server.serve(reader, writer)
            finally:
                tasks.discard(task)

        listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**22, ssl=tls)
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        ready.set()
        await done.wait()
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(run())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=work, name="fault-server", daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
