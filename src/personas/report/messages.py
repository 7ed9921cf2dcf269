"""The words that all views share: rows, values, times and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from personas.reconcile.changes import Action, Change, Kind, Outcome, Plan, Result, Status, Value
from personas.report.document import ErrorInfo, Report
from personas.report.sanitize import visible
from personas.services.models import LivePersona

# The sign and the style of each word that a row can begin with; a done action has those of the action.
_SIGNS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("!", "magenta"),
    "delete": ("-", "red"),
    "extra": ("•", "cyan"),
    "conflict": ("✗", "bold red"),
    "unknown": ("?", "bold yellow"),
    "in-sync": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("·", "yellow"),
}
_LABELS = {"systemPrompt": "prompt", "moduleMix": "weights", "tickCadence": "cadence"}
# Exit codes for failed changes, drift and interruptions: the verdict says the same as their error.
_TOLD_BY_VERDICT = {6, 10, 130}
_MAX_CONFLICTS = 3
CONFLICT_HINT = "Use another email in the catalog."

LIVE_TITLES = ("name", "email", "archetype", "cadence", "active", "7 d")


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 persona`, `2,000 personas`."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def label(field: str) -> str:
    """Return the short name of a catalog field: `prompt` for `systemPrompt`."""
    return _LABELS.get(field, field)


def number(value: float) -> str:
    """Return a number as people write it: `0.3`, `1`."""
    return f"{value:.12g}"


def one_line(value: Value) -> str:
    """Return a value on one line; a missing one is `not set`."""
    if value is None:
        return "not set"
    if isinstance(value, str):
        return visible(value)
    return ", ".join(f"{visible(key)} {_entry(item)}" for key, item in value.items()) or "none"


def entry_changes(old: Value, new: Value) -> list[str]:
    """Return how two mappings differ: `photos 0.25 → 0.3`, `+notes 0.2`, `-mail 0.3`."""
    before: Mapping[str, str | float] = old if isinstance(old, Mapping) else {}
    after: Mapping[str, str | float] = new if isinstance(new, Mapping) else {}
    parts = []
    for key in dict.fromkeys([*after, *before]):
        name = visible(key)
        if key not in before:
            parts.append(f"+{name} {_entry(after[key])}")
        elif key not in after:
            parts.append(f"-{name} {_entry(before[key])}")
        elif before[key] != after[key]:
            parts.append(f"{name} {_entry(before[key])} → {_entry(after[key])}")
    return parts


def _entry(value: str | float) -> str:
    return visible(value) if isinstance(value, str) else number(value)


def moment(when: datetime | None, now: datetime) -> str:
    """Return a time relative to `now`, or as a date if it is not before it."""
    if when is None:
        return "never"
    seconds = (now - when).total_seconds()
    if seconds < 0:
        return f"{when:%Y-%m-%d}"
    for limit, size, unit in ((3600, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds // 86_400):,} d ago"


def live_cells(persona: LivePersona, now: datetime) -> tuple[str, ...]:
    """Return the cells of a live persona, in the order of LIVE_TITLES; empty if not reported."""
    actions = "" if persona.actions_7d is None else f"{persona.actions_7d:,}"
    active = moment(persona.last_active_at, now) if actions or persona.last_active_at else ""
    return (
        persona.name or "",
        persona.email,
        persona.archetype or "",
        persona.tick_cadence or "",
        active,
        actions,
    )


def cost(report: Report) -> str:
    """Return what a run cost: `(15 requests, 0.5 s)`."""
    return f"({count(report.requests, 'request')}, {report.seconds:.1f} s)"


class Row(NamedTuple):
    """One line of the table of changes."""

    change: Change
    sign: str
    style: str
    word: str
    remark: str


def rows(report: Report, plan: Plan, *, verbose: bool = False) -> list[Row]:
    """Return a row for each change that is not in sync; with `verbose` for all.

    After an interruption, or when an error ended the run, only for those that failed or are unknown.
    """
    outcomes = {(outcome.kind, outcome.key): outcome for outcome in report.outcomes}
    cut_short = bool(outcomes) and (report.interrupted or report.error is not None)
    found = []
    for change in plan.changes:
        outcome = outcomes.get((change.kind, change.key))
        unsure = outcome is not None and outcome.result in {Result.FAILED, Result.UNKNOWN}
        if unsure if cut_short else (change.is_drift or change.action or verbose):
            planned = (change.action or change.status).value
            word = _result_word(outcome) if outcome else planned
            sign, style = _SIGNS.get(word, _SIGNS[planned])
            found.append(Row(change, sign, style, word, _remark(change, outcome)))
    return found


def detailed(report: Report, plan: Plan) -> list[Change]:
    """Return the changes with fields to show: those of a preview."""
    shown = not report.outcomes and plan.options.command != "cleanup"
    return [change for change in plan.changes if change.fields] if shown else []


def _result_word(outcome: Outcome) -> str:
    return f"{outcome.action}d" if outcome.result is Result.DONE else outcome.result.value


def _waits_for_replace(change: Change) -> bool:
    """Whether something differs that only --replace changes."""
    return change.status is Status.REPLACE and change.action not in {Action.REPLACE, Action.DELETE}


def _remark(change: Change, outcome: Outcome | None) -> str:
    """Return the last column of a row: what differs, and the reason."""
    if outcome is not None and outcome.message:
        return outcome.message
    waits = _waits_for_replace(change)
    fields = [
        f"{label(field.field)} (needs --replace)" if waits and not field.updatable else label(field.field)
        for field in change.fields
    ]
    reason = change.reason
    if change.status is Status.EXTRA and not reason:
        reason = "not in the catalog"
    if change.status is Status.CONFLICT and not reason:
        owner = "an account that is not a persona" if change.kind is Kind.PERSONA else "another owner"
        reason = f"belongs to {owner}"
    return "; ".join(part for part in (", ".join(fields), reason) if part)


def verdict(report: Report) -> str:
    """Return the result of a command in one line; empty where an error says it."""
    errors = sum(problem.severity == "error" for problem in report.problems)
    warnings = len(report.problems) - errors
    plan = report.plan
    if errors or (warnings and plan is None):
        counted = ((errors, "error"), (warnings, "warning"))
        return ", ".join(count(amount, noun) for amount, noun in counted if amount)
    if report.interrupted and not report.outcomes:
        return "Interrupted. Nothing was changed."
    if plan is None:
        return count(len(report.live.personas), "persona") if report.live else ""
    if report.outcomes:
        words = Counter(_result_word(outcome) for outcome in report.outcomes)
        order = [*(f"{action}d" for action in Action), *Result]
        text = ", ".join([f"{words[word]:,} {word}" for word in order if words[word]] + _kept(plan))
        return f"Interrupted: {text}. Run again to finish." if report.interrupted else text
    if report.in_sync and plan.changes:
        return f"{count(len(plan.changes), plan.kind)} in sync"
    actions = Counter(change.action for change in plan.changes)
    parts = [f"{actions[action]:,} to {action}" for action in Action if actions[action]]
    return ", ".join(parts + _kept(plan)) or f"no {plan.kind}s"


def _kept(plan: Plan) -> list[str]:
    """Return the counts of what a run leaves as it is: `1 extra (kept; --prune deletes it)`, `8 in sync`."""
    left = Counter(change.status for change in plan.changes if change.action is None)
    waiting = sum(map(_waits_for_replace, plan.changes))
    can_prune = plan.options.command != "cleanup" and not plan.options.prune
    hint = f"; --prune deletes {'it' if left[Status.EXTRA] == 1 else 'them'}" if can_prune else ""
    parts = [
        (left[Status.CONFLICT], "in conflict (skipped)"),
        (waiting, "to replace (only with --replace)"),
        (left[Status.CREATE], "missing (not created)"),
        (left[Status.UPDATE], "differing (kept)"),
        (left[Status.EXTRA], f"extra (kept{hint})"),
        (left[Status.UNKNOWN], "unknown (skipped)"),
        (left[Status.IN_SYNC], "in sync"),
    ]
    return [f"{amount:,} {text}" for amount, text in parts if amount]


def valid_lines(report: Report) -> list[str]:
    """Return a line for each valid catalog: `catalog.json: 10 personas, 4 spaces, valid`."""
    compared = "; not compared with a service" if report.command == "dry-run" else ""
    lines = []
    for size in report.valid:
        spaces = f", {count(size.spaces, 'space')}" if size.spaces else ""
        lines.append(f"{visible(size.file)}: {count(size.personas, 'persona')}{spaces}, valid{compared}")
    return lines


def notes(report: Report) -> list[str]:
    """Return what a reader must know about the run, each note once."""
    found = [
        *report.notes,
        *(report.plan.notes if report.plan else ()),
        *(report.live.notes if report.live else ()),
    ]
    if report.live is not None and report.live.others:
        found.append(f"others: {count(report.live.others, 'persona')} outside the scope are not shown")
    if report.plan is not None and report.plan.options.command == "cleanup" and report.plan.others:
        found.append(f"others: {count(report.plan.others, 'persona')} outside the scope are not deleted")
    return list(dict.fromkeys(found))


def can_pin(report: Report, plan: Plan) -> bool:
    """Whether `seed --expect-plan` takes the checksum of this plan."""
    return bool(plan.checksum and plan.actions) and plan.options.command == "seed" and not report.applied


def error_to_show(report: Report) -> ErrorInfo | None:
    """Return the error, unless problems, conflicts or the verdict say the same."""
    invalid = any(problem.severity == "error" for problem in report.problems)
    return None if invalid or conflicts(report) or report.exit_code in _TOLD_BY_VERDICT else report.error


def conflicts(report: Report) -> tuple[Change, ...]:
    """Return the conflicts that ended the run before any write; those of spaces are only skipped."""
    plan = report.plan
    return plan.of(Status.CONFLICT) if plan is not None and plan.kind is Kind.PERSONA else ()


def conflict_lines(changes: Sequence[Change]) -> list[str]:
    """Return what is wrong with each email; many are counted, since the rows name them."""
    if len(changes) > _MAX_CONFLICTS:
        return [f"{len(changes):,} emails belong to accounts that are not personas. Nothing was changed."]
    end = "belongs to an account that is not a persona. Nothing was changed."
    return [f"{visible(change.key)} {end}" for change in changes]
