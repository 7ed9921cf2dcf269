"""A plan, and what became of it, on a page: `seed`, `dry-run` and `cleanup`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from personas.reconcile.outcome import Outcome, Result
from personas.reconcile.plan import PERSONA_DOMAIN, Change, FieldChange, Plan, State, Step
from personas.report import wording
from personas.report.diffs import text_diff
from personas.report.page import Cell, Column, Page, Span
from personas.report.usagetext import show_change
from personas.report.visible import shown

if TYPE_CHECKING:
    from personas.report.model import Report

SIGNS: dict[State, tuple[str, str]] = {
    State.COLLISION: ("✗", "bold red"),
    State.NOT_KNOWN: ("?", "bold yellow"),
    State.LOCKED_OUT: ("!", "bold red"),
    State.RECREATE: ("±", "magenta"),
    State.CREATE: ("+", "green"),
    State.UPDATE: ("~", "yellow"),
    State.STRAY: ("•", "cyan"),
    State.IN_SYNC: ("✓", "dim green"),
}
_RESULTS = {
    Result.DONE: ("✓", "green"),
    Result.FAILED: ("✗", "bold red"),
    Result.UNKNOWN: ("?", "bold yellow"),
    Result.NOT_DONE: ("·", "yellow"),
}
_LOCAL_START = "persona."
_ROWS_IN_SYNC = 5  # more than these are one line
_MOST_DETAILS = 50  # more updates than these are in the table only
_TITLES = {"seed": "Seed", "dry-run": "Dry run", "cleanup": "Cleanup"}


def show_plan(page: Page, report: Report, plan: Plan) -> None:
    """Headline, table, details and advice."""
    if is_calm(report, plan):
        _calm(page, report, plan)
        return
    _headline(page, report, plan)
    outcomes = {id(outcome.change): outcome for outcome in report.outcomes}
    by_key = {_identity(outcome.change): outcome for outcome in report.outcomes}
    results = {
        id(change): found
        for change in plan
        if (found := outcomes.get(id(change)) or by_key.get(_identity(change)))
    }
    _table(page, plan, results, offline=report.offline)
    _details(page, plan)
    _failures(page, report.outcomes)
    show_change(page, report)
    _advice(page, report, plan)


def _identity(change: Change) -> tuple[str, str, str]:
    return (change.thing, change.key, change.existing.user_id if change.existing else "")


def is_calm(report: Report, plan: Plan) -> bool:
    """Whether there is nothing to say but that all is well."""
    return plan.in_sync and plan.intent.purpose == "seed" and not report.outcomes and not report.offline


def _calm(page: Page, report: Report, plan: Plan) -> None:
    part = "" if plan.whole else " of those asked for"
    personas = wording.count(len(plan), "persona")
    text = f"{shown(report.catalog)} and {shown(wording.service_name(report))} are in sync"
    cost = f" · {wording.cost(report)}" if report.requests else ""
    page.line(("✓ ", "bold green"), (text, "bold"), f": {personas}{part}", (cost, "dim"), hang=2)
    if age := wording.age(report):
        page.line((age, "yellow"), indent=2)


def _headline(page: Page, report: Report, plan: Plan) -> None:
    title = (
        "Dry run"
        if report.dry_run and report.command == "seed"
        else _TITLES.get(report.command, report.command)
    )
    if report.command == "cleanup" and report.dry_run:
        title = "Cleanup, dry run"
    where: list[Span] = []
    if report.catalog:
        where.append((shown(report.catalog), "cyan"))
        if not report.offline:
            where.append((" → " if report.command != "cleanup" else " beside ", ""))
    if not report.offline:
        where.append((shown(wording.service_name(report)), "cyan"))
    page.line((f"{title}  ", "bold"), *where)
    if report.offline:
        page.line(
            ("Offline: nothing was compared. ", "bold yellow"),
            "This is the catalog alone; what is live, and whether any of this differs from it, is not known.",
        )
    if age := wording.age(report):
        page.line((f"{age[0].upper()}{age[1:]}.", "yellow"))
    if report.command == "cleanup":
        _drift_warning(page, plan)
    page.blank()


def _drift_warning(page: Page, plan: Plan) -> None:
    if not plan.catalog_known:
        page.line(("Warning: ", "bold yellow"), "the catalog could not be read, so drift is not known.")
    elif plan.drift:
        page.line(("Warning: ", "bold yellow"), f"there is drift: {wording.drift(plan)}.", hang=9)


def _table(page: Page, plan: Plan, results: Mapping[int, Outcome], *, offline: bool) -> None:
    cleanup = plan.intent.purpose == "cleanup"
    rows: list[list[Cell]] = []
    folded = 0
    few = plan.counts[State.IN_SYNC] <= _ROWS_IN_SYNC
    for change in plan:
        if change.state is State.IN_SYNC and change.step is None and not few:
            folded += 1
        elif cleanup and change.existing is None:
            continue
        else:
            rows.append(_row(change, results.get(id(change)), cleanup=cleanup))
    columns = [Column("state", 9), Column("name", 10), Column("email", 14), Column("archetype", 9)]
    if offline:
        # What a run would do is not known where nothing was compared.
        columns, rows = columns[1:], [row[1:-1] for row in rows]
    elif any(row[-1] for row in rows):
        columns.append(Column("drift" if cleanup else "differs", 15))
    if rows:
        page.table(*without_domain(page, columns, [row[: len(columns)] for row in rows]))
    if folded:
        sign, style = SIGNS[State.IN_SYNC]
        page.line((f"{sign} {folded:,} in sync", style), indent=2)


def without_domain(
    page: Page, columns: list[Column], rows: list[list[Cell]]
) -> tuple[list[Column], list[list[Cell]]]:
    """The table; where it has too little room, what all emails share stands once, over them."""
    column = next(index for index, column in enumerate(columns) if column.title == "email")
    for start, title in (("", f"…{PERSONA_DOMAIN}"), (_LOCAL_START, f"{_LOCAL_START}…")):
        emails = [str(row[column]) for row in rows]
        if page.fits(columns, rows) or not all(e.startswith(start) for e in emails):
            break
        if not start and not all(e.endswith(PERSONA_DOMAIN) for e in emails):
            break
        columns = [*columns[:column], Column(title, len(title)), *columns[column + 1 :]]
        rows = [
            [*row[:column], email.removeprefix(start).removesuffix(PERSONA_DOMAIN), *row[column + 1 :]]
            for row, email in zip(rows, emails, strict=True)
        ]
    return columns, rows


def _row(change: Change, outcome: Outcome | None, *, cleanup: bool) -> list[Cell]:
    sign, style = SIGNS[change.state]
    word = wording.state_word(change)
    if change.step is Step.DELETE:
        sign, style = "−", "red"
    if outcome is not None:
        (sign, style), word = _RESULTS[outcome.result], wording.result_word(outcome)
    return [
        (f"{sign} {word}", style),
        shown(change.name),
        shown(change.key),
        shown(change.archetype),
        shown(wording.remark(change, cleanup=cleanup)),
    ]


def _details(page: Page, plan: Plan) -> None:
    """Old and new of every field of the changes that have any."""
    if plan.intent.purpose == "cleanup":
        return
    changed = [change for change in plan if change.fields]
    for change in changed[:_MOST_DETAILS]:
        page.blank()
        _, style = SIGNS[change.state]
        page.line(
            (shown(change.name or change.key), f"bold {style.removeprefix('bold ')}"),
            f"  {shown(change.key)}",
        )
        for item in change.fields:
            show_field(page, item)
    if len(changed) > _MOST_DETAILS:
        page.blank()
        more = wording.count(len(changed) - _MOST_DETAILS, "more persona")
        verb = "differs" if len(changed) - _MOST_DETAILS == 1 else "differ"
        page.line((f"{more} {verb}; the JSON report has every old and new value.", "dim"))


def show_field(page: Page, item: FieldChange) -> None:
    """One field: `old → new`, a prompt as a diff."""
    name = f"{wording.label(item.field):<11}"
    if item.field == "systemPrompt" and isinstance(item.old, str) and isinstance(item.new, str):
        page.line((name.rstrip(), "dim"), indent=2)
        show_diff(page, item.old, item.new)
    elif isinstance(item.old, Mapping) and isinstance(item.new, Mapping):
        styles = {"added": "green", "removed": "red", "changed": ""}
        spans: list[Span] = []
        for kind, text in wording.weight_changes(item.old, item.new):
            spans += [(", ", ""), (text, styles[kind])] if spans else [(text, styles[kind])]
        page.line((name, "dim"), *spans, indent=2, hang=13)
    else:
        kept = () if item.mendable else (("  (an update cannot mend this)", "magenta"),)
        new = (wording.value(item.new), "green")
        page.line((name, "dim"), (wording.value(item.old), "red"), " → ", new, *kept, indent=2, hang=13)


def show_diff(page: Page, old: str, new: str) -> None:
    """A prompt's change, the words that changed marked by colour, or by brackets where there is none."""
    marks = {
        "old": (("- ", "red"), "red", "bold white on red"),
        "new": (("+ ", "green"), "green", "bold white on green"),
        "same": (("│ ", "dim"), "dim", ""),
        "gap": (("│ ", "dim"), "dim", ""),
        "rest": (("│ ", "dim"), "dim", ""),
    }
    for line in text_diff(old, new, most=24):
        mark, style, strong = marks[line.kind]
        spans: list[Span] = [(line.left_out, "dim")] if line.left_out else []
        for text, changed in line.parts:
            if changed and not page.color:
                spans.append((f"[-{text}-]" if line.kind == "old" else f"{{+{text}+}}", ""))
            else:
                spans.append((text, strong if changed else style))
        page.marked((mark[0].rstrip(), mark[1]), spans, indent=4)


