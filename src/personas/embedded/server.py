"""The service on a port: for `personas serve`, and in a thread for tests."""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import uvicorn

from personas.embedded.app import make_app
from personas.embedded.errors import EmbeddedError
from personas.embedded.passwords import SCRYPT_N
from personas.embedded.service import ADMIN_EMAIL, open_service, reset_database, utc_now

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from personas.embedded.service import Service

LOOPBACK: Final = "127.0.0.1"
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
MAX_CONNECTIONS: Final = 500
KEEP_ALIVE_SECONDS: Final = 5
SHUTDOWN_SECONDS: Final = 5


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
    """Serve until SIGINT, SIGTERM or SIGHUP; Ctrl-C returns, the other signals end the process.

    Args:
        place: A file or a `postgresql://` URL.
        print_line: Prints a line at once: the admin, the password on the first start, the addresses.
        host: The address to bind.
        port: The port to bind; 0 takes a free one.
        base_url: The address at which clients reach the service; needed for other hosts than loopback.
        service_key: What the runner sends as X-Service-Key.
        admin_password_file: A file with the admin's password; by default the first start makes one.
        reset: Whether to delete everything first.

    Raises:
        EmbeddedError: The database, the address or the password cannot be used.
    """
    password = None if admin_password_file is None else _read_password(admin_password_file)
    with closing(_bind(host, port)) as bound:
        url = _base_url(bound, base_url)
        if reset:
            reset_database(place)
        service, made = open_service(place, base_url=url, service_key=service_key, admin_password=password)
        with closing(service):
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

    Args:
        place: A file or a `postgresql://` URL; None for a database that is deleted at the end.
        base_url: The address that the service takes for its own; by default `url`.
        service_key: What the runner sends as X-Service-Key.
        scrypt_n: A small power of two makes quick password hashes.
        clock: Returns the time, in UTC.

    Attributes:
        url: Where the service listens.
        service: Its state.
    """

    url: str
    service: Service

    def __init__(
        self,
        place: str | Path | None = None,
        *,
        base_url: str | None = None,
        service_key: str | None = None,
        scrypt_n: int = SCRYPT_N,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._place = place
        self._base_url = base_url
        self._service_key = service_key
        self._scrypt_n = scrypt_n
        self._clock = clock

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="personas-")
        bound = _bind(LOOPBACK, 0)
        self.url = _base_url(bound, None)
        try:
            self.service, _ = open_service(
                self._place or Path(self._folder.name) / "auth.db",
                base_url=self._base_url or self.url,
                service_key=self._service_key,
                scrypt_n=self._scrypt_n,
                clock=self._clock,
            )
        except BaseException:
            bound.close()
            self._folder.cleanup()
            raise
        self._server = _make_server(self.service, bound, LOOPBACK)
        # The socket listens already: requests wait until the thread accepts them.
        self._thread = threading.Thread(target=self._server.run, args=([bound],), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.service.close()
        self._folder.cleanup()

    def admin_token(self) -> str:
        """A fresh access token of an admin, for 15 minutes."""
        return self.service.admin_token()


def _make_server(service: Service, bound: socket.socket, host: str) -> uvicorn.Server:
    service.on_loopback = _is_loopback(bound)
    hosts = ["*"]
    if service.on_loopback:
        # A name that another site points to this machine must not reach the service.
        own = urlsplit(service.base_url).hostname or "localhost"
        hosts = [*LOOPBACK_NAMES, *(f"[{name}]" if ":" in name else name for name in (host, own))]
    config = uvicorn.Config(
        make_app(service, allowed_hosts=hosts),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Use another --port, or --port 0 for a free one."
        raise EmbeddedError(f"cannot listen on {host}, port {port}: {reason}", hint=hint) from None


def _is_loopback(bound: socket.socket) -> bool:
    return ipaddress.ip_address(bound.getsockname()[0]).is_loopback


def _base_url(bound: socket.socket, given: str | None) -> str:
    if given is not None:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise EmbeddedError(
                f"{given} is not a base URL", hint="Write one like https://auth.example.test."
            )
        return given
    if not _is_loopback(bound):
        hint = "Pass --base-url with the address that clients use, such as http://192.168.1.5:3001."
        raise EmbeddedError("a service that other machines reach needs a base URL", hint=hint)
    return f"http://localhost:{bound.getsockname()[1]}"


def _read_password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        message = f"cannot read the admin's password from {file}: {reason}"
        raise EmbeddedError(message, hint="Check --admin-password-file.") from None
