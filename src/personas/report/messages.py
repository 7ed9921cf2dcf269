"""The words that all views share: rows, values and how they differ, times and the verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any

from personas.errors import DriftFound, Interrupted, PartialFailure, SafetyError, ServiceError
from personas.reconcile.changes import Action, Change, FieldChange, Kind, Outcome, Plan, Result, Status, Value
from personas.report.document import ErrorInfo, Report
from personas.report.sanitize import shorten, visible
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
# The verdict says the same as these errors.
_IN_VERDICT = {error.exit_code for error in (PartialFailure, DriftFound, Interrupted)}
CONFLICT_HINT = "Use another email in the catalog."
LIVE_TITLES = ("name", "email", "archetype", "active", "7 d")

# A change with sign, style, word and remark: one line of the table of changes.
Row = tuple[Change, str, str, str, str]
# A text and its style in rich's words; markdown ignores the styles.
Piece = tuple[str, str]
Line = list[Piece]
# Whether a piece is the same in both texts, and the old and the new one.
_Chunk = tuple[bool, str, str]

_OLD, _NEW = "red", "green"
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_SENTENCE = re.compile(r"[^.\n]+[.\n]*|[.\n]+")
_CONTEXT = 60  # characters around a change
_SHORT = 60  # texts up to this length stand on one line: old → new
_MAX_TEXT = 5_000  # characters; difflib compares longer texts too slowly by words
_MIN_ALIKE = 0.35  # below it, marks inside the text would be noise


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 persona`, `2,000 personas`."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def known(value: object, form: str = "{}") -> str:
    """Return a value that a service may not report; empty for None."""
    return "" if value is None else form.format(value)


def label(field: str) -> str:
    """Return the short name of a catalog field: `prompt` for `systemPrompt`."""
    return _LABELS.get(field, field)


def one_line(value: Value) -> str:
    """Return a value on one line; a missing one is `not set`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{visible(key)} {_entry(item)}" for key, item in value.items()) or "none"
    return "not set" if value is None else visible(value)


def _entry(value: str | float) -> str:
    """Return a role or a weight as people write it: `admin`, `0.3`, `1`."""
    return visible(value) if isinstance(value, str) else f"{value:.12g}"


