"""A small auth service that behaves as the real one, for trying out the tool and for tests.

async with open_embedded(None) as embedded:
    transport = httpx.ASGITransport(embedded.app)
    client = httpx.AsyncClient(transport=transport, base_url=embedded.base_url)
    token = embedded.admin_token()
"""

from personas.embedded.app import EmbeddedService, open_embedded
from personas.embedded.database import EmbeddedError
from personas.embedded.server import ServerThread, serve

__all__ = ["EmbeddedError", "EmbeddedService", "ServerThread", "open_embedded", "serve"]
