"""A service behind a proxy that lets few sign-ins through, as Better Auth does in production."""

from __future__ import annotations

import time
from typing import Any


class Limited:
    """Three sign-ins in so many seconds, then 429 with X-Retry-After; counts what it refused."""

    def __init__(self, app: Any, *, window: float) -> None:
        self._app = app
        self._window = window
        self._count = 0
        self._last = 0.0
        self.refused = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/api/auth/sign-in/email":
            await self._app(scope, receive, send)
            return
        now = time.monotonic()
        if now - self._last > self._window:
            self._count = 0
        if self._count >= 3:
            self.refused += 1
            left = f"{self._last + self._window - now + 0.01:.3f}".encode()
            headers = [(b"content-type", b"application/json"), (b"x-retry-after", left)]
            await send({"type": "http.response.start", "status": 429, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"message": "Too many requests."}'})
            return
        self._count, self._last = self._count + 1, now
        await self._app(scope, receive, send)
