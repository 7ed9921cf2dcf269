"""An HTTP proxy on a port, in front of a real service, that makes the faults a test asks for."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Literal

import anyio.to_thread
import httpx
from anyio.from_thread import start_blocking_portal

# Loading certificates, which plain http does not need, takes longer than a request.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Answer:
    """An answer of the proxy's own; nothing reaches the service."""

    status: int
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Break:
    """Close the connection: `before` the service sees the request, or after it acted (`lost` answer)."""

    when: Literal["before", "lost"]


@dataclass(frozen=True)
class Stall:
    """Answer nothing until the client gives up; the service acts if `forward`."""

    forward: bool = False


@dataclass(frozen=True)
class Hold:
    """Wait for an event, then forward."""

    until: threading.Event


@dataclass(frozen=True)
class Edit:
    """Forward, and change the service's answer."""

    change: Callable[[httpx.Response], Answer]


Fault = Answer | Break | Stall | Hold | Edit


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Script = Callable[[Request], Fault | None]


@dataclass
class Proxy:
    """Forwards to `upstream` and keeps every request.

    Attributes:
        script: Returns the fault of a request, or None; runs in the thread of the proxy.
        close: Refuses further connections; for scripts.
    """

    upstream: str
    url: str = ""
    script: Script = lambda _: None
    requests: list[Request] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    close: Callable[[], None] = lambda: None

    def count(self, method: str, path: str = "/") -> int:
        """Return how many requests with this method went to a path that begins so."""
        return sum(r.method == method and r.path.startswith(path) for r in self.requests)

    @property
    def writes(self) -> list[Request]:
        """The requests that create, update or delete personas."""
        return [r for r in self.requests if r.method != "GET" and r.path.startswith("/api/v1/")]

    def wait_for(self, condition: Callable[[], bool], timeout: float = 20) -> None:
        """Wait until `condition` holds; it is checked after each request."""
        with self.arrived:
            assert self.arrived.wait_for(condition, timeout)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        # Cancelled when the event loop of the portal ends.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            async with httpx.AsyncClient(
                base_url=self.upstream, timeout=60, trust_env=False, verify=NO_TLS, cookies=_no_cookies()
            ) as client:
                while (request := await self._read(reader)) is not None:
                    if not await self._answer(request, client, writer):
                        break
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        with self.arrived:
            request = Request(method, target, headers, body)
            self.requests.append(request)
            self.arrived.notify_all()
        return request

    async def _answer(
        self, request: Request, client: httpx.AsyncClient, writer: asyncio.StreamWriter
    ) -> bool:
        fault = self.script(request)
        match fault:
            case Answer():
                await self._write(writer, fault)
                return True
            case Break("before"):
                return self._reset(writer)
            case Stall(forward=False):
                await asyncio.sleep(30)
                return False
            case Hold(until):
                # Threads of their own: those of asyncio also look up host names.
                await anyio.to_thread.run_sync(until.wait, 20, abandon_on_cancel=True)
        headers = {k: v for k, v in request.headers.items() if k not in {"host", "connection"}}
        response = await client.request(request.method, request.target, headers=headers, content=request.body)
        match fault:
            case Break("lost"):
                return self._reset(writer)
            case Stall():
                await asyncio.sleep(30)
                return False
            case Edit(change):
                await self._write(writer, change(response))
            case _:
                skipped = {"content-length", "transfer-encoding", "connection"}
                kept = tuple((k, v) for k, v in response.headers.multi_items() if k not in skipped)
                await self._write(writer, Answer(response.status_code, response.content, kept))
        return True

    @staticmethod
    def _reset(writer: asyncio.StreamWriter) -> bool:
        # With this option, closing sends a reset.
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(1, 13, linger)
        return False

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
        headers = list(answer.headers)
        match answer.body:
            case None:
                body = b""
            case bytes():
                body = answer.body
            case str():
                body = answer.body.encode()
            case _:
                body = json.dumps(answer.body).encode()
                headers.append(("content-type", "application/json"))
        headers.append(("content-length", str(len(body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        writer.write(f"HTTP/1.1 {answer.status} X\r\n{lines}\r\n".encode("latin-1", "replace") + body)
        await writer.drain()


def _no_cookies() -> CookieJar:
    """Return a jar that keeps nothing: a proxy must not sign in later calls."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


@contextmanager
def open_proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy on a free port of 127.0.0.1."""
    proxy = Proxy(upstream)
    with start_blocking_portal() as portal:
        server = portal.call(lambda: asyncio.start_server(proxy.serve, "127.0.0.1", 0))
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        proxy.close = server.close
        yield proxy
        # Running connections end with the event loop of the portal.
        portal.call(server.close)


def every(fault: Fault, *, method: str = "", path: str = "", times: int | None = None) -> Script:
    """Return a script with this fault for matching requests, at most `times` times for each of them."""
    seen: Counter[str] = Counter()

    def script(request: Request) -> Fault | None:
        if method not in {"", request.method} or path not in request.path:
            return None
        key = f"{request.method} {request.target} {request.body!r}"
        seen[key] += 1
        return fault if times is None or seen[key] <= times else None

    return script
