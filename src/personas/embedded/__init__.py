"""A small auth service that behaves as the real one, for trying out the tool and for tests.

    async with open_embedded(None) as embedded:
        transport = httpx.ASGITransport(embedded.app)
        client = httpx.AsyncClient(transport=transport, base_url=embedded.base_url)
        token = embedded.admin_token()

Importing this package is quick; the web and database libraries are imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from personas.embedded.errors import EmbeddedError

if TYPE_CHECKING:
    from personas.embedded.app import EmbeddedService, open_embedded
    from personas.embedded.server import ServerThread, serve

__all__ = ["EmbeddedError", "EmbeddedService", "ServerThread", "open_embedded", "serve"]

_MODULES = {
    "EmbeddedService": "app",
    "ServerThread": "server",
    "open_embedded": "app",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
