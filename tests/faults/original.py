"""The service as it was before it was made safe: an upsert with a human's email turns them into a persona."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from personas.embedded import Embedded
from personas.embedded import schema as tables

ENDPOINT = "/api/v1/admin/personas"


def swallowing(embedded: Embedded) -> Any:
    """The embedded service without its own protection of humans; only the client's checks are left."""
    inner = embedded.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != ENDPOINT:
            await inner(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        email = json.loads(body)["email"].lower()
        users = tables.users
        turned = sa.update(users).where(users.c.email == email).values(kind="persona", access_tier="founder")
        embedded._service.database.write(lambda connection: connection.execute(turned))

        async def again() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        await inner(scope, again, send)

    return app
