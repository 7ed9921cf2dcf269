"""The page at `/`: who is signed in, the personas and their state, what they did and what they thought.

Made on the server, without a script; everything that is stored is escaped, and the browser is told to run and
to load nothing.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from starlette.responses import HTMLResponse

from personas.embedded import descriptors, runner
from personas.embedded.answers import iso
from personas.embedded.schema import persona_actions, users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection
    from starlette.responses import Response

PERSONAS_SHOWN: Final = 100
ACTIONS_SHOWN: Final = 15
MODULES_SHOWN: Final = 30
BEST_RATING: Final = 5


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page shows of the database."""

    personas: list[dict[str, Any]]
    due: frozenset[str]
    actions: list[sa.Row[Any]]
    feedback: list[dict[str, Any]]


def read_overview(connection: Connection, now: dt.datetime) -> Overview:
    """Read everything that the page shows."""
    actions = connection.execute(
        sa.select(persona_actions, users.c.name, users.c.email)
        .join(users, users.c.id == persona_actions.c.persona_id)
        .order_by(persona_actions.c.created_at.desc(), persona_actions.c.id)
        .limit(ACTIONS_SHOWN)
    ).all()
    return Overview(
        personas=descriptors.list_personas(connection, now),
        due=frozenset(persona["userId"] for persona in runner.list_due(connection, now)),
        actions=list(actions),
        feedback=descriptors.feedback_by_module(connection),
    )


def answer(
    user: sa.Row[Any] | None,
    overview: Overview | None,
    now: dt.datetime,
    *,
    wrong: str = "",
    status: int = 200,
) -> Response:
    """The page as an answer.

    Args:
        user: Who is signed in.
        overview: What to show of the database; None hides it.
        now: The time, for ages.
        wrong: Why signing in did not work.
        status: The status of the answer.
    """
    css, css_hash = _style()
    policy = (
        f"default-src 'none'; style-src 'sha256-{css_hash}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "same-origin",
    }
    body = _hidden() if overview is None else _overview(overview, now)
    html = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>personas: the embedded auth service</title>\n<style>{css}</style>\n</head>\n<body>\n"
        "<header>\n<h1>personas <span>the embedded auth service</span></h1>\n"
        f"{_who(user, wrong)}\n</header>\n"
        f"<main>\n{body}\n</main>\n"
        f"<footer>{escape(iso(now) or '')} · times are UTC</footer>\n</body>\n</html>\n"
    )
    return HTMLResponse(html, status, headers)


@cache
def _style() -> tuple[str, str]:
    css = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    digest = hashlib.sha256(css.encode("utf-8")).digest()
    return css, base64.b64encode(digest).decode("ascii")


def _who(user: sa.Row[Any] | None, wrong: str) -> str:
    told = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    if user is not None:
        what = "an admin" if user.role == "admin" else f"a {user.kind}"
        return (
            f'<div class="who"><p id="who">Signed in as <strong>{escape(user.name)}</strong> '
            f'<span class="soft">{escape(user.email)}, {escape(what)}</span></p>'
            '<form method="post" action="/sign-out"><button>Sign out</button></form>'
            f"{told}</div>"
        )
    return (
        '<div class="who"><p id="who" class="soft">Nobody is signed in</p>'
        '<form method="post" action="/sign-in">'
        '<input name="email" type="email" placeholder="Email" aria-label="Email" '
        'autocomplete="username" required>'
        '<input name="password" type="password" placeholder="Password" aria-label="Password" '
        'autocomplete="current-password" required>'
        f"<button>Sign in</button>{told}</form></div>"
    )


def _hidden() -> str:
    text = "From another machine, only an admin sees the personas: sign in."
    return f'<section><p class="empty">{text}</p></section>'


def _overview(overview: Overview, now: dt.datetime) -> str:
    return (
        f"{_personas(overview, now)}\n"
        f'<div class="pair">\n{_actions(overview.actions, now)}\n{_feedback(overview.feedback)}\n</div>'
    )


def _section(title: str, note: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)} <span>{escape(note)}</span></h2>\n{content}\n</section>"


