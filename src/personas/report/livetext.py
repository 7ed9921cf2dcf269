"""What is live, on a page: `list` and `show`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.console import Group, RenderableType

from personas.reconcile.changes import State
from personas.report import wording
from personas.report.blocks import Column, Span, bar, joined, listing, more, names, prose
from personas.report.differences import Change, Difference, Plan, SpaceChange
from personas.report.difftext import SIGNS, fields_of
from personas.report.document import Report
from personas.report.plantext import COLUMNS, snapshot_told, verdict
from personas.report.told import Detail, Facts
from personas.report.visible import shown

_MOST_ROWS = 50
_MOST_ACTIONS = 20
_MOST_MODULES = 30
_FAILURES = ("error", "fail")
_PERSONA = (
    Column("state"),
    *(COLUMNS[title] for title in Change.titles),
    Column("cadence", least=7, most=12, rank=2),
    Column("active"),
    Column("7 days", right=True),
)
_SPACE = (Column("state"), *(COLUMNS[title] for title in SpaceChange.titles))


def list_sections(report: Report, plan: Plan, *, full: bool) -> list[RenderableType]:
    """The live personas, what differs first, and what the catalog has beside them."""
    live = [(change, change.live) for change in plan.changes if change.live is not None]
    head = joined(("Live personas  ", "bold"), (shown(wording.service_name(report)), "cyan"))
    told, left = wording.few(live, _MOST_ROWS, full=full)
    rows = [_row(change, facts, report.taken_at, known=plan.catalog_known) for change, facts in told]
    table = listing(_PERSONA, rows) if rows else prose("The service has no persona.", indent=2)
    sections: list[RenderableType] = [
        Group(head, *snapshot_told(report), verdict(report)),
        Group(table, *more(left, "live persona")),
    ]
    if plan.space_changes:
        sections.append(_spaces(plan, full=full))
    elif report.catalog_spaces:
        spaces = wording.count(report.catalog_spaces, "space")
        sections.append(prose((f"{spaces} of the catalog not looked at (--full does)", "dim"), indent=2))
    missing = [shown(change.key, 60) for change in plan.changes if change.live is None]
    if missing:
        are = "persona of the catalog is" if len(missing) == 1 else "personas of the catalog are"
        said = (f"{len(missing):,} {are} not live: ", "yellow")
        sections.append(prose(said, names(missing, most=10, full=full)))
    return sections


def _spaces(plan: Plan, *, full: bool) -> RenderableType:
    """The spaces, live or not, what differs first."""
    told, left = wording.few(plan.space_changes, _MOST_ROWS, full=full)
    rows = (
        (
            _state(change, known=plan.catalog_known),
            *change.cells,
            f"{change.size:,}" if change.is_live else "",
        )
        for change in told
    )
    return Group(listing((*_SPACE, Column("members", right=True)), rows), *more(left, "space"))


def _state(change: Difference, *, known: bool) -> Span:
    sign, style = SIGNS[change.state]
    return (f"{sign} {wording.relation(change)}", style) if known else ("? not known", "yellow")


def _row(change: Change, live: Facts, now: datetime | None, *, known: bool) -> tuple[Span, ...]:
    return (
        _state(change, known=known),
        live.name or change.name,
        live.email,
        live.archetype or "",
        live.tick_cadence or "",
        (wording.moment(live.last_active_at, now), "" if live.last_active_at else "dim"),
        (wording.told(live.actions_7d, ""), "" if live.actions_7d else "dim"),
    )


def show_sections(report: Report) -> list[RenderableType]:
    """One live persona: descriptor, drift, last actions, feedback."""
    detail, plan = report.detail, report.plan
    if detail is None:
        return [prose(shown(change.key), " is not live.") for change in (plan.changes[:1] if plan else ())]
    return [
        *_descriptor(detail, report.taken_at),
        _drift(plan, detail),
        *_memberships(plan, detail.persona.email),
        _actions(detail, report.taken_at),
        _feedback(detail),
    ]


def _descriptor(detail: Detail, now: datetime | None) -> list[RenderableType]:
    persona = detail.persona
    facts = {
        "archetype": persona.archetype,
        "cadence": persona.tick_cadence,
        "user": persona.user_id,
        "created": wording.moment(persona.created_at, now) if persona.created_at else None,
        "active": wording.moment(persona.last_active_at, now),
        "7 days": None if persona.actions_7d is None else wording.count(persona.actions_7d, "action"),
    }
    told = [
        prose(shown(fact), mark=(f"{name:<11}", "dim"), indent=2)
        for name, fact in facts.items()
        if fact is not None
    ]
    head = prose((shown(persona.name or persona.email), "bold cyan"), f"  {shown(persona.email)}")
    sections: list[RenderableType] = [Group(head, *told)]
    if persona.module_mix is not None:
        sections.append(Group(joined(("Weights", "bold")), _weights(persona.module_mix)))
    if persona.system_prompt is not None:
        paragraphs = persona.system_prompt.split("\n")
        texts = [prose(shown(paragraph, 20_000), indent=2) for paragraph in paragraphs[:_MOST_PARAGRAPHS]]
        sections.append(Group(joined(("Prompt", "bold")), *texts))
    return sections


_MOST_PARAGRAPHS = 200


def _weights(mix: Mapping[str, float]) -> RenderableType:
    ranked = sorted(mix.items(), key=lambda item: (-_finite(item[1]), item[0]))
    largest = max((_finite(weight) for _, weight in ranked), default=0.0)
    if not ranked:
        return prose(("none", "dim"), indent=2)
    rows = (
        (module, wording.number(weight), bar(_finite(weight) / largest if largest else 0.0))
        for module, weight in ranked[:_MOST_MODULES]
    )
    return listing((Column(least=10, most=30), Column(right=True), Column(least=8)), rows)


def _finite(weight: float) -> float:
    return weight if 0 <= weight < 1e300 else 0.0


def _drift(plan: Plan | None, detail: Detail) -> RenderableType:
    if plan is None or not plan.catalog_known:
        return prose("The catalog could not be read, so drift is not known.", mark=("? ", "yellow"))
    parts: list[RenderableType] = []
    for change in plan.changes:
        if change.live_id == detail.persona.user_id:
            sign, style = SIGNS[change.state]
            reason = f": {shown(change.reason)}" if change.reason else ""
            against = " with the catalog" if change.state is State.IN_SYNC else ""
            parts.append(
                prose((f"{wording.relation(change)}{against}", style), reason, mark=(f"{sign} ", style))
            )
            parts += fields_of(change)
    return Group(*parts)


def _memberships(plan: Plan | None, email: str) -> list[RenderableType]:
    """The spaces of a persona, with its role in each."""
    if plan is None or not (found := plan.spaces_of(email)):
        return []
    rows = ((_state(change, known=plan.catalog_known), *change.cells[:-1], role) for change, role in found)
    columns = (*_SPACE[:-1], Column("role", least=8))
    return [Group(joined(("Spaces", "bold")), listing(columns, rows))]


def _actions(detail: Detail, now: datetime | None) -> RenderableType:
    if not detail.recent_actions:
        return joined(("Last actions", "bold"), ": none yet")
    rows: list[tuple[Span, ...]] = []
    for action in detail.recent_actions[:_MOST_ACTIONS]:
        bad = action.error_message is not None or action.result.lower().startswith(_FAILURES)
        rows.append(
            (
                (wording.moment(action.created_at, now) if action.created_at else "", "dim"),
                action.tool,
                (action.result, "red" if bad else "green"),
                ("" if action.latency_ms is None else f"{action.latency_ms:.0f} ms", "dim"),
                (action.error_message or "", "red"),
            )
        )
    columns = (
        Column("when"),
        Column("tool", least=10, most=30),
        Column("result", least=7, most=12),
        Column("took", right=True),
        Column("error", least=15),
    )
    return Group(joined(("Last actions", "bold")), listing(columns, rows))


def _feedback(detail: Detail) -> RenderableType:
    if not detail.feedback:
        return joined(("Feedback", "bold"), ": none yet")
    rows: list[tuple[Span, ...]] = []
    for item in detail.feedback[:_MOST_MODULES]:
        mean = "not told" if item.mean is None else f"{item.mean:.1f} of 5"
        stars = bar(item.mean / 5, 20) if item.mean is not None and 0 <= item.mean <= 5 else ""
        rows.append((item.module, wording.told(item.ratings), mean, stars))
    columns = (
        Column("module", least=10, most=30),
        Column("ratings", right=True),
        Column("mean", right=True),
        Column(least=8),
    )
    return Group(joined(("Feedback", "bold")), listing(columns, rows))
