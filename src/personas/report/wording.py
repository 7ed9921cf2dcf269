"""The words that all formats share: states and results, the verdict, values, numbers, times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from personas.errors import DriftFound, Interrupted, PartlyFailed
from personas.reconcile.outcome import Result
from personas.reconcile.plan import State, Step
from personas.report.visible import shown

if TYPE_CHECKING:
    from personas.report.document import Change, Error, FieldChange, Outcome, Plan, Report, Value

LABELS = {"systemPrompt": "prompt", "moduleMix": "weights", "tickCadence": "cadence"}
DAY = 86_400.0  # seconds

# Errors that only sum up what a report tells anyway.
_TOLD = {kind.__name__ for kind in (PartlyFailed, DriftFound, Interrupted)}

_MOST_WEIGHTS = 40  # more of them are counted
_STATES = {
    State.COLLISION: "collision",
    State.NOT_KNOWN: "not known",
    State.LOCKED_OUT: "locked out",
    State.RECREATE: "recreate",
    State.CREATE: "create",
    State.UPDATE: "update",
    State.STRAY: "stray",
    State.IN_SYNC: "in sync",
}
_DONE = {
    Step.CREATE: "created",
    Step.UPDATE: "updated",
    Step.RECREATE: "recreated",
    Step.DELETE: "deleted",
}
# What a difference is called where nothing is compared in order to mend it.
_DRIFT = {
    State.COLLISION: ("collision", "collisions"),
    State.NOT_KNOWN: ("not known", "not known"),
    State.LOCKED_OUT: ("locked out", "locked out"),
    State.RECREATE: ("needs --recreate", "need --recreate"),
    State.CREATE: ("not live", "not live"),
    State.UPDATE: ("differs", "differ"),
    State.STRAY: ("stray", "strays"),
    State.IN_SYNC: ("in sync", "in sync"),
}


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 persona`, `2,000 personas`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def label(field: str) -> str:
    """What a field of the catalog is called in prose."""
    return LABELS.get(field, field)


def state_word(change: Change) -> str:
    """The state of a change in one or two words; what the run would do where that says more."""
    if change.step is Step.DELETE:
        return "delete"
    if change.step is Step.RECREATE:
        return "recreate"
    if change.state is State.RECREATE:
        return "update" if change.step is Step.UPDATE else "differs"
    return _STATES[change.state]


def relation(change: Change) -> str:
    """How a live persona and the catalog relate, where nothing is done about it."""
    return _DRIFT[State.UPDATE if change.state is State.RECREATE else change.state][0]


def remark(change: Change, *, cleanup: bool = False) -> str:
    """What there is to say of a change in a few words: the fields that differ, mostly."""
    fields = differing(change)
    if cleanup and change.state is not State.IN_SYNC:
        return relation(change) + (f": {fields}" if fields else "")
    return change.reason if change.state is State.CREATE else fields


def result_word(outcome: Outcome) -> str:
    """What became of a step: `created`, `failed`, `unknown` or `not done`."""
    if outcome.result is Result.DONE and outcome.step is not None:
        return _DONE[outcome.step]
    return "not done" if outcome.result is Result.NOT_DONE else outcome.result.value


def planned(plan: Plan) -> str:
    """What a run would do and what else is not in sync: `3 to create, 1 to update, 1 stray`."""
    if plan.is_cleanup:
        return count(plan.steps, "to delete", "to delete")
    steps = Counter(change.step for change in plan.changes)
    deleted = steps[Step.DELETE]
    parts = [
        (plan.count[State.COLLISION], "collision", "collisions"),
        (plan.count[State.NOT_KNOWN], "not known", "not known"),
        (len(alone(plan, State.LOCKED_OUT)), "locked out", "locked out"),
        (len(alone(plan, State.RECREATE)), "needs --recreate", "need --recreate"),
        (steps[Step.RECREATE], "to recreate", "to recreate"),
        (steps[Step.CREATE], "to create", "to create"),
        # One that needs --recreate is updated all the same, as far as an update can mend it.
        (steps[Step.UPDATE], "to update", "to update"),
        (deleted, "stray to delete", "strays to delete"),
        (plan.count[State.STRAY] - deleted, "stray", "strays"),
    ]
    return ", ".join(count(*part) for part in parts if part[0])


def drift(plan: Plan) -> str:
    """The differences as facts: `1 differs, 2 not live, 1 stray`; empty when there is none."""
    states = (change.state for change in plan.drift)
    facts = Counter[State](State.UPDATE if state is State.RECREATE else state for state in states)
    return ", ".join(count(facts[state], *_DRIFT[state]) for state in State if facts[state])


def achieved(outcomes: Iterable[Outcome]) -> str:
    """What was done, by the service's word: `3 created, 1 failed`; empty when there was nothing to do."""
    counted = Counter(result_word(outcome) for outcome in outcomes)
    order = [*_DONE.values(), "failed", "unknown", "not done"]
    return ", ".join(f"{counted[word]:,} {word}" for word in order if counted[word])


