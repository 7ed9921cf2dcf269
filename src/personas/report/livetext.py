"""What is live, on a page: `list` and `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.reconcile.plan import Change, State
from personas.report import wording
from personas.report.page import Cell, Column, Page
from personas.report.plantext import SIGNS, show_field, without_domain
from personas.report.visible import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from personas.report.model import Report
    from personas.service.models import LiveDetail, LivePersona

_MOST_ACTIONS = 20
_MOST_MODULES = 30
_FAILURES = ("error", "fail")


def show_list(page: Page, report: Report) -> None:
    """A table of the live personas, and what the catalog has beside them."""
    changes = report.plan.changes if report.plan else ()
    known = report.plan is not None and report.plan.catalog_known
    live = [change for change in changes if change.existing is not None]
    page.line(("Live personas  ", "bold"), (shown(wording.service_name(report)), "cyan"))
    if age := wording.age(report):
        page.line((f"{age[0].upper()}{age[1:]}.", "yellow"))
    page.blank()
    if live:
        columns = [
            Column("name", 12),
            Column("email", 14),
            Column("archetype", 9),
            Column("cadence", 7),
            Column("active", 8),
            Column("7 days", 6, right=True),
            Column("state", 9),
        ]
        ordered = sorted(live, key=lambda change: change.key)
        rows = [
            _row(change, change.existing, report.taken_at, known=known)
            for change in ordered
            if change.existing is not None
        ]
        page.table(*without_domain(page, columns, rows))
    else:
        page.line("The service has no persona.", indent=2)
    missing = [change for change in changes if change.existing is None]
    if missing:
        page.blank()
        are = "persona of the catalog is" if len(missing) == 1 else "personas of the catalog are"
        names = ", ".join(shown(change.key, 60) for change in missing[:10])
        more = f" and {len(missing) - 10:,} more" if len(missing) > 10 else ""
        page.line((f"{len(missing):,} {are} not live: ", "yellow"), names + more, hang=2)


def _row(change: Change, persona: LivePersona, now: datetime | None, *, known: bool) -> list[Cell]:
    actions = "" if persona.actions_7d is None else f"{persona.actions_7d:,}"
    sign, style = SIGNS[change.state]
    state = f"{sign} {wording.relation(change)}" if known else "? not known"
    return [
        shown(persona.name or change.name),
        shown(persona.email),
        shown(persona.archetype or ""),
        shown(persona.tick_cadence or ""),
        (wording.moment(persona.last_active_at, now), "" if persona.last_active_at else "dim"),
        (actions, "" if persona.actions_7d else "dim"),
        (state, style if known else "yellow"),
    ]


def show_detail(page: Page, report: Report) -> None:
    """One live persona: descriptor, drift, last actions, feedback."""
    detail = report.detail
    changes = report.plan.changes if report.plan else ()
    if detail is None:
        if changes:
            page.line(shown(changes[0].key), " is not live.")
        return
    _descriptor(page, detail, report.taken_at)
    _drift(page, report, detail)
    _actions(page, detail, report.taken_at)
    _feedback(page, detail)


def _descriptor(page: Page, detail: LiveDetail, now: datetime | None) -> None:
    persona = detail.persona
    page.line((shown(persona.name or persona.email), "bold cyan"), f"  {shown(persona.email)}")
    facts = [
        ("archetype", persona.archetype),
        ("cadence", persona.tick_cadence),
        ("user", persona.user_id),
        ("created", wording.moment(persona.created_at, now) if persona.created_at else None),
        ("active", wording.moment(persona.last_active_at, now)),
        ("7 days", None if persona.actions_7d is None else wording.count(persona.actions_7d, "action")),
    ]
    for name, fact in facts:
        if fact is not None:
            page.line((f"{name:<11}", "dim"), shown(fact), indent=2, hang=13)
    if persona.module_mix is not None:
        page.blank()
        page.line(("Weights", "bold"))
        _weights(page, persona.module_mix)
    if persona.system_prompt is not None:
        page.blank()
        page.line(("Prompt", "bold"))
        for paragraph in persona.system_prompt.split("\n"):
            page.line(shown(paragraph, 20_000), indent=2)


def _weights(page: Page, mix: Mapping[str, float]) -> None:
    ranked = sorted(mix.items(), key=lambda item: (-_finite(item[1]), item[0]))
    largest = max((_finite(weight) for _, weight in ranked), default=0.0)
    rows: list[list[Cell]] = [
        [
            shown(module),
            wording.number(weight),
            (page.bar(_finite(weight) / largest if largest else 0), "cyan"),
        ]
        for module, weight in ranked[:_MOST_MODULES]
    ]
    if rows:
        page.table([Column("", 12), Column("", 6, right=True), Column("", 24)], rows)
    else:
        page.line(("none", "dim"), indent=2)


def _finite(weight: float) -> float:
    return float(weight) if 0 <= weight < 1e300 else 0.0


def _drift(page: Page, report: Report, detail: LiveDetail) -> None:
    page.blank()
    plan = report.plan
    if plan is None or not plan.catalog_known:
        page.line(("? ", "yellow"), "The catalog could not be read, so drift is not known.")
        return
    changes = [c for c in plan if c.existing is not None and c.existing.user_id == detail.persona.user_id]
    for change in changes:
        sign, style = SIGNS[change.state]
        reason = f": {shown(change.reason)}" if change.reason else ""
        against = " with the catalog" if change.state is State.IN_SYNC else ""
        page.line((f"{sign} {wording.relation(change)}{against}", style), reason, hang=2)
        for item in change.fields:
            show_field(page, item)


def _actions(page: Page, detail: LiveDetail, now: datetime | None) -> None:
    page.blank()
    if not detail.recent_actions:
        page.line(("Last actions", "bold"), ": none yet")
        return
    page.line(("Last actions", "bold"))
    rows: list[list[Cell]] = []
    for action in detail.recent_actions[:_MOST_ACTIONS]:
        bad = action.error_message is not None or action.result.lower().startswith(_FAILURES)
        took = "" if action.latency_ms is None else f"{action.latency_ms:.0f} ms"
        rows.append(
            [
                (wording.moment(action.created_at, now) if action.created_at else "", "dim"),
                shown(action.tool),
                (shown(action.result), "red" if bad else "green"),
                (took, "dim"),
                (shown(action.error_message or ""), "red"),
            ]
        )
    columns = [Column("when", 8), Column("tool", 10), Column("result", 7), Column("took", 6, right=True)]
    page.table([*columns, Column("error", 20)], rows)


def _feedback(page: Page, detail: LiveDetail) -> None:
    page.blank()
    if not detail.feedback:
        page.line(("Feedback", "bold"), ": none yet")
        return
    page.line(("Feedback", "bold"))
    rows: list[list[Cell]] = []
    for item in detail.feedback[:_MOST_MODULES]:
        mean = "not told" if item.mean is None else f"{item.mean:.1f} of 5"
        bar = page.bar(item.mean / 5, 20) if item.mean is not None and 0 <= item.mean <= 5 else ""
        ratings = "not told" if item.ratings is None else f"{item.ratings:,}"
        rows.append([shown(item.module), (ratings, ""), (mean, ""), (bar, "cyan")])
    page.table(
        [Column("module", 10), Column("ratings", 7, right=True), Column("mean", 8, right=True), Column("")],
        rows,
    )
