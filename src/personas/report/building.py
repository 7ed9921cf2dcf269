"""From what a command learnt to the document that says it: only this place knows plans and outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from personas.reconcile.plan import State
from personas.report import document as doc
from personas.report import wording
from personas.report.usage import usage_of
from personas.secret import without_tokens

if TYPE_CHECKING:
    from datetime import datetime

    from personas.catalog.reading import Catalog
    from personas.errors import PersonasError, Problem
    from personas.reconcile.live import Live
    from personas.reconcile.outcome import Outcome
    from personas.reconcile.plan import Change, FieldChange, Plan
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
    problems, only = tuple(problems), tuple(only)
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
        notes=tuple(notes),
        plan=planned,
        outcomes=tuple(_outcome(item) for item in outcomes),
        usage=usage_of(command, plan, loaded, offline=offline),
        detail=doc.Detail.model_validate(detail) if detail is not None else None,
        live=_live(live, taken_at, only) if live is not None else None,
        error=_error(error) if error is not None else None,
        requests=requests,
        safety_requests=safety_requests,
        seconds=seconds,
        taken_at=taken_at,
        snapshot_age=snapshot_age,
    )
    return report.model_copy(update={"verdict": wording.verdict(report)})


def _error(error: PersonasError) -> doc.Error:
    return doc.Error(
        kind=type(error).__name__,
        message=without_tokens(error.message),
        hint=without_tokens(error.hint) or None,
        exit_code=error.exit_code,
    )


def _plan(plan: Plan, loaded: Catalog | None) -> doc.Plan:
    places = _Places(loaded)
    return doc.Plan(
        checksum=plan.checksum,
        in_sync=plan.in_sync,
        catalog_known=plan.catalog_known,
        whole=plan.whole,
        intent=doc.Intent.model_validate(plan.intent),
        steps=len(plan.steps),
        counts=doc.Counts(**{state.name.lower(): plan.counts[state] for state in State}),
        notes=tuple(plan.notes),
        changes=tuple(_change(change, places) for change in plan),
    )


class _Places:
    """Where the catalog has a persona or one of its fields."""

    def __init__(self, loaded: Catalog | None) -> None:
        self._loaded = loaded
        self._indexes = {p.email: index for index, p in enumerate(loaded.personas)} if loaded else {}

    def of(self, change: Change, *field: str) -> dict[str, int | None]:
        index = self._indexes.get(change.wanted.email) if change.wanted is not None else None
        if self._loaded is None or index is None:
            return {"line": None, "column": None}
        line, column = self._loaded.locate(("personas", index, *field))
        return {"line": line, "column": column}


def _change(change: Change, places: _Places) -> doc.Change:
    existing = change.existing
    return doc.Change(
        thing=change.thing,
        email=change.key,
        name=change.name,
        archetype=change.archetype,
        user_id=existing.user_id if existing is not None else None,
        state=change.state,
        step=change.step,
        reason=change.reason,
        fields=tuple(_field(item, places.of(change, item.field)) for item in change.fields),
        live=doc.Facts.model_validate(existing) if existing is not None else None,
        **places.of(change),
    )


def _field(item: FieldChange, place: Mapping[str, int | None]) -> doc.FieldChange:
    return doc.FieldChange.model_validate(item).model_copy(update=dict(place))


def _outcome(outcome: Outcome) -> doc.Outcome:
    change = outcome.change
    return doc.Outcome(
        thing=change.thing,
        email=change.key,
        user_id=change.existing.user_id if change.existing is not None else None,
        step=change.step,
        result=outcome.result,
        message=outcome.message,
        seconds=outcome.seconds,
    )


def _live(live: Live, taken_at: datetime | None, only: tuple[str, ...]) -> doc.Live:
    return doc.Live(
        taken_at=live.taken_at or taken_at,
        only=only,
        personas=tuple(doc.Persona.model_validate(persona) for persona in live.personas),
        owners={email: doc.Owner.model_validate(owner) for email, owner in live.owners.items()},
        logins={email: doc.LoginCheck.model_validate(login) for email, login in live.logins.items()},
        unread=dict(live.unread),
        notes=tuple(live.notes),
    )