def plural_state(state: State, number: int) -> str:
    """How many are in a state, as facts: `1 collision`, `2 strays`."""
    return count(number, *_DRIFT[state])


def mended_by_step(change: Change) -> bool:
    """Whether nothing differs any more once the step is carried out; an update leaves name and password."""
    if change.state in {State.RECREATE, State.LOCKED_OUT}:
        return change.step in {Step.RECREATE, Step.DELETE}
    return change.step is not None


def left_alone(plan: Plan) -> str:
    """What is not in sync and is left as it is, as facts: `1 stray, 1 collision`; empty when nothing is."""
    counted = Counter(change.state for change in plan.drift if not mended_by_step(change))
    return ", ".join(count(counted[state], *_DRIFT[state]) for state in State if counted[state])


def verdict(report: Report) -> str:
    """The end of a command in one clause, the same in every format."""
    warnings = f", {count(len(report.warnings), 'warning')}" if report.warnings else ""
    if report.problems:
        return count(len(report.problems), "problem") + warnings
    if report.plan is not None:
        return _verdict_of_plan(report, report.plan)
    if report.error is not None:
        return "not finished"
    return f"valid{warnings}" if report.command == "validate" else "done"


def _verdict_of_plan(report: Report, plan: Plan) -> str:
    if report.outcomes:
        return achieved(report.outcomes)
    if report.offline:
        return f"{count(len(plan.changes), 'persona')}, compared with nothing"
    if report.command in {"list", "show"}:
        return _listed(plan)
    if plan.is_cleanup and not plan.steps:
        return "nothing to delete"
    if plan.in_sync and not plan.is_cleanup:
        return f"{count(len(plan.changes), 'persona')} in sync"
    return planned(plan)


def _listed(plan: Plan) -> str:
    live = count(sum(change.live is not None for change in plan.changes), "live persona")
    if not plan.catalog_known:
        return f"{live}; the catalog could not be read, so drift is not known"
    return f"{live}, {drift(plan) or 'all in sync'}"


def untold(report: Report) -> Error | None:
    """The error that nothing else in the report tells; None for one that only sums up."""
    error = report.error
    return None if error is None or report.problems or error.kind in _TOLD else error


def notes(report: Report) -> list[str]:
    """What the reader must know, of the run and of its plan, each once."""
    return list(dict.fromkeys([*report.notes, *(report.plan.notes if report.plan else ())]))


def number(value: float) -> str:
    """A number as a person writes it: `0.3`, `1`, `12.5`."""
    return f"{value:.6g}"


def weight_changes(old: Mapping[str, float], new: Mapping[str, float]) -> list[tuple[str, str]]:
    """The weights that differ, as `("changed", "todo 0.3 → 0.4")`, `("added", …)` and `("removed", …)`."""
    changes = []
    for module in sorted(old.keys() | new.keys()):
        name = shown(module, 60)
        if module not in new:
            changes.append(("removed", f"− {name}"))
        elif module not in old:
            changes.append(("added", f"+ {name} {number(new[module])}"))
        elif old[module] != new[module]:
            changes.append(("changed", f"{name} {number(old[module])} → {number(new[module])}"))
    if len(changes) > _MOST_WEIGHTS:
        changes = [*changes[:_MOST_WEIGHTS], ("changed", f"and {len(changes) - _MOST_WEIGHTS:,} more")]
    return changes


