"""The embedded service on a port: for `personas serve`, and in a thread for tests."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from personas.embedded.connections import WAITING, Bounds, bounded
from personas.embedded.errors import AddressError
from personas.embedded.hosts import OnlyHosts, check_proxies, served_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from personas.embedded.instance import Embedded

LOOPBACK: Final = "127.0.0.1"
ANY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound
SHUTDOWN_SECONDS: Final = 5


class _Server(uvicorn.Server):
    """uvicorn, but it leaves signals to us, tells when it listens, and follows no variable of its own."""

    def __init__(self, app: ASGIApp, bounds: Bounds, trusted_proxies: list[str]) -> None:
        config = uvicorn.Config(
            app,
            http=bounded(bounds),
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="error",  # what strangers send wrong is no news
            access_log=False,
            server_header=False,
            workers=1,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
            backlog=bounds.accepted_at_once,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        super().__init__(config)
        self.listening = threading.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Do nothing: uvicorn raises each signal again when it has stopped, which is no clean end."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        for bound in sockets or ():
            bound.listen(WAITING)  # asyncio has one number for this queue and for how many it takes at once
        self.listening.set()


def serve(
    embedded: Embedded,
    *,
    host: str = LOOPBACK,
    port: int = 3001,
    allow_hosts: Sequence[str] = (),
    trusted_proxies: Sequence[str] = (),
    bounds: Bounds | None = None,
    ready: Callable[[str], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests finish and return.

    Args:
        embedded: The service.
        host: The address to bind.
        port: The port to bind; 0 takes a free one.
        allow_hosts: Names besides its own under which it is served; on loopback all others are refused.
        trusted_proxies: The addresses, or networks, whose X-Forwarded-For is believed.
        bounds: The bounds of its connections; by default what this process can bear.
        ready: Called with the base URL as soon as requests are answered.
        log: Called with a line for each request; it holds no query, header or body.

    Raises:
        AddressError: The address cannot be bound, or a host or a proxy is none.
    """
    with _bind(host, port) as bound:
        server = _make_server(
            embedded, bound, host, allow_hosts=allow_hosts, proxies=trusted_proxies, bounds=bounds, log=log
        )

        async def run() -> None:
            loop = asyncio.get_running_loop()

            def stop() -> None:
                server.force_exit = server.should_exit  # asked twice: do not wait for running requests
                server.should_exit = True

            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop)
            if ready is not None:
                ready(embedded.base_url)
            await server.serve(sockets=[bound])

        asyncio.run(run())


@contextmanager
def serving(
    embedded: Embedded,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    allow_hosts: Sequence[str] = (),
    trusted_proxies: Sequence[str] = (),
    bounds: Bounds | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[str]:
    """Serve from a thread for as long as the block runs; gives the base URL. The arguments are `serve`'s.

    Raises:
        AddressError: The address cannot be bound, or a host or a proxy is none.
    """
    with _bind(host, port) as bound:
        server = _make_server(
            embedded, bound, host, allow_hosts=allow_hosts, proxies=trusted_proxies, bounds=bounds, log=log
        )
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[bound])), name="personas-embedded", daemon=True
        )
        thread.start()
        while not server.listening.wait(0.1):
            if not thread.is_alive():
                message = f"the embedded service stopped before it listened on {embedded.base_url}"
                raise AddressError(message)
        try:
            yield embedded.base_url
        finally:
            server.should_exit = True
            thread.join()


def _make_server(
    embedded: Embedded,
    bound: socket.socket,
    host: str,
    *,
    allow_hosts: Sequence[str],
    proxies: Sequence[str],
    bounds: Bounds | None,
    log: Callable[[str], None] | None,
) -> _Server:
    hosts = served_hosts(host, bound.getsockname()[0], allow_hosts)
    app = embedded.app if hosts is None else OnlyHosts(embedded.app, hosts)
    app = _LogRequests(app, log) if log else app
    server = _Server(app, bounds or Bounds.of_this_process(), check_proxies(proxies))
    embedded.base_url = _url(host, bound)
    return server


def _bind(host: str, port: int) -> socket.socket:
    hint = "Choose another one with --port, or --port 0 for any free one."
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError, OverflowError) as error:
        message = f"the address {host}:{port} cannot be used: {error}"
        raise AddressError(message, hint="Name an address of this machine, such as 127.0.0.1.") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(WAITING)
    except (OSError, OverflowError) as error:
        bound.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is taken by another program"
        else:
            reason = getattr(error, "strerror", None) or str(error)
            message = f"port {port} of {host} cannot be used: {reason}"
        raise AddressError(message, hint=hint) from None
    return bound


def _url(host: str, bound: socket.socket) -> str:
    name = "localhost" if host in ANY_ADDRESS else host
    port = bound.getsockname()[1]
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class _LogRequests:
    """A line for each request: method, path, status, milliseconds."""

    def __init__(self, app: ASGIApp, log: Callable[[str], None]) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = "-"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            milliseconds = (time.perf_counter() - start) * 1000
            path = scope["path"].encode("unicode_escape").decode("ascii")
            self._log(f"{scope['method']} {path} {status} {milliseconds:.0f} ms")
