"""The JSON Schema of the JSON report, so that scripts know what they may rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.reconcile.live import Ownership
from personas.reconcile.outcome import Result
from personas.reconcile.plan import State, Step
from personas.report.jsonreport import KIND, VERSION, camel
from personas.service.models import Login

if TYPE_CHECKING:
    from enum import StrEnum

Schema = dict[str, object]

_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
_FLAG: Schema = {"type": "boolean"}
_MAYBE_TIME: Schema = {
    "type": ["string", "null"],
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
    "description": "A time in UTC.",
}
_WEIGHTS: Schema = {"type": "object", "additionalProperties": _MAYBE_NUMBER}
_NUMBERS: Schema = {"type": "object", "additionalProperties": _WHOLE}


def report_schema() -> dict[str, object]:
    """The schema, in JSON Schema 2020-12.

    All properties are always there. A later report of the same version may have more of them.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of personas",
        "description": "What one command of personas had to say; the same shape for every command.",
        **_object(
            {
                "version": {"const": VERSION, "description": "The version of this shape."},
                "kind": {"const": KIND},
                "toolVersion": _TEXT,
                "command": _TEXT,
                "exitCode": {"type": "integer"},
                "verdict": _described(_TEXT, "The end of the command in one clause, for people."),
                "dryRun": _described(_FLAG, "Nothing was to be written."),
                "offline": _described(_FLAG, "The catalog was compared with nothing."),
                "interrupted": _FLAG,
                "catalog": _described(_MAYBE_TEXT, "The catalog file as it was named."),
                "service": _described(_MAYBE_TEXT, "The address of the service."),
                "valid": _described(_maybe(_FLAG), "The catalog has no problems; null when it was not read."),
                "problems": _list(_ref("problem")),
                "warnings": _list(_ref("problem")),
                "notes": _list(_TEXT),
                "plan": _maybe(_ref("plan")),
                "outcomes": _list(_ref("outcome")),
                "usage": _maybe(_ref("usage")),
                "detail": _maybe(_ref("detail")),
                "live": _maybe(_ref("live")),
                "error": _maybe(_ref("error")),
                "requests": _described(_WHOLE, "Requests sent to the service."),
                "safetyRequests": _described(_WHOLE, "How many of them a safety rule cost."),
                "seconds": _MAYBE_NUMBER,
                "takenAt": _described(_MAYBE_TIME, "When the live state was read."),
                "snapshotAge": _described(_MAYBE_NUMBER, "Seconds since the snapshot in use was taken."),
            }
        ),
        "$defs": _definitions(),
    }


def _definitions() -> dict[str, Schema]:
    return {
        "problem": _object(
            {
                "path": _described(_TEXT, "A JSON path, such as $.personas[3].email."),
                "line": {"type": "integer", "minimum": 1},
                "column": {"type": "integer", "minimum": 1},
                "message": _TEXT,
                "file": _TEXT,
            }
        ),
        "error": _object(
            {
                "kind": _described(_TEXT, "The name of the error."),
                "message": _TEXT,
                "hint": _described(_MAYBE_TEXT, "What to do next."),
                "exitCode": {"type": "integer"},
            }
        ),
        "plan": _plan(),
        "change": _change(),
        "outcome": _object(
            {
                "thing": _TEXT,
                "email": _TEXT,
                "step": _enum(Step, nullable=True),
                "result": _enum(Result),
                "message": _TEXT,
                "seconds": _MAYBE_NUMBER,
            }
        ),
        "usage": _object({"before": _maybe(_ref("shares")), "after": _ref("shares")}),
        "shares": _object(
            {
                "personas": _WHOLE,
                "notTold": _described(_WHOLE, "How many are left out: weights or cadence are not known."),
                "ticksPerWeek": _WHOLE,
                "modules": {
                    "type": "object",
                    "description": "Each module's share of expected use.",
                    "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
                },
                "archetypes": _NUMBERS,
                "cadences": _NUMBERS,
            }
        ),
        "persona": _object(
            {
                "userId": _TEXT,
                "email": _TEXT,
                "name": _MAYBE_TEXT,
                "archetype": _MAYBE_TEXT,
                "tickCadence": _MAYBE_TEXT,
                "systemPrompt": _MAYBE_TEXT,
                "moduleMix": _maybe(_WEIGHTS),
                "createdAt": _MAYBE_TIME,
                "lastActiveAt": _MAYBE_TIME,
                "actions7d": {"type": ["integer", "null"]},
            }
        ),
        "detail": _detail(),
        "live": _object(
            {
                "takenAt": _MAYBE_TIME,
                "personas": _list(_ref("persona")),
                "owners": _verdicts(Ownership),
                "logins": _verdicts(Login),
                "notes": _list(_TEXT),
            }
        ),
    }


def _plan() -> Schema:
    return _object(
        {
            "checksum": _described(_TEXT, "For --expect-plan."),
            "inSync": _FLAG,
            "catalogKnown": _described(
                _FLAG, "False when the catalog could not be read: drift is not known."
            ),
            "whole": _described(_FLAG, "False when --only left personas out."),
            "intent": _object(
                {"purpose": _one_of("seed", "cleanup"), "prune": _FLAG, "recreate": _FLAG, "force": _FLAG}
            ),
            "steps": _described(_WHOLE, "How many changes a run carries out."),
            "counts": _object({camel(state): _WHOLE for state in State}),
            "notes": _list(_TEXT),
            "changes": _list(_ref("change")),
        }
    )


def _change() -> Schema:
    value: Schema = {"anyOf": [_MAYBE_TEXT, _WEIGHTS]}
    field = _object(
        {
            "field": _TEXT,
            "old": value,
            "new": value,
            "mendable": _described(_FLAG, "Whether an update mends it."),
        }
    )
    return _object(
        {
            "thing": _TEXT,
            "email": _TEXT,
            "name": _TEXT,
            "archetype": _TEXT,
            "userId": _MAYBE_TEXT,
            "state": _enum(State),
            "step": _enum(Step, nullable=True),
            "reason": _TEXT,
            "fields": _list(field),
            "line": _described({"type": ["integer", "null"], "minimum": 1}, "Where the catalog has it."),
            "column": {"type": ["integer", "null"], "minimum": 1},
        }
    )


def _detail() -> Schema:
    action = _object(
        {
            "tool": _TEXT,
            "result": _TEXT,
            "createdAt": _MAYBE_TIME,
            "latencyMs": _MAYBE_NUMBER,
            "errorMessage": _MAYBE_TEXT,
        }
    )
    feedback = _object(
        {
            "module": _TEXT,
            "ratings": {"type": ["integer", "null"]},
            "mean": _described(_MAYBE_NUMBER, "1 to 5."),
        }
    )
    return _object({"persona": _ref("persona"), "recentActions": _list(action), "feedback": _list(feedback)})


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _described(schema: Schema, text: str) -> Schema:
    return {**schema, "description": text}


def _enum(of: type[StrEnum], *, nullable: bool = False) -> Schema:
    values = [member.value for member in of]
    return _one_of(*values, None) if nullable else _one_of(*values)


def _one_of(*values: str | None) -> Schema:
    return {"enum": list(values)}


def _verdicts(of: type[StrEnum]) -> Schema:
    return {
        "type": "object",
        "description": "By email.",
        "additionalProperties": _object({"verdict": _enum(of), "reason": _TEXT}),
    }
