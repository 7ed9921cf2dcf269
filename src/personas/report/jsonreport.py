"""The report as one JSON document, of the same shape for every command; `schema.py` describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING

from personas.report import usage, wording

if TYPE_CHECKING:
    from personas.errors import PersonasError, Problem
    from personas.reconcile.live import Live
    from personas.reconcile.outcome import Outcome
    from personas.reconcile.plan import Change, FieldChange, Plan, State, Value
    from personas.report.model import Report
    from personas.service.models import LiveDetail, LivePersona

VERSION = 1
KIND = "personas-report"

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def render(report: Report) -> str:
    """The document, indented, in UTF-8's range: halves of surrogate pairs become U+FFFD, NaN becomes null."""
    text = json.dumps(document(report), ensure_ascii=False, indent=2, allow_nan=False)
    # "##[" would be a command to GitHub's runner, should it meet this on standard output.
    return _LONE_SURROGATE.sub("\ufffd", text).replace("##[", "#\\u0023[") + "\n"


def document(report: Report) -> Json:
    """The report as plain values."""
    return {
        "version": VERSION,
        "kind": KIND,
        "toolVersion": report.version,
        "command": report.command,
        "exitCode": report.exit_code,
        "verdict": wording.verdict(report),
        "dryRun": report.dry_run,
        "offline": report.offline,
        "interrupted": report.interrupted,
        "catalog": report.catalog or None,
        "service": report.service or None,
        "valid": wording.is_valid(report),
        "problems": [_problem(item) for item in report.problems],
        "warnings": [_problem(item) for item in report.warnings],
        "notes": list(report.notes),
        "plan": _plan(report.plan, report.places()) if report.plan else None,
        "outcomes": [_outcome(item) for item in report.outcomes],
        "usage": _usage(report),
        "detail": _detail(report.detail) if report.detail else None,
        "live": _live(report.live, report.taken_at) if report.live else None,
        "error": _error(report.error) if report.error else None,
        "requests": report.requests,
        "safetyRequests": report.safety_requests,
        "seconds": _number(report.seconds),
        "takenAt": _time(report.taken_at),
        "snapshotAge": _number(report.snapshot_age),
    }


def _problem(item: Problem) -> Json:
    return {
        "path": item.path,
        "line": item.line,
        "column": item.column,
        "message": item.message,
        "file": item.file,
    }


def _error(error: PersonasError) -> Json:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint or None,
        "exitCode": error.exit_code,
    }


def _plan(plan: Plan, places: dict[str, tuple[int, int]]) -> Json:
    return {
        "checksum": plan.checksum,
        "inSync": plan.in_sync,
        "catalogKnown": plan.catalog_known,
        "whole": plan.whole,
        "intent": {
            "purpose": plan.intent.purpose,
            "prune": plan.intent.prune,
            "recreate": plan.intent.recreate,
            "force": plan.intent.force,
        },
        "steps": len(plan.steps),
        "counts": {camel(state): number for state, number in plan.counts.items()},
        "notes": list(plan.notes),
        "changes": [_change(change, places) for change in plan],
    }


def camel(state: State) -> str:
    """A state as a key: `inSync`."""
    first, *rest = state.value.split("-")
    return first + "".join(part.capitalize() for part in rest)


def _change(change: Change, places: dict[str, tuple[int, int]]) -> Json:
    line, column = places.get(change.key, (1, 1)) if change.wanted else (None, None)
    return {
        "thing": change.thing,
        "email": change.key,
        "name": change.name,
        "archetype": change.archetype,
        "userId": change.existing.user_id if change.existing else None,
        "state": change.state.value,
        "step": change.step.value if change.step else None,
        "reason": change.reason,
        "fields": [_field(item) for item in change.fields],
        "line": line,
        "column": column,
    }


def _field(item: FieldChange) -> Json:
    return {
        "field": item.field,
        "old": _value(item.old),
        "new": _value(item.new),
        "mendable": item.mendable,
    }


def _value(value: Value) -> Json:
    return _weights(value) if isinstance(value, Mapping) else value if value is None else str(value)


def _weights(mix: Mapping[str, float]) -> Json:
    return {module: _number(weight) for module, weight in mix.items()}


def _number(value: float | None) -> int | float | None:
    """The number, or null for what JSON has no number for."""
    if value is None or isinstance(value, int):
        return value
    return value if isfinite(value) else None


def _time(when: datetime | None) -> str | None:
    if when is None:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _outcome(outcome: Outcome) -> Json:
    return {
        "thing": outcome.change.thing,
        "email": outcome.change.key,
        "step": outcome.change.step.value if outcome.change.step else None,
        "result": outcome.result.value,
        "message": outcome.message,
        "seconds": _number(outcome.seconds),
    }


def _usage(report: Report) -> Json:
    plan = report.plan
    if plan is not None and plan.catalog_known and report.command != "show":
        before = None if report.offline else _shares(usage.before(plan))
        return {"before": before, "after": _shares(usage.after(plan))}
    if report.loaded is not None and plan is None:
        return {"before": None, "after": _shares(usage.usage(report.loaded.personas))}
    return None


def _shares(use: usage.Usage) -> Json:
    return {
        "personas": use.personas,
        "notTold": use.not_told,
        "ticksPerWeek": use.ticks,
        "modules": {module: round(share, 6) for module, share in use.modules.items()},
        "archetypes": dict(use.archetypes),
        "cadences": dict(use.cadences),
    }


def _persona(persona: LivePersona) -> Json:
    return {
        "userId": persona.user_id,
        "email": persona.email,
        "name": persona.name,
        "archetype": persona.archetype,
        "tickCadence": persona.tick_cadence,
        "systemPrompt": persona.system_prompt,
        "moduleMix": None if persona.module_mix is None else _weights(persona.module_mix),
        "createdAt": _time(persona.created_at),
        "lastActiveAt": _time(persona.last_active_at),
        "actions7d": persona.actions_7d,
    }


def _detail(detail: LiveDetail) -> Json:
    return {
        "persona": _persona(detail.persona),
        "recentActions": [
            {
                "tool": action.tool,
                "result": action.result,
                "createdAt": _time(action.created_at),
                "latencyMs": _number(action.latency_ms),
                "errorMessage": action.error_message,
            }
            for action in detail.recent_actions
        ],
        "feedback": [
            {"module": item.module, "ratings": item.ratings, "mean": _number(item.mean)}
            for item in detail.feedback
        ],
    }


def _live(live: Live, taken_at: datetime | None) -> Json:
    """The live state, such that a plan can be made of it later."""
    return {
        "takenAt": _time(live.taken_at or taken_at),
        "personas": [_persona(persona) for persona in live.personas],
        "owners": {email: _verdict(owner.verdict, owner.reason) for email, owner in live.owners.items()},
        "logins": {email: _verdict(login.verdict, login.reason) for email, login in live.logins.items()},
        "notes": list(live.notes),
    }


def _verdict(verdict: str, reason: str) -> Json:
    return {"verdict": str(verdict), "reason": reason}
