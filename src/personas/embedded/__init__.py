"""The embedded auth service: a faithful small one, so that everything here runs on a fresh machine.

    with Embedded.open() as embedded:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(embedded.app), base_url=embedded.base_url)
        token = embedded.admin_token()

Importing this package costs nothing; the database and web libraries are imported when a name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.embedded.errors import AddressError, DatabaseError, EmbeddedError

if TYPE_CHECKING:
    from personas.embedded.instance import AdminCredentials, Contents, Embedded
    from personas.embedded.server import serve, serving

__all__ = [
    "AddressError",
    "AdminCredentials",
    "Contents",
    "DatabaseError",
    "Embedded",
    "EmbeddedError",
    "serve",
    "serving",
]

_HOMES = {
    "AdminCredentials": "instance",
    "Contents": "instance",
    "Embedded": "instance",
    "serve": "server",
    "serving": "server",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
