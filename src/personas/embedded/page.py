"""The page at `/`: the personas, and one of them with its prompt, weights, last actions and feedback.

It has no script, and the browser is told to load nothing. Everything stored is escaped by the templates.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final
from urllib.parse import urlencode

import sqlalchemy as sa
from jinja2 import Environment
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from personas.embedded.answers import query_text
from personas.embedded.personas import LAST_ACTIONS, RECENT, select_personas
from personas.embedded.schema import persona_actions, persona_feedback, personas, users
from personas.embedded.service import Service

PAGE_SIZE: Final = 50
MAX_PAGE: Final = 10**6

_recent: Final = (
    sa.select(sa.func.count())
    .where(persona_actions.c.persona_id == personas.c.user_id)
    .where(persona_actions.c.created_at > sa.bindparam("since", type_=persona_actions.c.created_at.type))
    .correlate(personas)
    .scalar_subquery()
)
SORTS: Final[Mapping[str, ColumnElement[Any]]] = {
    "name": sa.func.lower(users.c.name),
    "archetype": sa.func.lower(personas.c.archetype),
    "cadence": personas.c.tick_cadence,
    "active": personas.c.last_active_at,
    "actions": _recent,
    "created": personas.c.created_at,
}
NEWEST_FIRST: Final = "-created"


@dataclass(frozen=True, slots=True)
class Search:
    """What the address asks for; its fields are the parameters of the query."""

    q: str = ""
    sort: str = NEWEST_FIRST  # with a "-", the greatest first
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> Search:
        """The search in the query of a request; values that make no sense are ignored."""
        text, sort, page = (query_text(request, name) or "" for name in ("q", "sort", "page"))
        return cls(
            q=text.replace("\0", "").strip(),
            sort=sort if sort.removeprefix("-") in SORTS else NEWEST_FIRST,
            page=min(max(int(page), 1), MAX_PAGE) if page.isascii() and page.isdecimal() else 1,
        )

    def link(self, **changes: Any) -> str:
        """The address of this search with changes."""
        fields, usual = asdict(replace(self, **changes)), asdict(Search())
        query = urlencode({name: value for name, value in fields.items() if value != usual[name]})
        return f"/?{query}" if query else "/"

    def link_sorted(self, column: str) -> str:
        """The address that sorts by a column; the other way round, if it does so already."""
        # Dates and numbers are more useful with the greatest first.
        first = f"-{column}" if column in ("active", "actions", "created") else column
        other = column if first.startswith("-") else f"-{column}"
        return self.link(sort=other if self.sort == first else first, page=1)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the personas that match a search."""

    rows: Sequence[sa.Row[Any]]
    total: int
    search: Search

    @property
    def pages(self) -> int:
        """The number of pages."""
        return max(1, -(-self.total // PAGE_SIZE))


async def show(request: Request) -> Response:
    """The list of personas, or one of them if the query has an id."""
    service = Service.of(request)
    if not service.on_loopback:
        message = "This page is shown only by a service that listens on loopback, such as 127.0.0.1."
        return PlainTextResponse(message, 403)
    user_id = query_text(request, "id")
    if user_id is None:
        listing = await service.read(find_personas, Search.of(request), service.clock())
        return _render("list.html", listing=listing, search=listing.search)
    details = await service.read(read_persona, user_id.replace("\0", ""))
    if details is None:
        return PlainTextResponse("There is no persona with this id.", 404)
    return _render("persona.html", **details)


def find_personas(connection: Connection, search: Search, now: dt.datetime) -> Listing:
    """One page of the personas that match a search; the last one, if the search names a later one."""
    query = select_personas().add_columns(personas.c.created_at, _recent.label("actions"))
    if search.q:
        columns = (users.c.name, users.c.email, personas.c.archetype)
        query = query.where(sa.or_(*(column.icontains(search.q, autoescape=True) for column in columns)))
    since = {"since": now - RECENT}
    counted = query.with_only_columns(sa.func.count(), maintain_column_froms=True)
    listing = Listing((), connection.execute(counted, since).scalar_one(), search)
    search = replace(search, page=min(search.page, listing.pages))
    column = SORTS[search.sort.removeprefix("-")]
    order = column.desc().nulls_last() if search.sort.startswith("-") else column.asc().nulls_first()
    query = query.order_by(order, personas.c.user_id).limit(PAGE_SIZE).offset((search.page - 1) * PAGE_SIZE)
    return replace(listing, rows=connection.execute(query, since).all(), search=search)


def read_persona(connection: Connection, user_id: str) -> dict[str, Any] | None:
    """Everything that the page shows of one persona; None for an unknown id."""
    query = select_personas().add_columns(personas.c.created_at).where(personas.c.user_id == user_id)
    persona = connection.execute(query).one_or_none()
    if persona is None:
        return None
    last = {
        table: connection.execute(
            sa.select(table)
            .where(table.c.persona_id == user_id)
            .order_by(table.c.created_at.desc(), table.c.id)
            .limit(LAST_ACTIONS)
        ).all()
        for table in (persona_actions, persona_feedback)
    }
    return {
        "persona": persona,
        "weights": shares(persona.module_mix),
        "actions": last[persona_actions],
        "feedback": last[persona_feedback],
    }


def shares(mix: object) -> list[tuple[str, Any, float]]:
    """The modules of a mix, each with its weight and its share of all weights in percent.

    The service stores any object; a weight that is not a positive number has a share of 0.
    """
    weights = dict(mix) if isinstance(mix, dict) else {}
    numbers = {
        module: float(weight) if isinstance(weight, int | float) and 0 < weight < 10**300 else 0.0
        for module, weight in weights.items()
    }
    total = sum(numbers.values()) or 1.0
    found = [(module, weights[module], 100 * number / total) for module, number in numbers.items()]
    return sorted(found, key=lambda each: (-each[2], each[0]))


# --- templates ----------------------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # slow; most services show no page

    environment = Environment(
        loader=PackageLoader("personas.embedded"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minute"] = lambda moment: moment.strftime("%Y-%m-%d %H:%M")
    return environment


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("templates", "page.css").read_text(encoding="utf-8")


def _render(template: str, **values: object) -> Response:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store"}
    html = _environment().get_template(template).render(css=_style(), **values)
    return HTMLResponse(html, headers=headers)


routes: Final = [Route("/", show)]
