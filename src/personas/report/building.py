"""From what a command learnt to the document that says it: only this place knows plans and outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from personas.reconcile.changes import SpaceChange, State, Step
from personas.report import deviations as dev
from personas.report import differences as diff
from personas.report import document as doc
from personas.report import told, wording
from personas.report.shapes import storable
from personas.report.usage import usage_of
from personas.secret import without_tokens
from personas.service.models import OWNER

if TYPE_CHECKING:
    from datetime import datetime

    from personas.catalog.reading import Catalog
    from personas.errors import PersonasError, Problem
    from personas.reconcile.changes import Change, Plan
    from personas.reconcile.live import Live
    from personas.reconcile.outcome import Outcome
    from personas.service.models import LiveDetail


def make_report(
    command: str,
    *,
    version: str,
    catalog: str = "",
    service: str = "",
    only: Iterable[str] = (),
    dry_run: bool = False,
    offline: bool = False,
    interrupted: bool = False,
    loaded: Catalog | None = None,
    problems: Iterable[Problem] = (),
    warnings: Iterable[Problem] = (),
    notes: Iterable[str] = (),
    plan: Plan | None = None,
    outcomes: Iterable[Outcome] = (),
    detail: LiveDetail | None = None,
    live: Live | None = None,
    error: PersonasError | None = None,
    exit_code: int = 0,
    requests: int = 0,
    safety_requests: int = 0,
    seconds: float = 0.0,
    taken_at: datetime | None = None,
    snapshot_age: float | None = None,
) -> doc.Report:
    """The end of one command as a document.

    Args:
        command: `seed`, `dry-run`, `cleanup`, `list`, `show` or `validate`.
        version: The tool's version.
        catalog: The catalog file as it was named; empty when the command uses none.
        service: The service's address without credentials; empty when no service was asked.
        only: The patterns of `--only`.
        dry_run: Nothing was to be written.
        offline: The plan compares with nothing: the catalog alone was looked at.
        interrupted: The run was stopped by the user.
        loaded: The catalog as read; None when it could not be read.
        problems: Why the catalog is not valid.
        warnings: What is doubtful in the catalog.
        notes: What the reader must know, each a sentence, such as a safety check that was not offered.
        plan: The plan; None when the run ended before there was one, and for `validate`.
        outcomes: What became of the plan's steps; empty for a dry run.
        detail: One live persona, for `show`.
        live: The whole live state, only where the report is to be a snapshot: `list --full`.
        error: Why the run ended early; None when it ran to its end.
        exit_code: The exit code of the command.
        requests: How many requests were sent to the service.
        safety_requests: How many of them a safety rule cost.
        seconds: How long the run took.
        taken_at: When the live state was read.
        snapshot_age: Seconds since the snapshot was taken that the plan compares with; None without one.
    """
    problems, done = tuple(problems), tuple(outcomes)
    only = tuple(storable(without_tokens(pattern)) for pattern in only)
    read = loaded is not None or (command == "validate" and error is None)
    planned = _plan(plan, loaded) if plan is not None else None
    report = doc.Report(
        version=1,
        kind="personas-report",
        tool_version=version,
        command=command,
        exit_code=exit_code,
        verdict="",
        dry_run=dry_run,
        offline=offline,
        interrupted=interrupted,
        catalog=catalog or None,
        service=service or None,
        only=only,
        valid=False if problems else True if read else None,
        problems=tuple(doc.Problem.model_validate(item) for item in problems),
        warnings=tuple(doc.Problem.model_validate(item) for item in warnings),
        notes=(*notes, *(_left_behind(plan) if plan is not None and not done else ())),
        plan=planned,
        outcomes=tuple(
            _outcome(diff.Outcome, item) for item in done if not isinstance(item.change, SpaceChange)
        ),
        space_outcomes=tuple(
            _outcome(diff.SpaceOutcome, item) for item in done if isinstance(item.change, SpaceChange)
        ),
        catalog_spaces=len(loaded.spaces) if loaded is not None else None,
        usage=usage_of(command, plan, loaded, offline=offline),
        detail=told.Detail.model_validate(detail) if detail is not None else None,
        live=_live(live, taken_at, only) if live is not None else None,
        error=_error(error) if error is not None else None,
        requests=requests,
        safety_requests=safety_requests,
        seconds=seconds,
        taken_at=taken_at,
        snapshot_age=snapshot_age,
    )
    return report.model_copy(update={"verdict": wording.verdict(report)})


def _left_behind(plan: Plan) -> list[str]:
    """The personal spaces of whoever is to be deleted; what became of them is told by the run itself."""
    number = sum(change.step in {Step.DELETE, Step.RECREATE} for change in plan.personas)
    if not number:
        return []
    them = "it" if number == 1 else "them"
    spaces = wording.count(number, "personal space")
    return [f"{spaces} may stay behind on the service, which has no call to delete {them}."]


def _error(error: PersonasError) -> doc.Error:
    return doc.Error(
        kind=type(error).__name__,
        message=without_tokens(error.message),
        hint=without_tokens(error.hint) or None,
        exit_code=error.exit_code,
    )


def _plan(plan: Plan, loaded: Catalog | None) -> diff.Plan:
    places = _Places(loaded)
    return diff.Plan(
        checksum=plan.checksum,
        in_sync=plan.in_sync,
        catalog_known=plan.catalog_known,
        whole=plan.whole,
        intent=diff.Intent.model_validate(plan.intent),
        steps=len(plan.steps),
        counts=_counts(plan.personas),
        space_counts=_counts(plan.spaces),
        notes=tuple(plan.notes),
        changes=tuple(_change(change, places) for change in plan.personas),
        space_changes=tuple(_space_change(change, places) for change in plan.spaces),
    )


def _counts(changes: Iterable[Change]) -> diff.Counts:
    counted = Counter(change.state for change in changes)
    return diff.Counts(**{state.name.lower(): counted[state] for state in State})


Place = Mapping[str, int | None]


class _Places:
    """Where the catalog has each persona and each space, and what is in them."""

    def __init__(self, loaded: Catalog | None) -> None:
        self._loaded = loaded
        self._paths: dict[tuple[str, str], tuple[str, int]] = {}
        if loaded is not None:
            self._paths |= {("persona", p.email): ("personas", at) for at, p in enumerate(loaded.personas)}
            self._paths |= {("space", s.slug): ("spaces", at) for at, s in enumerate(loaded.spaces)}

    def of(self, change: Change, *inside: str | int) -> Place:
        """The line and column of a thing or of what is inside it; None each for what the catalog lacks."""
        path = self._paths.get((change.thing, change.key)) if change.content is not None else None
        if self._loaded is None or path is None:
            return {"line": None, "column": None}
        line, column = self._loaded.locate((*path, *inside))
        return {"line": line, "column": column}


def _change(change: Change, places: _Places) -> diff.Change:
    existing = change.existing
    return diff.Change(
        **_of_any(change, places),
        archetype=change.archetype,
        live=told.Facts.model_validate(existing) if existing is not None else None,
    )


def _of_any(change: Change, places: _Places) -> dict[str, Any]:
    """What is told of a thing of whatever kind."""
    fields = (
        dev.FieldChange.model_validate(item).model_copy(update=dict(places.of(change, item.field)))
        for item in change.fields
        if not item.member
    )
    return {
        "thing": change.thing,
        "key": change.key,
        "name": change.name,
        "live_id": change.live_id,
        "state": change.state,
        "step": change.step,
        "reason": change.reason,
        "fields": tuple(fields),
        **places.of(change),
    }


def _space_change(change: SpaceChange, places: _Places) -> diff.SpaceChange:
    space, live = change.space, change.live
    return diff.SpaceChange(
        **_of_any(change, places),
        type=space.type.value if space else live.type if live else None,
        owner=space.owner if space else ", ".join(live.owners) if live else change.owner,
        members=tuple(_members(change, places)),
        missing=change.missing,
    )


def _members(change: SpaceChange, places: _Places) -> Iterator[dev.Membership]:
    """The catalog's members in its order, its owner first, and then those whom it does not have."""
    wanted: dict[str, tuple[str, tuple[str | int, ...]]] = {}
    if space := change.space:
        wanted[space.owner] = (OWNER, ("owner",))
        wanted |= {member.email: (member.role, ("members", at)) for at, member in enumerate(space.members)}
    live = {member.email.lower(): member.role for member in change.live.members} if change.live else {}
    differing = {item.member.lower(): item for item in change.fields if item.member}
    for email in dict.fromkeys([*wanted, *live, *differing]):
        role, place = wanted.get(email, (None, ("members",)))
        item = differing.get(email)
        found = item.old if item else live.get(email)
        yield dev.Membership(
            email=email,
            wanted=role,
            live=found if isinstance(found, str) else None,
            differs=item is not None,
            mendable=item is None or item.mendable,
            **places.of(change, *place),
        )


_Told = TypeVar("_Told", bound=diff.AnyOutcome)


def _outcome(kind: type[_Told], outcome: Outcome) -> _Told:
    change = outcome.change
    return kind(
        thing=change.thing,
        key=change.key,
        live_id=change.live_id,
        step=change.step,
        result=outcome.result,
        message=outcome.message,
        seconds=outcome.seconds,
    )


def _live(live: Live, taken_at: datetime | None, only: tuple[str, ...]) -> told.Live:
    found = told.Live.model_validate(live, strict=False)  # its mappings need not be dicts
    return found.model_copy(update={"taken_at": live.taken_at or taken_at, "only": only})