def moment(when: datetime | None, now: datetime) -> str:
    """Return a time relative to `now`; empty for None. Clocks differ, so a later time counts as now."""
    if when is None:
        return ""
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    minutes = max(0, int((now - when).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440:,} d ago"


def live_cells(persona: LivePersona, now: datetime) -> tuple[str, ...]:
    """Return the cells of a live persona, in the order of LIVE_TITLES; empty if not reported."""
    actions = known(persona.actions_7d, "{:,}")
    active = moment(persona.last_active_at, now) or ("never" if actions else "")
    return (persona.name or "", persona.email, persona.archetype or "", active, actions)


def cost(report: Report) -> str:
    """Return what a run cost: `(15 requests, 0.5 s)`."""
    return f"({count(report.requests, 'request')}, {report.seconds:.1f} s)"


def rows(report: Report, plan: Plan, *, verbose: bool = False) -> list[Row]:
    """Return a row for each change that is not in sync; with `verbose` for all.

    After an interruption, or when the service stopped the run, only for those that failed or are unknown.
    """
    outcomes = {(outcome.kind, outcome.key): outcome for outcome in report.outcomes}
    stopped = report.interrupted or report.exit_code == ServiceError.exit_code
    found: list[Row] = []
    for change in plan.changes:
        outcome = outcomes.get((change.kind, change.key))
        unsure = outcome is not None and outcome.result in {Result.FAILED, Result.UNKNOWN}
        if unsure if stopped and outcomes else (change.is_drift or change.action or verbose):
            planned = (change.action or change.status).value
            word = _result_word(outcome) if outcome else planned
            sign, style = _SIGNS.get(word, _SIGNS[planned])
            found.append((change, sign, style, word, _remark(change, outcome)))
    return found


def detailed(report: Report, plan: Plan) -> list[Change]:
    """Return the changes with fields to show: those of a preview."""
    preview = not report.applied and report.command != "cleanup"
    return [change for change in plan.changes if change.fields] if preview else []


def _result_word(outcome: Outcome) -> str:
    return f"{outcome.action}d" if outcome.result is Result.DONE else outcome.result.value


def _remark(change: Change, outcome: Outcome | None) -> str:
    """Return the last column of a row: what differs or was updated, and why; of a failure only why."""
    message = outcome.message if outcome else ""
    if outcome and message and outcome.result is not Result.DONE:
        return message
    reason = message or change.reason
    fields = ", ".join(label(f.field) for f in change.fields if f.updatable or not reason)
    if fields and change.action is Action.DELETE:
        fields = f"differs: {fields}"
    return "; ".join(filter(None, (fields, reason)))


def verdict(report: Report) -> str:
    """Return the result of a command in one line; empty where an error says it."""
    plan = report.plan
    if plan is None:
        found = Counter(problem.severity for problem in report.problems)
        live = [count(len(report.live.personas), "persona")] if report.live else []
        return ", ".join([count(found[kind], kind) for kind in sorted(found)] + live)
    if report.interrupted and not report.outcomes:
        return f"Interrupted. {'Run again to finish' if report.applied else 'Nothing was changed'}."
    if clashes := conflicts(report):
        some = f"{len(clashes):,} emails belong to accounts that are not personas"
        one = f"{clashes[0].key} belongs to an account that is not a persona"
        return f"{one if len(clashes) == 1 else some}. Nothing was changed."
    if report.outcomes:
        words = Counter(_result_word(outcome) for outcome in report.outcomes)
        order = [*(f"{action}d" for action in Action), *Result]
        text = ", ".join([f"{words[word]:,} {word}" for word in order if words[word]] + _kept(plan))
        return f"Interrupted: {text}. Run again to finish." if report.interrupted else text
    if report.in_sync:
        return f"{count(len(plan.changes), plan.kind)} in sync"
    actions = Counter(change.action for change in plan.changes)
    parts = [f"{actions[action]:,} to {action}" for action in Action if actions[action]]
    return ", ".join(parts + _kept(plan)) or f"no {plan.kind}s"


def _kept(plan: Plan) -> list[str]:
    """Return the counts of what a run leaves as it is: `1 extra (kept; --prune deletes it)`, `8 in sync`."""
    left = Counter(change.status for change in plan.changes if change.action is None)
    waiting = Counter(change.action for change in plan.of(Status.REPLACE))
    them = "it" if left[Status.EXTRA] == 1 else "them"
    hint = "" if plan.options.prune or plan.options.command == "cleanup" else f"; --prune deletes {them}"
    parts = [
        (left[Status.CONFLICT], "in conflict (skipped)"),
        (waiting[Action.UPDATE], "of the updates incomplete (--replace does the rest)"),
        (waiting[None], f"to replace ({'kept' if plan.options.replace else 'only with --replace'})"),
        (left[Status.CREATE], "missing (not created)"),
        (left[Status.UPDATE], "differing (kept)"),
        (left[Status.EXTRA], f"extra (kept{hint})"),
        (left[Status.UNKNOWN], "unknown (skipped)"),
        (left[Status.IN_SYNC], "in sync"),
    ]
    return [f"{amount:,} {text}" for amount, text in parts if amount]


def valid_lines(report: Report) -> list[str]:
    """Return a line for each valid catalog: `catalog.json: 10 personas, 4 spaces, valid`."""
    compared = "; not compared with a service (name one with --auth)" if report.command == "dry-run" else ""
    sizes = [(it.file, count(it.personas, "persona"), count(it.spaces, "space")) for it in report.valid]
    return [f"{visible(file)}: {personas}, {spaces}, valid{compared}" for file, personas, spaces in sizes]


def notes(report: Report) -> list[str]:
    """Return what a reader must know about the run, each note once."""
    found = list(report.notes)
    for part, what in ((report.plan, "deleted"), (report.live, "shown")):
        found += part.notes if part else ()
        if part and part.others and report.command in {"cleanup", "list"}:
            found.append(f"Outside the scope: {count(part.others, 'persona')} (not {what})")
    return list(dict.fromkeys(found))


def checksum(report: Report) -> str | None:
    """Return the checksum of a preview for `seed --expect-plan`; None if there is nothing to pin."""
    is_preview = report.command in {"seed", "dry-run"} and not report.applied
    return report.plan.checksum if is_preview and report.plan and report.plan.actions else None


def error_to_show(report: Report) -> ErrorInfo | None:
    """Return the error, unless problems, conflicts or the verdict say the same."""
    invalid = any(problem.severity == "error" for problem in report.problems)
    refused = bool(conflicts(report)) and report.exit_code == SafetyError.exit_code
    covered = report.plan is not None and report.exit_code in _IN_VERDICT
    return None if invalid or refused or covered else report.error


def conflicts(report: Report) -> tuple[Change, ...]:
    """Return the conflicts that ended the run before any write; those of spaces are only skipped."""
    return report.plan.of(Status.CONFLICT) if report.plan and report.plan.kind is Kind.PERSONA else ()


def field_lines(change: FieldChange) -> list[Line]:
    """Return how one field differs: `old → new`, or the lines of a diff for a long text."""
    old, new = change.old, change.new
    if change.field == "password":
        return [[("does not match the seed secret", "")]]
    if isinstance(old, str) and isinstance(new, str) and old != new and max(len(old), len(new)) > _SHORT:
        return text_diff(old, new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [[piece for part in _entry_changes(old, new) for piece in ((", ", ""), part)][1:]]
    return [[(one_line(old), _OLD), (" → ", ""), (one_line(new), _NEW)]]


def _entry_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield how two mappings differ: `photos 0.25 → 0.3`, `+notes 0.2`, `-mail`."""
    for key in dict.fromkeys([*new, *old]):
        before, after, name = old.get(key), new.get(key), visible(key)
        if before is None:
            yield f"+{name} {_entry(new[key])}", _NEW
        elif after is None:
            yield f"-{name}", _OLD
        elif before != after:
            yield f"{name} {_entry(before)} → {_entry(after)}", ""


def text_diff(old: str, new: str) -> list[Line]:
    """Return lines that begin with `- ` or `+ `: changed words in `[-…-]` and `{+…+}`, with some context."""
    lines: list[Line] = []
    for group in _groups(_chunks(old, new)):
        for start, style, mark, at in (("- ", _OLD, "[-{}-]", 0), ("+ ", _NEW, "{{+{}+}}", 1)):
            texts = [(same, shorten(sides[at], _MAX_TEXT)) for same, *sides in group if sides[at]]
            pieces = [(text, "") if same else (mark.format(text), style) for same, text in texts]
            if len(pieces) == 1:  # no part stayed, so there is nothing to mark
                pieces = [(texts[0][1], style)]
            if not all(same for same, _ in texts):
                lines.append([(start, style), *pieces])
    return lines


def _chunks(old: str, new: str) -> list[_Chunk]:
    """Return the texts in pieces that are the same or changed; white space does not separate two changes."""
    split = _WORD if max(len(old), len(new)) < _MAX_TEXT else _SENTENCE
    before, after = split.findall(old), split.findall(new)
    matcher = SequenceMatcher(None, before, after)
    if matcher.ratio() < _MIN_ALIKE:
        return [(False, old, new)]
    chunks: list[_Chunk] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        left, right, same = "".join(before[i1:i2]), "".join(after[j1:j2]), tag == "equal"
        if len(chunks) > 1 and not same and chunks[-1][0] and chunks[-1][1].isspace():
            (_, space, _), (_, removed, added) = chunks.pop(), chunks.pop()
            left, right = removed + space + left, added + space + right
        chunks.append((same, left, right))
    return chunks


def _groups(chunks: list[_Chunk]) -> Iterator[list[_Chunk]]:
    """Yield changes that are near each other, with a little of what surrounds them."""
    group: list[_Chunk] = []
    for index, (same, text, _) in enumerate(chunks):
        first, last = index == 0, index == len(chunks) - 1
        if not same or len(text) <= _CONTEXT * (1 if first or last else 2):
            group.append(chunks[index])
            continue
        head, tail = f"{text[:_CONTEXT].rsplit(' ', 1)[0]} …", f"… {text[-_CONTEXT:].split(' ', 1)[-1]}"
        if not first:
            yield [*group, (True, head, head)]
        group = [] if last else [(True, tail, tail)]
    if group:
        yield group
