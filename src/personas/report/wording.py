"""The words that all formats share: states and results, the verdict, values, numbers, times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from personas.errors import DriftFound, Interrupted, PartlyFailed
from personas.reconcile.changes import EXPIRED, INVITED, State, Step
from personas.reconcile.outcome import Result
from personas.report.visible import shown

if TYPE_CHECKING:
    from personas.report.deviations import Deviation
    from personas.report.differences import AnyOutcome, Difference, Part, Plan
    from personas.report.document import Error, Report
    from personas.report.shapes import Value

DAY = 86_400.0  # seconds

_Thing = TypeVar("_Thing")
_Key = TypeVar("_Key", bound=Hashable)

# Errors that only sum up what a report tells anyway.
_TOLD = {kind.__name__ for kind in (PartlyFailed, DriftFound, Interrupted)}

_MOST_WEIGHTS = 40  # more of them are counted
# What a difference is called where nothing is compared in order to mend it.
FACTS = {
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


def few(things: Sequence[_Thing], most: int, *, full: bool = False) -> tuple[Sequence[_Thing], int]:
    """The things that there is room for, and how many are left out; never a single one."""
    return (things, 0) if full or len(things) <= most + 1 else (things[:most], len(things) - most)


def alike(things: Iterable[_Thing], key: Callable[[_Thing], _Key]) -> dict[_Key, list[_Thing]]:
    """The things in groups of those with the same key, each group where its first one stands."""
    groups: dict[_Key, list[_Thing]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


def state_word(change: Difference) -> str:
    """The state of a change in one or two words; what the run would do where that says more."""
    if change.step is Step.DELETE:
        return "delete"
    if change.step is Step.RECREATE:
        return "recreate"
    if change.state is State.RECREATE:
        return "update" if change.step is Step.UPDATE else "differs"
    return change.state.value.replace("-", " ")


def status(change: Difference, outcome: AnyOutcome | None) -> tuple[State | Step | Result, str]:
    """Where a change stands: what a format has a sign for, and its word."""
    if outcome is not None:
        return outcome.result, result_word(outcome)
    return Step.DELETE if change.step is Step.DELETE else change.state, state_word(change)


def relation(change: Difference) -> str:
    """How a live persona and the catalog relate, where nothing is done about it."""
    return FACTS[State.UPDATE if change.state is State.RECREATE else change.state][0]


def remark(change: Difference, *, cleanup: bool = False) -> str:
    """What there is to say of a change in a few words: what differs, mostly."""
    fields = differing(change)
    if cleanup and change.state is not State.IN_SYNC:
        return relation(change) + (f": {fields}" if fields else "")
    if change.state is State.CREATE:
        return change.reason
    waits = f"waits for {', '.join(change.waits_for)}" if change.waits_for else ""
    return "; ".join(part for part in (fields, waits) if part)


def result_word(outcome: AnyOutcome) -> str:
    """What became of a step: `created`, `failed`, `unknown` or `not done`."""
    if outcome.result is Result.DONE and outcome.step is not None:
        return f"{outcome.step.value}d"
    return "not done" if outcome.result is Result.NOT_DONE else outcome.result.value


def planned(part: Part[Difference]) -> str:
    """What a run would do and what else is not in sync: `3 to create, 1 to update, 1 stray`."""
    steps = Counter(change.step for change in part.changes)
    deleted = steps[Step.DELETE]
    if part.plan.is_cleanup:
        return count(deleted, "to delete", "to delete") if deleted else "nothing to delete"
    parts = [
        (part.count[State.COLLISION], *FACTS[State.COLLISION]),
        (part.count[State.NOT_KNOWN], *FACTS[State.NOT_KNOWN]),
        (len(part.left(State.LOCKED_OUT)), *FACTS[State.LOCKED_OUT]),
        (len(part.left(State.RECREATE)), *FACTS[State.RECREATE]),
        # One that needs --recreate is updated all the same, as far as an update can mend it.
        *((steps[step], f"to {step}", f"to {step}") for step in (Step.RECREATE, Step.CREATE, Step.UPDATE)),
        (len(part.left(State.UPDATE)), "needs --prune", "need --prune"),
        (deleted, "stray to delete", "strays to delete"),
        (part.count[State.STRAY] - deleted, *FACTS[State.STRAY]),
    ]
    return ", ".join(count(*told) for told in parts if told[0])


def drift(part: Part[Difference]) -> str:
    """The differences as facts: `1 differs, 2 not live, 1 stray`; empty when there is none."""
    states = (change.state for change in part.drift)
    return _facts(State.UPDATE if state is State.RECREATE else state for state in states)


def left_alone(part: Part[Difference]) -> str:
    """What is not in sync and is left as it is, as facts: `1 stray, 1 collision`; empty when nothing is."""
    return _facts(change.state for change in part.drift if not change.is_mended)


def _facts(states: Iterable[State]) -> str:
    counted = Counter(states)
    return ", ".join(count(counted[state], *FACTS[state]) for state in State if counted[state])


def achieved(outcomes: Iterable[AnyOutcome]) -> str:
    """What was done, by the service's word: `3 created, 1 failed`; empty when there was nothing to do."""
    counted = Counter(result_word(outcome) for outcome in outcomes)
    order = [*(f"{step.value}d" for step in Step), "failed", "unknown", "not done"]
    return ", ".join(f"{counted[word]:,} {word}" for word in order if counted[word])


