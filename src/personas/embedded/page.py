"""The page at `/`: the personas, and one of them with its prompt, weights, last actions and feedback.

It has no script, and its policy lets the browser load nothing. The templates escape everything stored.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any, Final

import sqlalchemy as sa
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from personas.embedded.answers import Refusal, as_json, query_number, query_text
from personas.embedded.personas import LAST_FEEDBACK, RECENT, describe_persona, list_own, select_with_actions
from personas.embedded.schema import personas, users
from personas.embedded.service import Service

PAGE_SIZE: Final = 50


def show(request: Request) -> Response:
    """The list of personas, or one of them if the query has an id."""
    service = Service.of(request)
    if not service.on_loopback:
        message = "This page is shown only by a service that listens on loopback, such as 127.0.0.1."
        return PlainTextResponse(message, 403)
    user_id = query_text(request, "id")
    if user_id is not None:
        return _show_persona(service, user_id)
    text = (query_text(request, "q") or "").replace("\0", "").strip()
    return _show_list(service, text, query_number(request, "page", default=1) or 1)


def _show_list(service: Service, text: str, page: int) -> Response:
    query = select_with_actions(service.clock() - RECENT)
    if text:
        columns = (users.c.name, users.c.email, personas.c.archetype)
        query = query.where(sa.or_(*(column.icontains(text, autoescape=True) for column in columns)))
    with service.database.read() as connection:
        total = connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
        pages = max(1, -(-total // PAGE_SIZE))
        page = max(1, min(page, pages))
        query = query.order_by(personas.c.created_at.desc(), personas.c.user_id)
        found = connection.execute(query.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
        rows = [as_json(row) for row in found]
    return _render("list.html", rows=rows, total=total, text=text, page=page, pages=pages)


def _show_persona(service: Service, user_id: str) -> Response:
    try:
        with service.database.read() as connection:
            found = describe_persona(connection, user_id.replace("\0", ""))
            feedback = list_own(connection, LAST_FEEDBACK, found["persona"]["userId"])
    except Refusal:
        return PlainTextResponse("No persona has this id.", 404)
    weights = list_weights(found["persona"]["moduleMix"])
    return _render("persona.html", **found, weights=weights, feedback=feedback)


def list_weights(mix: object) -> list[tuple[str, Any, float]]:
    """The modules of a mix, each with its weight and its share of all weights in percent.

    The service stores any object; a weight that is not a positive number has a share of 0.
    """
    weights = mix if isinstance(mix, dict) else {}
    numbers = {
        module: float(weight) if isinstance(weight, int | float) and 0 < weight < 10**300 else 0.0
        for module, weight in weights.items()
    }
    total = sum(numbers.values()) or 1.0
    found = [(module, weights[module], 100 * number / total) for module, number in numbers.items()]
    return sorted(found, key=lambda each: (-each[2], each[0]))


TEMPLATES: Final = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
STYLE: Final = resources.files(__package__).joinpath("templates", "page.css").read_text(encoding="utf-8")
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; base-uri 'none'"
HEADERS: Final = {"content-security-policy": POLICY, "cache-control": "no-store"}


def _render(template: str, **values: object) -> Response:
    html = TEMPLATES.get_template(template).render(css=STYLE, **values)
    return HTMLResponse(html, headers=HEADERS)


routes: Final = [Route("/", show)]
