"""A plan, and what became of it, on a page: `seed`, `dry-run` and `cleanup`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType

from personas.reconcile.changes import PERSONA_DOMAIN, State
from personas.reconcile.outcome import Result
from personas.report import wording
from personas.report.advice import Advice, advice_on
from personas.report.blocks import (
    ALL,
    Column,
    Listing,
    Span,
    command,
    joined,
    line,
    listing,
    more,
    names,
    prose,
)
from personas.report.differences import AnyOutcome, Difference, Part, Plan
from personas.report.difftext import SIGNS, details
from personas.report.document import Report
from personas.report.usagetext import change_of_use
from personas.report.visible import shown

COLUMNS = {
    column.title: column
    for column in (
        Column("name", least=8, most=30),
        Column(
            "email",
            least=14,
            most=60,
            short=(("", PERSONA_DOMAIN, f"…{PERSONA_DOMAIN}"), ("persona.", "", "persona.…")),
        ),
        Column("archetype", least=9, most=20, rank=1),
        Column("space", least=8, most=30),
        Column("slug", least=8, most=60),
        Column("type", most=8, rank=2),
        Column("owner", least=12, most=60, rank=1, short=(("persona.", PERSONA_DOMAIN, "owner"),)),
    )
}

_ONLY_COUNTED = {"in sync": 5, "not done": 0}  # more than these are one line
_MOST_ROWS = 20  # of one state; where there are more, a few stand for all
_FEW_ROWS = 6
_MOST_REASONS = 10
_WARNING: Span = ("Warning: ", "bold yellow")
_TITLES = {"seed": "Seed", "dry-run": "Dry run", "cleanup": "Cleanup"}


def is_calm(report: Report) -> bool:
    """Whether there is nothing to say but that all is well."""
    plan = report.plan
    return bool(
        plan
        and plan.in_sync
        and report.acts
        and not plan.is_cleanup
        and not report.all_outcomes
        and not report.offline
    )


def plan_sections(report: Report, plan: Plan, *, full: bool) -> list[RenderableType]:
    """Headline and verdict, table, details, failures, meaning and advice."""
    if is_calm(report):
        return [_calm(report, plan)]
    return [
        _headline(report, plan),
        *(section for part in plan.parts for section in _table(report, part, full=full)),
        *(section for part in plan.parts for section in details(part, full=full)),
        *_failures(report.all_outcomes, full=full),
        *change_of_use(report, full=full),
        *_advice(report, plan, full=full),
    ]


def _calm(report: Report, plan: Plan) -> RenderableType:
    part = "" if plan.whole else " of those asked for"
    text = f"{shown(report.catalog or '')} and {shown(wording.service_name(report))} are in sync"
    cost = f" · {wording.cost(report)}" if report.requests else ""
    said = prose((text, "bold"), f": {wording.numbers(plan)}{part}", (cost, "dim"), mark=("✓ ", "bold green"))
    return Group(said, *snapshot_told(report))


def snapshot_told(report: Report) -> list[RenderableType]:
    """How old the snapshot is that was compared with; a warning when that is more than a day."""
    age = wording.age(report)
    if not age:
        return []
    if wording.is_stale(report):
        return [prose(age, mark=_WARNING)]
    return [prose((f"{age[0].upper()}{age[1:]}.", "yellow"))]


def _headline(report: Report, plan: Plan) -> RenderableType:
    title = _TITLES.get(report.command, report.command)
    if report.dry_run and report.command != "dry-run":
        title = "Dry run" if report.command == "seed" else f"{title}, dry run"
    where: list[Span] = []
    if report.catalog:
        where.append((shown(report.catalog), "cyan"))
        if not report.offline:
            where.append(" → " if report.command != "cleanup" else " beside ")
    if not report.offline:
        where.append((shown(wording.service_name(report)), "cyan"))
    lines: list[RenderableType] = [prose((f"{title}  ", "bold"), *where)]
    if report.offline:
        lines.append(
            prose(
                ("Offline: nothing was compared. ", "bold yellow"),
                "This is the catalog alone; what is live, and whether any of this differs, is not known.",
            )
        )
    lines += snapshot_told(report)
    if report.command == "cleanup" and not plan.catalog_known:
        lines.append(prose("the catalog could not be read, so drift is not known.", mark=_WARNING))
    elif report.command == "cleanup" and (drift := wording.all_of(plan, wording.drift)):
        lines.append(prose(f"there is drift: {drift}.", mark=_WARNING))
    return Group(*lines, verdict(report))


def verdict(report: Report) -> RenderableType:
    """What it comes to, in bold, with what is in sync or left alone; a line for each kind of thing."""
    plan = report.plan
    if plan is None or report.offline:
        return _verdict(report.verdict, bad=bool(report.problems))
    return Group(*(_verdict_of(report, plan, part) for part in plan.parts))


def _verdict(text: str, rest: str = "", *, bad: bool = False, good: bool = False) -> RenderableType:
    style = "bold red" if bad else "bold green" if good else "bold"
    return prose((text[:1].upper() + text[1:], style), rest)


def _verdict_of(report: Report, plan: Plan, part: Part[Difference]) -> RenderableType:
    text, rest = wording.verdict_of(report, part), ""
    outcomes = report.outcomes_of(part)
    bad = any(outcome.result is not Result.DONE for outcome in outcomes)
    if report.acts:
        bad = bad or bool(part.of(State.COLLISION, State.LOCKED_OUT))
        in_sync = part.count[State.IN_SYNC] if part.drift else 0
        rest = f", {in_sync:,} in sync" if in_sync else ""
        if outcomes and (left := wording.left_alone(part)):
            rest = f"; left alone: {left}{rest.replace(',', ';', 1)}"
    text = text if part is plan.personas else f"spaces: {text}"
    return _verdict(text, rest, bad=bad, good=bool(outcomes))


def _table(report: Report, part: Part[Difference], *, full: bool) -> list[RenderableType]:
    """What will be written, then what will not; of long states a few, and what is in sync as a number."""
    cleanup = part.plan.is_cleanup
    changes = [change for change in part.changes if change.is_live or not cleanup]
    changes.sort(key=lambda change: change.step is None)
    by_word = wording.alike(changes, lambda change: wording.status(change, report.result(change))[1])
    told: list[Difference] = []
    left_out: list[str] = []
    numbers: list[RenderableType] = []
    for word, alike in by_word.items():
        if not full and len(alike) > _ONLY_COUNTED.get(word, len(alike)):
            sign, style = SIGNS[wording.status(alike[0], report.result(alike[0]))[0]]
            numbers.append(prose((f"{sign} {len(alike):,} {word}", style), indent=2))
            continue
        most = _MOST_ROWS if len(alike) <= _MOST_ROWS else _FEW_ROWS
        kept, left = wording.few(alike, most, full=full)
        told += kept
        planned = "to " if kept[0].step and not report.all_outcomes else ""
        # What a run would do is not known where nothing was compared.
        what = f"{part.thing}s" if report.offline else f"{planned}{word}"
        left_out += [f"{left:,} more {what}"] if left else []
    if left_out:
        numbers.insert(0, prose(f"and {', '.join(left_out)} ({ALL})", indent=2))
    table = [_listing(report, told, cleanup=cleanup)] if told else []
    return [Group(*table, *numbers)] if table or numbers else []


def _listing(report: Report, changes: Sequence[Difference], *, cleanup: bool) -> Listing:
    columns = [COLUMNS[title] for title in changes[0].titles]
    if report.offline:
        return listing(columns, (change.cells for change in changes))
    rows: list[tuple[Span, ...]] = []
    for change in changes:
        mark, word = wording.status(change, report.result(change))
        sign, style = SIGNS[mark]
        rows.append(((f"{sign} {word}", style), *change.cells))
    columns = [Column("state"), *columns]
    remarks = [wording.remark(change, cleanup=cleanup) for change in changes]
    if any(remarks):
        columns.append(Column("drift" if cleanup else "differs", least=12))
        rows = [(*row, remark) for row, remark in zip(rows, remarks, strict=True)]
    return listing(columns, rows)


def _failures(outcomes: tuple[AnyOutcome, ...], *, full: bool) -> list[RenderableType]:
    """What failed and why, equal reasons told once; what was never sent is a number elsewhere."""
    told = [item for item in outcomes if item.message or item.result in {Result.FAILED, Result.UNKNOWN}]
    reasons = wording.alike(told, lambda item: (item.result, wording.result_word(item), item.message))
    kept, left = wording.few([*reasons.items()], _MOST_REASONS, full=full)
    parts: list[RenderableType] = []
    for (result, word, message), alike in kept:
        sign, style = SIGNS[result]
        number = f"{len(alike):,} " if len(alike) > 1 else ""
        keys = [outcome.key for outcome in alike]
        parts.append(_reason(keys, message, mark=(f"{sign} {number}{word}  ", style), full=full))
    return [Group(*parts, *more(left, "reason"))] if parts else []


def _reason(
    emails: Sequence[str], message: str, *, mark: Span = "", indent: int = 0, full: bool
) -> RenderableType:
    """One email and what happened to it, or what happened to several and which."""
    told = shown(message, 1_000)
    if len(emails) == 1:
        return prose((shown(emails[0]), "bold"), f": {told}" if told else "", mark=mark, indent=indent)
    who = names([shown(email) for email in emails], full=full)
    return Group(prose((told, "bold"), mark=mark, indent=indent), prose((who, "dim"), indent=indent + 2))


def _advice(report: Report, plan: Plan, *, full: bool) -> list[RenderableType]:
    """What to do about collisions, strays and what only --recreate mends."""
    if plan.is_cleanup:
        return [section for part in plan.parts for section in _spared(part, full=full)]
    if report.offline:
        return []
    return [_one_advice(found, full=full) for part in plan.parts for found in advice_on(part)]


def _spared(part: Part[Difference], *, full: bool) -> list[RenderableType]:
    """What is live and stays, and why."""
    alone = [change for change in part.changes if change.is_live and change.step is None]
    if not alone:
        return []
    one = len(alone) == 1
    text = f"{wording.count(len(alone), f'live {part.thing}')} left alone"
    if part is part.plan.spaces:
        return [Group(prose(f"{text}:", mark=("• ", "cyan")), *_reasons(alone, full=full))]
    text = f"{text}; to delete {'it' if one else 'them'} too:"
    parts = [prose(text, mark=("• ", "cyan")), command("personas cleanup --force")]
    return [Group(*parts, *_reasons(alone, full=full))]


def _one_advice(found: Advice, *, full: bool) -> RenderableType:
    sign, style = SIGNS[found.state]
    parts = [prose((f"{found.title}  ", style), found.text, mark=(f"{sign} ", style))]
    if found.command:
        parts.append(command(found.command))
    if found.explained:
        return Group(*parts, *_reasons(found.changes, full=full))
    emails = [shown(change.key) for change in found.changes]
    return Group(*parts, prose((names(emails, full=full), "dim"), indent=4))


def _reasons(changes: Sequence[Difference], *, full: bool) -> list[RenderableType]:
    """Why they are left alone, equal reasons told once."""
    reasons = wording.alike(changes, lambda change: change.reason)
    kept, left = wording.few([*reasons.items()], _MOST_REASONS, full=full)
    told = [_reason([each.key for each in alike], reason, indent=4, full=full) for reason, alike in kept]
    return [*told, *more(left, "reason")]


def next_step(report: Report, plan: Plan) -> list[RenderableType]:
    """How to go on: run again, or pin the plan."""
    if report.undone:
        again = "personas cleanup" if plan.is_cleanup else "personas seed"
        return [joined(("Next: ", "bold"), "run again, which does what is left:"), command(again)]
    if report.dry_run and plan.steps and not report.offline and not plan.is_cleanup:
        return [line((f"Pin this plan: --expect-plan {plan.checksum}", "dim"))]
    return []
