"""What a browser uses: the page, and its forms for signing in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import RedirectResponse

from personas.embedded import page
from personas.embedded import users as accounts
from personas.embedded.answers import Call, Refusal, coded, is_storable
from personas.embedded.bodies import read_body

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.auth import AuthCalls
    from personas.embedded.service import Service


class BrowserCalls:
    """The handlers of what a browser asks for."""

    def __init__(self, service: Service, auth: AuthCalls) -> None:
        self._service = service
        self._auth = auth

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call("/", self.show, methods=["GET"]),
            Call("/sign-in", self.sign_in, methods=["POST"]),
            Call("/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The page."""
        return await self._page(request)

    async def _page(self, request: Request, *, wrong: str = "", status: int = 200) -> Response:
        service = self._service
        user = await service.find_session(request)
        now = service.now()
        overview = None
        host = request.client.host if request.client else None
        if page.is_own_machine(host) or (user is not None and user.role == "admin"):
            overview = await service.read(lambda connection: page.read_overview(connection, now))
        return page.answer(user, overview, now, wrong=wrong, status=status)

    async def sign_in(self, request: Request) -> Response:
        """Sign in with the page's form."""
        self._service.require_own_page(request)
        raw = (await read_body(request)).decode("utf-8", "replace")
        try:
            fields = dict(parse_qsl(raw, keep_blank_values=True, max_num_fields=10))
        except ValueError:
            fields = {}
        email, password = fields.get("email", "").strip(), fields.get("password", "")
        try:
            if not (accounts.is_email(email) and is_storable(password)):
                raise coded(401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
            _, session = await self._auth.check_in(request, email, password)
        except Refusal as refusal:
            return await self._page(request, wrong=str(refusal.body["message"]), status=refusal.status)
        cookie = self._service.cookies.set(session.token)
        return RedirectResponse("/", 303, {"set-cookie": cookie})

    async def sign_out(self, request: Request) -> Response:
        """Sign out with the page's button."""
        await self._auth.sign_out(request)
        return RedirectResponse("/", 303, {"set-cookie": self._service.cookies.clear()})
