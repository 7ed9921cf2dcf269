"""Whose pages may use the service: CORS for front ends, and no cookie used or set for a foreign page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from personas.embedded.answers import coded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PRODUCT: Final = ("https://mana.how",)  # its pages are trusted with a cookie, and get no CORS headers
METHODS: Final = "GET,HEAD,PUT,POST,DELETE,PATCH"
HEADERS: Final = "Content-Type,Authorization,X-Service-Key,X-App-Id"
# A path of this service: nothing that a browser could take for another host.
OWN_PATH: Final = re.compile(r"/(?!/|\\|%2f|%5c)[\w\-.+/@]*(?:\?[\w\-.+/=&%@]*)?", re.IGNORECASE | re.ASCII)
READING: Final = ("GET", "HEAD", "OPTIONS")


class Origins:
    """The origins that are trusted.

    Args:
        front_ends: Those that get CORS headers.
    """

    def __init__(self, front_ends: Sequence[str]) -> None:
        self.front_ends = tuple(origin.rstrip("/") for origin in front_ends)

    def require_trusted(self, request: Request, own: str) -> None:
        """Refuse what a foreign page sends with a cookie of this service, whose base URL is `own`.

        Raises:
            Refusal: 403, for a request that may change something and has a cookie.
        """
        if request.method not in READING and "cookie" in request.headers:
            self.require_page(request, own)

    def require_signing_in(self, request: Request, own: str) -> None:
        """Refuse to sign a browser in for a foreign page.

        A browser marks what a page sends by Sec-Fetch headers where the service is on its own machine or has
        TLS; elsewhere a form has the page's Origin, and JSON needs a preflight, which denies a foreign page.

        Raises:
            Refusal: 403.
        """
        headers = request.headers
        fetched = any(headers.get(f"sec-fetch-{about}", "").strip() for about in ("site", "mode", "dest"))
        is_form = not headers.get("content-type", "").strip().lower().startswith("application/json")
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") == "navigate":
            code = "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED"
            raise coded(
                403, code, "Cross-site navigation login blocked. This request appears to be a CSRF attack."
            )
        if "cookie" in headers or fetched or (is_form and "origin" in headers):
            self.require_page(request, own)

    def require_page(self, request: Request, own: str) -> None:
        """Refuse what no trusted page sends.

        Raises:
            Refusal: 403.
        """
        origin = request.headers.get("origin") or request.headers.get("referer") or ""
        if origin in ("", "null"):
            raise coded(403, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin")
        if not self._is_trusted(origin, own, request.headers.get("host", "")):
            raise coded(403, "INVALID_ORIGIN", "Invalid origin")

    def require_own_url(self, url: object, request: Request, own: str) -> None:
        """Refuse to send a browser anywhere but to a path of this service or to a trusted origin.

        Raises:
            Refusal: 403.
        """
        if not isinstance(url, str) or not url or OWN_PATH.fullmatch(url):
            return
        if not self._is_trusted(url, own, request.headers.get("host", "")):
            raise coded(403, "INVALID_CALLBACK_URL", "Invalid callbackURL")

    def _is_trusted(self, url: str, own: str, host: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin in (*self.front_ends, *PRODUCT, own):
            return True
        return parts.scheme in ("http", "https") and parts.netloc == host


class Cors:
    """Answers preflights, and gives every answer the headers by which a browser lets a front end read it."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = self._headers(dict(scope["headers"]).get(b"origin", b"").decode("latin-1"))
        if scope["method"] == "OPTIONS":
            given["Access-Control-Allow-Methods"] = METHODS
            given["Access-Control-Allow-Headers"] = HEADERS
            given["Vary"] = "Origin, Access-Control-Request-Headers"
            await Response(status_code=204, headers=given)(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(given)
            await send(message)

        await self._app(scope, receive, add)

    def _headers(self, origin: str) -> dict[str, str]:
        given = {
            "Vary": "Origin",
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Set-Cookie",
        }
        if origin in self._origins.front_ends:
            given["Access-Control-Allow-Origin"] = origin
        return given