def weights(mix: Mapping[str, float]) -> str:
    """All weights on one line."""
    texts = [f"{shown(module, 60)} {number(mix[module])}" for module in list(mix)[:_MOST_WEIGHTS]]
    more = [f"and {len(mix) - _MOST_WEIGHTS:,} more"] if len(mix) > _MOST_WEIGHTS else []
    return ", ".join([*texts, *more]) or "none"


def value(item: Value) -> str:
    """A field's value on one line; what the service did not say is called so."""
    if item is None:
        return "not told"
    return shown(item) if isinstance(item, str) else weights(item)


def field_change(item: FieldChange) -> str:
    """A changed field on one line: `daily → hourly`."""
    if item.mixes:
        return ", ".join(text for _, text in weight_changes(*item.mixes))
    return f"{value(item.old)} → {value(item.new)}"


def differing(change: Change) -> str:
    """The names of the fields that differ: `prompt, weights`."""
    return ", ".join(label(item.field) for item in change.fields)


def service_name(report: Report) -> str:
    """Where the live side comes from, in words."""
    if report.offline:
        return "nothing (offline)"
    return report.service or ("a snapshot" if report.snapshot_age is not None else "the service")


def requests(report: Report) -> str:
    """How many requests there were and what safety cost: `14 requests, 2 of them safety checks`."""
    text = count(report.requests, "request")
    if report.safety_requests:
        checks = "a safety check" if report.safety_requests == 1 else "safety checks"
        text += f", {report.safety_requests:,} of them {checks}"
    return text


def cost(report: Report) -> str:
    """Requests and time."""
    return f"{requests(report)} · {duration(report.seconds)}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `0.8 s`, `2 min 5 s`, `3 h 4 min`, `12 days`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return count(hours // 24, "day")


def moment(when: datetime | None, now: datetime | None) -> str:
    """A time, relative to `now` when that is known, else in UTC; `never` for None."""
    if when is None:
        return "never"
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    if now is None:
        return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    passed = (now if now.tzinfo else now.replace(tzinfo=UTC)) - when
    seconds = passed.total_seconds()
    if seconds < 0:
        return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if seconds < 60:
        return "just now"
    for limit, size, unit in ((3600, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds // 86_400)} d ago"


def age(report: Report) -> str:
    """How old the snapshot is that a plan compares with; empty without one."""
    if report.snapshot_age is None:
        return ""
    passed = "less than a minute" if report.snapshot_age < 60 else duration(report.snapshot_age)
    return f"compared with a snapshot taken {passed} ago, not with the service"


def is_stale(report: Report) -> bool:
    """Whether the snapshot is older than a day."""
    return report.snapshot_age is not None and report.snapshot_age > DAY


def advice(plan: Plan) -> list[tuple[State, str, str]]:
    """What to do about each state that a run leaves as it is, most urgent first: the words, and a command."""
    return [(state, _ADVICE[state], _CURES.get(state, "")) for state in _ADVICE if alone(plan, state)]


def alone(plan: Plan, state: State) -> list[Change]:
    """The changes in a state of which a run leaves all or a part as it is."""
    if not plan.catalog_known:
        return []
    mends = {Step.DELETE} if state is State.STRAY else {Step.RECREATE}
    return [change for change in plan.of(state) if change.step not in mends]


_ADVICE = {
    State.COLLISION: "The email belongs to a user who is not one of ours, so nothing is sent for it. "
    "Give the persona another email in the catalog.",
    State.NOT_KNOWN: "What is not known is not written. To ask again, run again.",
    State.LOCKED_OUT: "The derived password does not sign in. If that is so for all, they were seeded "
    "with another secret: check PERSONA_SEED_SECRET. Otherwise delete and create again:",
    State.RECREATE: "The service keeps an existing user's name. To delete and create again:",
    State.STRAY: "Not in the catalog, and left alone. To delete:",
}
_CURES = {
    State.LOCKED_OUT: "personas seed --recreate",
    State.RECREATE: "personas seed --recreate",
    State.STRAY: "personas seed --prune",
}
