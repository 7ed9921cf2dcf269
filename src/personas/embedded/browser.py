"""What a browser uses: the pages, and their forms for signing in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import RedirectResponse

from personas.embedded import browsing, page
from personas.embedded import users as accounts
from personas.embedded.answers import Call, Refusal, coded, is_storable
from personas.embedded.bodies import read_body
from personas.embedded.hosts import OWN_HOSTS, host_of, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.auth import AuthCalls
    from personas.embedded.service import Service

LONGEST_SEARCH: Final = 200
LONGEST_NUMBER: Final = 9


class BrowserCalls:
    """The handlers of what a browser asks for."""

    def __init__(self, service: Service, auth: AuthCalls) -> None:
        self._service = service
        self._auth = auth

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call("/", self.overview, methods=["GET"]),
            Call("/personas/{id}", self.persona, methods=["GET"]),
            Call("/module", self.module, methods=["GET"]),
            Call("/sign-in", self.sign_in, methods=["POST"]),
            Call("/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """The first page: the personas, what they did last, what they think of the modules."""
        return await self._overview(request)

    async def _overview(
        self, request: Request, *, wrong: str = "", email: str = "", status: int = 200
    ) -> Response:
        user = await self._service.find_session(request)
        now = self._service.now()
        search = _search(request)
        overview = None
        if self._may_look(request, user):
            overview = await self._service.read(
                lambda connection: browsing.read_overview(connection, search, now)
            )
        return page.answer(
            "overview",
            user,
            now,
            status=status,
            overview=overview,
            search=search,
            hidden=overview is None,
            wrong=wrong,
            email=email,
        )

    async def persona(self, request: Request) -> Response:
        """One persona with everything that hangs on it."""
        user_id = request.path_params["id"]
        return await self._part(
            request, "persona", lambda connection: browsing.read_portrait(connection, _storable(user_id))
        )

    async def module(self, request: Request) -> Response:
        """What everybody thinks of one module."""
        name = _storable(request.query_params.get("name", ""))
        number = _number(request)
        return await self._part(
            request, "module", lambda connection: browsing.read_module(connection, name, number)
        )

    async def _part(self, request: Request, template: str, read: Callable[[Connection], Any]) -> Response:
        user = await self._service.find_session(request)
        now = self._service.now()
        if not self._may_look(request, user):
            return page.answer("hidden", user, now, status=403, hidden=True)
        found = await self._service.read(read)
        if found is None:
            return page.answer("missing", user, now, status=404, what=template)
        return page.answer(template, user, now, **{template: found})

    def _may_look(self, request: Request, user: sa.Row[Any] | None) -> bool:
        """Tell whether an admin asks, or somebody on this machine by one of its own names.

        Another name may be somebody else's, pointed here so that a page of theirs can read ours.
        """
        if user is not None and user.role == "admin":
            return True
        names = OWN_HOSTS | {urlsplit(self._service.base_url).hostname}
        client = request.client.host if request.client else None
        return is_loopback(client) and host_of(request.headers.get("host", "")) in names

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
            wrong = str(refusal.body["message"])
            return await self._overview(request, wrong=wrong, email=email, status=refusal.status)
        cookie = self._service.cookies.set(session.token)
        return RedirectResponse("/", 303, {"set-cookie": cookie})

    async def sign_out(self, request: Request) -> Response:
        """Sign out with the page's button."""
        await self._auth.sign_out(request)
        return RedirectResponse("/", 303, {"set-cookie": self._service.cookies.clear()})


def _search(request: Request) -> browsing.Search:
    """What the query asks for; nonsense is as good as nothing."""
    sort = request.query_params.get("sort", "")
    return browsing.Search(
        text=_storable(request.query_params.get("q", "")).strip()[:LONGEST_SEARCH],
        sort=sort if sort.removeprefix("-") in browsing.SORTS else browsing.NEWEST_FIRST,
        page=_number(request),
    )


def _number(request: Request) -> int:
    text = request.query_params.get("page", "")
    digits = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return max(1, int(text)) if digits else 1


def _storable(text: str) -> str:
    """The text, or none: what no database can store is nobody's id or name."""
    return text if is_storable(text) else ""