def _table(head: Iterable[str], rows: Iterable[str], *, wide: bool = False) -> str:
    cells = "".join(
        f'<th class="number">{escape(name[1:])}</th>' if name.startswith("#") else f"<th>{escape(name)}</th>"
        for name in head
    )
    attribute = ' class="wide"' if wide else ""
    lines = "\n".join(rows)
    return f"<table{attribute}>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def _personas(overview: Overview, now: dt.datetime) -> str:
    found = overview.personas
    if not found:
        hint = "None yet. Make some with: <code>personas seed --auth</code> and this address."
        return _section("Personas", "", f'<p class="empty">{hint}</p>')
    note = f"{len(found):,}, {len(overview.due):,} due"
    if len(found) > PERSONAS_SHOWN:
        note += f"; the newest {PERSONAS_SHOWN} shown"
    rows = []
    for persona in found[:PERSONAS_SHOWN]:
        is_due = persona["userId"] in overview.due
        state = (
            '<span class="state due">due</span>' if is_due else '<span class="state resting">resting</span>'
        )
        active = persona["lastActiveAt"]
        last = _ago(dt.datetime.fromisoformat(active), now) if active else '<span class="soft">never</span>'
        rows.append(
            f"<tr><td><strong>{escape(persona['name'])}</strong><br>"
            f'<span class="soft small">{escape(persona["email"])}</span></td>'
            f"<td>{escape(persona['archetype'])}</td><td>{escape(persona['tickCadence'])}</td>"
            f'<td>{state}</td><td>{last}</td><td class="number">{persona["actions7d"]:,}</td></tr>'
        )
    head = ("Persona", "Archetype", "Cadence", "State", "Last active", "#Actions, 7 days")
    return _section("Personas", note, _table(head, rows, wide=True))


def _actions(actions: list[sa.Row[Any]], now: dt.datetime) -> str:
    if not actions:
        return _section("Recent actions", "", '<p class="empty">None yet.</p>')
    rows = []
    for action in actions:
        result = "error" if action.result == "error" else "ok"
        told = (
            f'<br><span class="soft small">{escape(action.error_message)}</span>'
            if action.error_message
            else ""
        )
        rows.append(
            f"<tr><td>{_ago(action.created_at, now)}</td><td>{escape(action.name)}</td>"
            f"<td><code>{escape(action.tool_name)}</code>{told}</td>"
            f'<td><span class="state {result}">{result}</span></td></tr>'
        )
    return _section("Recent actions", "", _table(("When", "Persona", "Tool", "Result"), rows))


def _feedback(feedback: list[dict[str, Any]]) -> str:
    if not feedback:
        return _section("Feedback by module", "", '<p class="empty">None yet.</p>')
    rows = []
    for module in feedback[:MODULES_SHOWN]:
        mean, number = float(module["avgRating"]), int(module["ratings"])
        label = f"{mean:.1f} of {BEST_RATING}"
        rows.append(
            f"<tr><td>{escape(module['module'])}</td>"
            '<td><svg class="bar" viewBox="0 0 100 7" preserveAspectRatio="none" role="img" '
            f'aria-label="{label}">'
            '<rect class="track" width="100" height="7" rx="2"></rect>'
            f'<rect class="value" width="{100 * mean / BEST_RATING:.1f}" height="7" rx="2"></rect></svg></td>'
            f'<td class="number">{mean:.1f}</td><td class="number soft">{number:,}</td></tr>'
        )
    note = f"mean of ratings from 1 to {BEST_RATING}"
    if len(feedback) > MODULES_SHOWN:
        note += f"; {MODULES_SHOWN} of {len(feedback):,} modules"
    return _section("Feedback by module", note, _table(("Module", "", "#Mean", "#Ratings"), rows))


def _ago(moment: dt.datetime, now: dt.datetime) -> str:
    seconds = int((now - moment).total_seconds())
    text = "just now" if seconds < 60 else ""  # a clock that runs ahead is just now, too
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if not text and seconds >= size:
            text = f"{seconds // size:,} {unit} ago"
    return f'<time datetime="{escape(iso(moment) or "")}" title="{escape(iso(moment) or "")}">{text}</time>'
