"""Reports as commands make them: what the golden files show and the schema is checked with."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from personas import Action, Change, FieldChange, LivePersona, LiveState, Options, Outcome, Persona, Plan
from personas.catalog.problems import Problem
from personas.reconcile.changes import Kind, Result, Status
from personas.report.document import CatalogSize, ErrorInfo, Report
from personas.services.models import LiveMember, LiveSpace

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
SERVICE = "http://localhost:3001"
SCOPE = ("*@mana.test",)
HOSTILE = "Eve\x1b[31m\u202e\n::error::x ##[error]x <img src=x> [a](http://e.test) @team | `b` \ud800"

_CATALOG = json.loads((Path(__file__).parents[2] / "catalog.json").read_text("utf-8"))
PERSONAS = [Persona.model_validate(entry) for entry in _CATALOG["personas"]]
ANNA, JONAS, MIKA, PRIYA, NGOZI, TOMASZ, *_REST = PERSONAS


def live(persona: Persona, **values: object) -> LivePersona:
    """Return the persona as it is on the service, apart from these values."""
    fields = persona.model_dump(mode="json") | {"user_id": f"id-{persona.email}", "created_at": NOW} | values
    return LivePersona.model_validate(fields)


def change(persona: Persona, status: Status, action: Action | None = None, **values: object) -> Change:
    about = {"key": persona.email, "name": persona.name, "desired": persona, "line": 7}
    return Change.model_validate(about | {"status": status, "action": action} | values)


def in_sync(number: int) -> tuple[Change, ...]:
    return tuple(change(persona, Status.IN_SYNC) for persona in PERSONAS[-number:])


def plan(*changes: Change, **values: object) -> Plan:
    return Plan.model_validate({"service": SERVICE, "scope": SCOPE, "changes": changes} | values)


def report(command: str, **values: object) -> Report:
    """Return the report of a run that took half a second."""
    about = {"command": command, "catalogs": ("catalog.json",), "requests": 15, "seconds": 0.5}
    return Report.model_validate(about | {"service": SERVICE, "compared": True} | values)


PROMPT = FieldChange(
    field="systemPrompt",
    old=ANNA.system_prompt.replace("Leipzig", "Halle").replace(
        "nie länger.", "manchmal auch ein Gedicht, nie länger."
    ),
    new=ANNA.system_prompt,
    line=9,
)
WEIGHTS = FieldChange(
    field="moduleMix",
    old={"photos": 0.3, "calendar": 0.25, "journal": 0.2, "todo": 0.15, "mail": 0.1},
    new=dict(ANNA.module_mix),
    line=10,
)
NAME = FieldChange(field="name", old="Mika Lindquist", new=MIKA.name, updatable=False, line=30)
CADENCE = FieldChange(field="tickCadence", old="daily", new="hourly", line=34)
PASSWORD = FieldChange(field="password", updatable=False, line=42)
_STILL = "name still differs; --replace re-creates it"
BO = Change(
    key="persona.bo@mana.test",
    name="Bo Linde",
    status=Status.EXTRA,
    reason="not in the catalog",
    id="id-bo",
    live=LivePersona(
        user_id="id-bo",
        email="persona.bo@mana.test",
        created_at=NOW - timedelta(days=400),
        last_active_at=NOW - timedelta(days=3),
    ),
)
CHANGES = (
    change(JONAS, Status.CREATE, Action.CREATE),
    change(ANNA, Status.UPDATE, Action.UPDATE, fields=(PROMPT, WEIGHTS)),
    change(MIKA, Status.REPLACE, Action.UPDATE, fields=(NAME, CADENCE), reason=_STILL),
    change(PRIYA, Status.REPLACE, fields=(PASSWORD,), reason="only --replace changes password"),
    change(NGOZI, Status.UNKNOWN, reason="the details could not be read: HTTP 500"),
    BO,
    *in_sync(5),
)


def outcome(about: Change, result: Result = Result.DONE, message: str = "") -> Outcome:
    """Return how the action of a change ended."""
    same = about.model_dump(include={"kind", "key", "name", "action"})
    return Outcome(**same, result=result, message=message)


_CONFLICT = change(JONAS, Status.CONFLICT, reason="belongs to an account that is not a persona")
_LOST = change(TOMASZ, Status.CREATE, Action.CREATE)
_RUN = (*CHANGES[:3], _LOST, change(NGOZI, Status.CREATE, Action.CREATE), *CHANGES[3:4], BO, *in_sync(4))
_MEMBERS = FieldChange(
    field="members",
    old={"persona.mika@mana.test": "member", "persona.bo@mana.test": "member"},
    new={"persona.mika@mana.test": "admin", "persona.jonas@mana.test": "member"},
    line=101,
)


def _space(key: str, name: str, status: Status, action: Action | None = None, **values: object) -> Change:
    about = {"kind": Kind.SPACE, "key": key, "name": name, "status": status, "action": action}
    return Change.model_validate(about | values)


_TAKEN = "another space has this slug; choose another one in the catalog"
_FLAT = FieldChange(field="name", old="Flat", new="The flat in Glasgow", line=99)
_SPACES = (
    _space("cold-rooms", "Cold Rooms", Status.CREATE, Action.CREATE),
    _space("glasgow-flat", "The flat in Glasgow", Status.UPDATE, Action.UPDATE, fields=(_FLAT, _MEMBERS)),
    _space("shore-counts", "Shore counts", Status.CONFLICT, reason=_TAKEN),
    _space("giessliste", "Pumpe und Gießliste", Status.IN_SYNC),
)
_MEMBER = LiveMember(member_id="m1", user_id="u1", email="persona.anna@mana.test", role="owner")
_OLD = LiveSpace(space_id="s1", slug="old", name="Old", members=(_MEMBER,))
SPACE_DELETIONS = Plan(
    kind=Kind.SPACE, changes=(_space("old", "Old", Status.EXTRA, Action.DELETE, live=_OLD),)
)
DELETIONS = plan(
    BO.model_copy(update={"action": Action.DELETE}),
    change(MIKA, Status.REPLACE, Action.REPLACE, live=live(MIKA, last_active_at=None)),
    options=Options(prune=True, replace=True),
)
_LIVE = [
    live(persona, last_active_at=NOW - timedelta(hours=7 * at) if at % 3 else None, actions_7d=at * 171)
    for at, persona in enumerate(PERSONAS)
]
_RECENT = NOW - timedelta(minutes=4)
_ERROR = {"tool": "mail.send", "result": "error", "error_message": "the address of the receiver is missing"}
_ACTIONS = [
    {"tool": "todo.create", "result": "ok", "created_at": _RECENT, "latency_ms": 120.4},
    _ERROR | {"created_at": NOW - timedelta(hours=3), "latency_ms": 1_204},
]
_FEEDBACK = [{"module": "photos", "ratings": 4, "mean": 4.25}, {"module": "todo", "ratings": 1}]
_SHOWN = live(ANNA, last_active_at=_RECENT, actions_7d=12, recent_actions=_ACTIONS, feedback=_FEEDBACK)


def state(*personas: LivePersona, **values: object) -> LiveState:
    """Return the live state that `list` and `show` print."""
    about = {"taken_at": NOW, "service": SERVICE, "scope": SCOPE, "personas": personas}
    return LiveState.model_validate(about | values)


def foreign(text: str) -> Report:
    """Return a preview in which every text comes from elsewhere."""
    persona = ANNA.model_copy(update={"name": text})
    fields = (
        FieldChange(field="systemPrompt", old="x" * 70, new=text * 3, line=2),
        FieldChange(field="moduleMix", old={text: 0.5}, new={"a|b": 0.5}),
        FieldChange(field="archetype", old=text, new="```\n# x"),
    )
    extra = Change(key="evil@mana.test", name=text, status=Status.EXTRA, reason=text)
    changes = (change(persona, Status.UPDATE, Action.UPDATE, fields=fields), extra)
    problem = Problem(file=text, line=1, column=1, path=text, message=text, severity="warning")
    values = {"notes": (text,), "catalogs": (text,), "problems": (problem,), "service": text}
    error = ErrorInfo(message=text, hint=text)
    return report("dry-run", plan=plan(*changes), error=error, exit_code=4, **values)


def _problem(line: int, column: int, path: str, message: str, **more: Any) -> Problem:
    return Problem(file="a, b.json", line=line, column=column, path=path, message=message, **more)


_INVALID = 'is not a valid email address: "anna"'
_PROBLEMS = (
    _problem(12, 16, "$.personas[0].email", _INVALID),
    _problem(20, 7, "$.personas[1].nmae", 'unknown key "nmae" (did you mean "name"?)', severity="warning"),
)
_CLEANUP = plan(
    change(ANNA, Status.UPDATE, Action.DELETE, fields=(CADENCE,)),
    change(JONAS, Status.EXTRA, Action.DELETE),
    options=Options(command="cleanup"),
    others=3,
)
_DONE, _SKIPPED = Result.DONE, Result.SKIPPED
_SEEDED = (_DONE, _DONE, _DONE, Result.UNKNOWN, Result.FAILED)
_SAID = ("", "", _STILL, "no answer after 60 s; run again to find out", "HTTP 500: database is locked")
_INTERRUPTED = (_DONE, _DONE, _SKIPPED, Result.UNKNOWN, _SKIPPED)
_UNSAID = ("", "", "", "no answer before the interruption", "")
_UNREACHABLE = ErrorInfo(message=f"cannot connect to {SERVICE}", hint="Start it, or set MANA_AUTH_URL.")
SCENARIOS: dict[str, Report] = {
    "preview": report("dry-run", plan=plan(*CHANGES)),
    "in-sync": report("seed", plan=plan(*in_sync(10)), notes=("The seed secret was not checked.",)),
    "seeded": report(
        "seed",
        applied=True,
        exit_code=6,
        plan=plan(*_RUN),
        outcomes=tuple(map(outcome, _RUN, _SEEDED, _SAID)),
    ),
    "interrupted": report(
        "seed",
        applied=True,
        interrupted=True,
        exit_code=130,
        plan=plan(*_RUN),
        outcomes=tuple(map(outcome, _RUN, _INTERRUPTED, _UNSAID)),
    ),
    "conflict": report(
        "seed",
        exit_code=5,
        plan=plan(_CONFLICT, CHANGES[1], *in_sync(8)),
        error=ErrorInfo(message="1 email belongs to another account."),
    ),
    "cleanup": report("cleanup", plan=_CLEANUP),
    "spaces": report(
        "spaces",
        plan=Plan(kind=Kind.SPACE, service=SERVICE, options=Options(command="spaces"), changes=_SPACES),
    ),
    "list": report(
        "list", catalogs=(), compared=False, live=state(*_LIVE, others=3), requests=1, seconds=0.1
    ),
    "show": report("show", catalogs=(), compared=False, live=state(_SHOWN)),
    "invalid": Report(
        command="validate",
        catalogs=("catalog.json", "a, b.json"),
        valid=(CatalogSize(file="catalog.json", personas=10, spaces=4),),
        problems=_PROBLEMS,
        seconds=0.5,
        exit_code=3,
        error=ErrorInfo(message="a, b.json is not valid"),
    ),
    "unreachable": report("dry-run", compared=False, exit_code=4, error=_UNREACHABLE),
    "hostile": foreign(HOSTILE),
}