def _failures(page: Page, outcomes: tuple[Outcome, ...]) -> None:
    told = [outcome for outcome in outcomes if outcome.result is not Result.DONE or outcome.message]
    if not told:
        return
    page.blank()
    for outcome in told:
        sign, style = _RESULTS[outcome.result]
        word = wording.result_word(outcome)
        reason = f": {shown(outcome.message, 1_000)}" if outcome.message else ""
        page.line((f"{sign} {word}  ", style), (shown(outcome.change.key), "bold"), reason, hang=4)


def _advice(page: Page, report: Report, plan: Plan) -> None:
    """What to do about collisions, strays and what only --recreate mends."""
    if report.offline or plan.intent.purpose == "cleanup":
        alone = [change for change in plan if change.existing is not None and change.step is None]
        if plan.intent.purpose == "cleanup" and alone:
            page.blank()
            page.line(
                ("• ", "cyan"),
                f"{wording.count(len(alone), 'live persona')} outside @mana.test left alone; "
                "to delete them too: personas cleanup --force",
                hang=2,
            )
        return
    for state, text in wording.advice(plan):
        page.blank()
        sign, style = SIGNS[state]
        changes = wording.alone(plan, state)
        page.line((f"{sign} {wording.plural_state(state, len(changes))}  ", style), text, hang=2)
        if state is State.NOT_KNOWN:
            for change in changes[:_MOST_DETAILS]:
                page.line((shown(change.key), "bold"), f": {shown(change.reason)}", indent=4, hang=6)
        else:
            names = [shown(change.key) for change in changes[:_MOST_DETAILS]]
            more = f" and {len(changes) - len(names):,} more" if len(changes) > len(names) else ""
            page.line((", ".join(names), "bold"), more, indent=4)


