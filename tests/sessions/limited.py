"""A service behind a proxy that lets few sign-ins through, as Better Auth does in production."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from personas.embedded import Embedded, serving

from .conftest import Service


class Limited:
    """Three sign-ins, then 429 with X-Retry-After for so many seconds, and again; counts what it refused.

    The wait begins with the first refusal: however slow the machine is, the fourth sign-in meets it.
    """

    def __init__(self, app: Any, *, window: float) -> None:
        self._app = app
        self._window = window
        self._count = 0
        self._until = 0.0
        self.refused = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/api/auth/sign-in/email":
            await self._app(scope, receive, send)
            return
        now = time.monotonic()
        if self._until and now >= self._until:
            self._count, self._until = 0, 0.0
        if self._count >= 3:
            self._until = self._until or now + self._window
            self.refused += 1
            left = f"{self._until - now + 0.01:.3f}".encode()
            headers = [(b"content-type", b"application/json"), (b"x-retry-after", left)]
            await send({"type": "http.response.start", "status": 429, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"message": "Too many requests."}'})
            return
        self._count += 1
        await self._app(scope, receive, send)


@contextmanager
def serving_few(service: Service, *, window: float) -> Iterator[tuple[str, Limited]]:
    """The service on another port, behind such a proxy."""
    behind = Embedded(service.embedded._service, admin=None)
    behind.app = limited = Limited(service.embedded.app, window=window)
    try:
        with serving(behind) as url:
            yield url, limited
    finally:
        behind.base_url = service.url
