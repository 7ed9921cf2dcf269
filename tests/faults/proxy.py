"""An HTTP proxy on a port, in front of a real service, that makes the faults a test asks for."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

# Loading certificates, which plain http does not need, takes longer than a request.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# No wait of the proxy is longer; seconds.
MAX_WAIT = 30


@dataclass(frozen=True)
class Answer:
    """An answer of the proxy's own; nothing reaches the service."""

    status: int
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()


class Cut(Enum):
    """No answer: the connection ends, or nothing comes until the client gives up."""

    RESET = auto()  # before the service sees the request
    LOST = auto()  # after the service acted
    STALL = auto()  # the service does not see the request
    LATE = auto()  # the service acts


# An event holds the request until it is set; a function changes the service's answer.
Fault = Answer | Cut | threading.Event | Callable[[httpx.Response], Answer]


@dataclass
class Request:
    """A request as it arrived; names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Script = Callable[[Request], Fault | None]


class Proxy(ThreadingHTTPServer):
    """Forwards to a service and keeps every request.

    Attributes:
        script: Returns the fault of a request, or None; runs in threads of the proxy, one at a time.
        errors: What went wrong in the proxy itself.
    """

    daemon_threads = False  # so that closing waits for all
    request_queue_size = 100

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.client = client
        self.script: Script = lambda _: None
        self.requests: list[Request] = []
        self.arrived = threading.Condition()
        self.ended = threading.Event()
        self.errors: list[BaseException | None] = []

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
            assert self.arrived.wait_for(condition, timeout), self.requests

    def refuse(self) -> None:
        """Refuse further connections."""
        self.shutdown()
        self.socket.close()

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # a shutdown before it would be an ordinary end

    def handle_error(self, *_: object) -> None:
        if not isinstance(error := sys.exception(), ConnectionError):
            self.errors.append(error)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for an answer
    timeout = MAX_WAIT
    server: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(self.command, self.path, headers, body)
        with self.server.arrived:
            self.server.requests.append(request)
            fault = self.server.script(request)
            self.server.arrived.notify_all()
        if isinstance(fault, Answer):
            return self.send(fault)
        if fault in {Cut.RESET, Cut.STALL}:
            return self.cut(fault is Cut.RESET)
        if isinstance(fault, threading.Event):
            assert fault.wait(MAX_WAIT), "nothing ended a hold"
        headers = {k: v for k, v in headers.items() if k not in {"host", "connection"}}
        response = self.server.client.request(request.method, request.target, headers=headers, content=body)
        if fault in {Cut.LOST, Cut.LATE}:
            return self.cut(fault is Cut.LOST)
        if callable(fault):
            return self.send(fault(response))
        skipped = {"content-length", "transfer-encoding", "connection"}
        kept = tuple((k, v) for k, v in response.headers.multi_items() if k not in skipped)
        return self.send(Answer(response.status_code, response.content, kept))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - names of the base class

    def cut(self, reset: bool) -> None:
        if reset:  # with this option, closing sends one
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.server.ended.wait(MAX_WAIT)
        self.close_connection = True

    def send(self, answer: Answer) -> None:
        self.send_response_only(answer.status, "X")
        for name, value in answer.headers:
            self.send_header(name, value)
        body = answer.body if isinstance(answer.body, bytes) else str(answer.body or "").encode()
        if not isinstance(answer.body, bytes | str | None):
            body = json.dumps(answer.body).encode()
            self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def open_proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy on a free port of 127.0.0.1; at the end, nothing of it runs any more."""
    # A jar that keeps nothing: a proxy must not sign in later calls.
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    options: Any = {"timeout": MAX_WAIT, "trust_env": False, "verify": NO_TLS, "cookies": jar}
    with httpx.Client(base_url=upstream, **options) as client, Proxy(client) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.ended.set()
            proxy.shutdown()
    assert proxy.errors == []


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
