"""The service on a port: for `personas serve`, and in a thread for tests."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self
from urllib.parse import urlsplit

import uvicorn

from personas.embedded.app import make_app
from personas.embedded.database import EmbeddedError
from personas.embedded.service import ADMIN_EMAIL, Service

LOOPBACK: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 500
STOP_SECONDS: Final = 15.0  # how long a server may take to stop


def serve(
    place: str | Path,
    *,
    print_line: Callable[[str], None],
    host: str = LOOPBACK,
    port: int = 3001,
    base_url: str | None = None,
    service_key: str | None = None,
    admin_password_file: Path | None = None,
    reset: bool = False,
) -> None:
    """Serve until a signal: Ctrl-C returns, SIGTERM ends the process after the running requests.

    `place` is a file or a `postgresql://` URL; `base_url`, the address that clients use, is needed unless
    `host` is loopback; port 0 is a free one. `print_line` prints the admin, a new password and the address.
    Raises EmbeddedError if the database, the address or the password cannot be used.
    """
    password = None if admin_password_file is None else _read_password(admin_password_file)
    with closing(_bind(host, port)) as bound:
        url = _base_url(bound, base_url)
        with closing(Service(place, base_url=url, service_key=service_key, reset=reset)) as service:
            made = service.ensure_admin_password(password)
            print_line(f"admin {ADMIN_EMAIL}")
            if made is not None:
                print_line(f"password {made}")
            print_line(f"database {service.database.name}")
            print_line(f"listening on {service.base_url}")
            try:
                _make_server(service, bound, host).run(sockets=[bound])
            except KeyboardInterrupt:  # uvicorn raises the signal again after it has stopped
                return


class ServerThread:
    """A service on a free port, in a thread, for as long as a `with` block runs.

    `place` is a file or a `postgresql://` URL; without it, the database is deleted at the end. The options
    are those of `Service`; its `base_url` is by default `url`, the address where it listens.
    """

    url: str
    service: Service

    def __init__(
        self, place: str | Path | None = None, *, admin_password: str | None = None, **options: Any
    ) -> None:
        self._place = place
        self._admin_password = admin_password
        self._options = options

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="personas-"))
            bound = stack.enter_context(closing(_bind(LOOPBACK, 0)))
            self.url = _base_url(bound, None)
            place = self._place or Path(folder) / "auth.db"
            self.service = Service(place, **{"base_url": self.url, **self._options})
            stack.callback(self.service.close)
            if self._admin_password is not None:
                self.service.ensure_admin_password(self._admin_password)
            server = _make_server(self.service, bound, LOOPBACK)
            # The socket listens already: requests wait until the thread accepts them.
            thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
            thread.start()
            # A test that moves the clock makes the event loop sleep for as long.
            stack.callback(thread.join, STOP_SECONDS)
            stack.callback(setattr, server, "should_exit", True)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def admin_token(self) -> str:
        """A fresh access token of an admin, for 15 minutes."""
        return self.service.admin_token()


def _make_server(service: Service, bound: socket.socket, host: str) -> uvicorn.Server:
    hosts = ["*"]
    service.on_loopback = _is_loopback(bound)
    if service.on_loopback:
        # A name that another site points to this machine must not reach the service.
        names = {"localhost", LOOPBACK, "::1", host, urlsplit(service.base_url).hostname or host}
        hosts = [f"[{name}]" if ":" in name else name for name in names]
    config = uvicorn.Config(
        make_app(service, allowed_hosts=hosts),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Use another --port, or --port 0 for a free one."
        raise EmbeddedError(f"cannot listen on {host}, port {port}: {reason}", hint=hint) from None
    # Connections inherit it. asyncio sets it only on its own sockets; without it, an answer takes 40 ms.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def _is_loopback(bound: socket.socket) -> bool:
    return ipaddress.ip_address(bound.getsockname()[0]).is_loopback


def _base_url(bound: socket.socket, given: str | None) -> str:
    if given is not None:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            hint = "Write one like https://auth.example.test."
            raise EmbeddedError(f"{given} is not a base URL", hint=hint)
        return given
    if not _is_loopback(bound):
        hint = "Pass --base-url with the address that clients use, such as http://192.168.1.5:3001."
        raise EmbeddedError("a service that other machines can reach needs a base URL", hint=hint)
    return f"http://localhost:{bound.getsockname()[1]}"


def _read_password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        message = f"cannot read the admin's password from {file}: {reason}"
        raise EmbeddedError(message, hint="Check --admin-password-file.") from None
