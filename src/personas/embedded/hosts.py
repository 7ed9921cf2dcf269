"""The names under which the service is reached: a name that somebody else points here is refused."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from personas.embedded.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

OWN_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(address: str | None) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The name or address in a Host header, without its port; empty when there is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def served_hosts(name: str, address: str, allowed: Iterable[str]) -> frozenset[str] | None:
    """The hosts that are served.

    Args:
        name: What was to be bound.
        address: What it turned out to be.
        allowed: Further names.

    Returns:
        None for every host: where other machines come in, nobody knows by what name, unless it is told.

    Raises:
        AddressError: One of `allowed` is no host.
    """
    further = frozenset(_check_host(host) for host in allowed)
    if not further and not is_loopback(address):
        return None
    return OWN_HOSTS | {name.lower()} | further


def _check_host(text: str) -> str:
    host = host_of(text)
    if not host or re.fullmatch(r"[\w.:\[\]-]+", text, re.ASCII) is None:
        message = f"{text!r} is no name of a host"
        raise AddressError(message, hint="Write a name or an address alone, such as auth.test.")
    return host


def check_proxies(addresses: Iterable[str]) -> list[str]:
    """The addresses and networks of proxies, as they were given.

    Raises:
        AddressError: One of them is neither an address nor a network.
    """
    checked = list(addresses)
    for text in checked:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            message = f"{text!r} is no address of a proxy: {error}"
            hint = "Write an address or a network, such as 127.0.0.1 or 10.0.0.0/8."
            raise AddressError(message, hint=hint) from None
    return checked


class OnlyHosts:
    """Answers 400 to a request for a host that is not served.

    Starlette's TrustedHostMiddleware does the same, but does not tell whom it refuses and what to do.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or refuse it."""
        app = self._app
        if scope["type"] == "http":
            host = host_of(Headers(scope=scope).get("host", ""))
            if host not in self._hosts:
                app = _refusal(host)
        await app(scope, receive, send)


def _refusal(host: str) -> ASGIApp:
    shown = host.encode("unicode_escape").decode("ascii")
    text = f"This service is not served as {shown!r}. If it should be: personas serve --allow-host {shown}\n"
    return PlainTextResponse(text, 400)