def all_of(plan: Plan, tell: Callable[[Part[Difference]], str]) -> str:
    """What is to be told of the personas, and then of the spaces: `1 stray; spaces: 1 differs`."""
    told = [(part, text) for part in plan.parts if (text := tell(part))]
    return "; ".join(text if part is plan.personas else f"spaces: {text}" for part, text in told)


def numbers(plan: Plan) -> str:
    """How many things there are: `10 personas, 5 spaces`."""
    return ", ".join(count(len(part.changes), part.thing) for part in plan.parts)


def verdict(report: Report) -> str:
    """The end of a command in one clause, the same in every format."""
    warnings = f", {count(len(report.warnings), 'warning')}" if report.warnings else ""
    if report.problems:
        return count(len(report.problems), "problem") + warnings
    if (plan := report.plan) is not None:
        if report.offline and not report.all_outcomes:
            return f"{numbers(plan)}, compared with nothing"
        return all_of(plan, lambda part: verdict_of(report, part))
    if report.error is not None:
        return "not finished"
    return f"valid{warnings}" if report.command == "validate" else "done"


def verdict_of(report: Report, part: Part[Difference]) -> str:
    """What became of the changes of one kind, or what would."""
    plan = part.plan
    if outcomes := report.outcomes_of(part):
        return achieved(outcomes)
    if report.command in {"list", "show"}:
        return _listed(part)
    if not part.drift and not plan.is_cleanup:
        number = len(part.changes)
        return f"{count(number, part.thing) if part is plan.personas else f'{number:,}'} in sync"
    return planned(part)


def _listed(part: Part[Difference]) -> str:
    number = sum(change.is_live for change in part.changes)
    live = count(number, "live persona") if part is part.plan.personas else f"{number:,} live"
    if not part.plan.catalog_known:
        return f"{live}; the catalog could not be read, so drift is not known"
    return f"{live}, {drift(part) or 'all in sync'}"


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


def told(number: int | None, nothing: str = "not told") -> str:
    """A number that the service may not have told."""
    return nothing if number is None else f"{number:,}"


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


def value(item: Value, nothing: str = "not told") -> str:
    """A field's value on one line; what the service did not say is called so."""
    if item is None:
        return nothing
    return shown(item) if isinstance(item, str) else weights(item)


def field_change(item: Deviation) -> str:
    """A point that differs on one line: `daily → hourly`."""
    if item.mixes:
        return ", ".join(text for _, text in weight_changes(*item.mixes))
    about = f"{shown(item.about)}: " if item.about else ""
    return f"{about}{value(item.old, item.nothing)} → {value(item.new, item.nothing)}"


def differing(change: Difference) -> str:
    """What differs, in a few words: `prompt, weights`, or of a space `name, member missing`."""
    counted = Counter(item.label for item in change.deviations if not item.about)
    members = Counter(item.label for item in change.deviations if item.about)
    if len(members) > _MOST_KINDS:
        members = Counter({"member": members.total()})
    told = [what if number == 1 else count(number, *_KINDS[what]) for what, number in members.items()]
    return ", ".join([*counted, *told])


_MOST_KINDS = 2  # of how members may differ; where there are more, they are counted
_KINDS = {
    "member": ("member", "members"),
    "member missing": ("member missing", "members missing"),
    "member too many": ("member too many", "members too many"),
    "role": ("role", "roles"),
    INVITED: ("invited", "invited"),
    EXPIRED: ("invitation expired", "invitations expired"),
}


def service_name(report: Report) -> str:
    """Where the live side comes from, in words."""
    if report.offline:
        return "nothing (offline)"
    return report.service or ("a snapshot" if report.snapshot_age is not None else "the service")


def cost(report: Report) -> str:
    """Requests, what safety cost of them, and time: `14 requests, 2 of them safety checks · 0.8 s`."""
    text = count(report.requests, "request")
    if report.safety_requests:
        checks = "a safety check" if report.safety_requests == 1 else "safety checks"
        text += f", {report.safety_requests:,} of them {checks}"
    return f"{text} · {duration(report.seconds)}"


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
    """A time in UTC, relative to `now` when that is known and later; `never` for None."""
    if when is None:
        return "never"
    seconds = (now - when).total_seconds() if now is not None else -1.0
    if seconds < 0:
        return f"{when:%Y-%m-%d %H:%M} UTC"
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
