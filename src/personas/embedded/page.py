"""The pages as answers: made from templates, everything that is stored escaped, without a script.

The browser is told to run and to load nothing, and to send forms nowhere else.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from personas.embedded.answers import iso
from personas.embedded.browsing import NEWEST_FIRST, SORTS, Search
from personas.embedded.cadence import next_turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa
    from jinja2 import Environment
    from markupsafe import Markup
    from starlette.responses import Response

WEIGHTS: Final = 100
UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))
# What a form offers to sort by; the heads of the columns offer the rest.
ORDERS: Final = {
    NEWEST_FIRST: "newest first",
    "created": "oldest first",
    "name": "name",
    "email": "email",
    "archetype": "archetype",
    "cadence": "cadence",
    "-active": "last active first",
    "active": "longest inactive first",
    "-actions": "most actions first",
    "actions": "fewest actions first",
}


@dataclass(frozen=True, slots=True)
class Weight:
    """A module's weight as it is stored, and its share of all weights; None when it is no number."""

    module: str
    text: str
    share: float | None


def answer(
    template: str, user: sa.Row[Any] | None, now: dt.datetime, *, status: int = 200, **shown: object
) -> Response:
    """One of the templates as an answer.

    Args:
        template: Its name, without `.html`.
        user: Who is signed in.
        now: The time, for ages.
        status: The status of the answer.
        **shown: What the template shows besides.
    """
    css, css_hash = _style()
    headers = {
        "content-security-policy": (
            f"default-src 'none'; style-src 'sha256-{css_hash}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        "cache-control": "no-store",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }
    html = _templates().get_template(f"{template}.html")
    return HTMLResponse(html.render(css=css, user=user, now=now, **shown), status, headers)


@cache
def _templates() -> Environment:
    # Most starts of the service in process never show a page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("personas.embedded"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(iso=iso, distance=distance)
    environment.globals.update(
        ORDERS=ORDERS, SORTS=SORTS, address=address, next_turn=next_turn, urlencode=urlencode, weigh=weigh
    )
    return environment


@cache
def _style() -> tuple[Markup, str]:
    from markupsafe import Markup

    css = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    digest = hashlib.sha256(css.encode("utf-8")).digest()
    return Markup(css), base64.b64encode(digest).decode("ascii")  # noqa: S704 - our own file


def address(search: Search, **changes: Any) -> str:
    """The address of the first page for a search, with changes; what is as usual is left out."""
    wanted = {"q": search.text, "sort": search.sort, "page": search.page, **changes}
    usual = {"q": "", "sort": NEWEST_FIRST, "page": 1}
    query = urlencode({name: value for name, value in wanted.items() if value != usual[name]})
    return f"/?{query}" if query else "/"


def distance(moment: dt.datetime, now: dt.datetime) -> str:
    """How long ago, or in how long, in the largest unit that fits: `3 h ago`."""
    seconds = round((now - moment).total_seconds())
    for size, unit in UNITS:
        if abs(seconds) >= size:
            text = f"{abs(seconds) // size:,} {unit}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"


def weigh(mix: Mapping[str, Any]) -> Sequence[Weight]:
    """The weights of a persona's modules, the heaviest first, as many as a reader bears."""
    numbers = {module: _number(value) for module, value in mix.items()}
    total = math.fsum(number for number in numbers.values() if number is not None)
    weights = [
        Weight(module, json.dumps(mix[module], ensure_ascii=False), _share(number, total))
        for module, number in numbers.items()
    ]
    return sorted(weights, key=lambda weight: (-(weight.share or 0), weight.module))[:WEIGHTS]


def _number(value: object) -> float | None:
    """A weight that can be drawn."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        number = math.inf
    return number if math.isfinite(number) and number >= 0 else None


def _share(number: float | None, total: float) -> float | None:
    return number and 100 * number / total if total else number