def show_verdict(page: Page, report: Report) -> None:
    """What it comes to, in bold, and the next step."""
    plan = report.plan
    if plan is None or is_calm(report, plan):
        return
    page.blank()
    bad = any(outcome.result is not Result.DONE for outcome in report.outcomes)
    urgent = bool(plan.of(State.COLLISION, State.LOCKED_OUT)) and plan.intent.purpose == "seed"
    style = "bold red" if bad or urgent else "bold green" if report.outcomes else "bold"
    in_sync = plan.counts[State.IN_SYNC]
    rest = (
        f", {in_sync:,} in sync" if in_sync and plan.intent.purpose == "seed" and not report.offline else ""
    )
    if report.outcomes and plan.intent.purpose == "seed" and (left := wording.left_alone(plan)):
        rest = f"; left alone: {left}{rest.replace(',', ';', 1)}"
    text = wording.verdict(report)
    page.line((text[:1].upper() + text[1:], style), rest)
    if bad:
        again = "personas cleanup" if plan.intent.purpose == "cleanup" else "personas seed"
        page.line(("Next: ", "bold"), f"run again, which does what is left: {again}")
    elif report.dry_run and plan.steps and not report.offline and plan.intent.purpose == "seed":
        page.line((f"Plan {plan.checksum}; pin it with --expect-plan {plan.checksum}", "dim"))
