"""A plan, and what became of it, on a page: `seed`, `dry-run` and `cleanup`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from personas.reconcile.outcome import Result
from personas.reconcile.plan import PERSONA_DOMAIN, State, Step
from personas.report import wording
from personas.report.blocks import ALL, Column, Listing, Span, command, few, joined, line, names, prose
from personas.report.diffs import core, text_diff
from personas.report.usagetext import change_of_use
from personas.report.visible import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from personas.report.document import Change, FieldChange, Outcome, Plan, Report

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
NAME = Column("name", least=8, most=30)
EMAIL = Column(
    "email",
    least=14,
    most=60,
    short=(("", PERSONA_DOMAIN, f"…{PERSONA_DOMAIN}"), ("persona.", "", "persona.…")),
)
ARCHETYPE = Column("archetype", least=9, most=20, rank=1)

_ROWS_IN_SYNC = 5  # more than these are one line
_MOST_ROWS = 20  # of one state; where there are more, a few stand for all
_FEW_ROWS = 6
_MOST_DETAILS = 20  # changes, or groups of equal changes, that are told in full
_MOST_REASONS = 10
_ALIKE = 3  # so many equal changes are told as one
_TITLES = {"seed": "Seed", "dry-run": "Dry run", "cleanup": "Cleanup"}


def is_calm(report: Report) -> bool:
    """Whether there is nothing to say but that all is well."""
    plan = report.plan
    return bool(
        plan
        and plan.in_sync
        and report.acts
        and not plan.is_cleanup
        and not report.outcomes
        and not report.offline
    )


def plan_sections(report: Report, plan: Plan, *, full: bool) -> list[RenderableType]:
    """Headline and verdict, table, details, failures, meaning and advice."""
    if is_calm(report):
        return [_calm(report, plan)]
    return [
        _headline(report, plan),
        *_table(report, plan, full=full),
        *_details(plan, full=full),
        *_failures(report.outcomes, full=full),
        *change_of_use(report, full=full),
        *_advice(report, plan, full=full),
    ]


def _calm(report: Report, plan: Plan) -> RenderableType:
    part = "" if plan.whole else " of those asked for"
    personas = wording.count(len(plan.changes), "persona")
    text = f"{shown(report.catalog or '')} and {shown(wording.service_name(report))} are in sync"
    cost = f" · {wording.cost(report)}" if report.requests else ""
    said = prose((text, "bold"), f": {personas}{part}", (cost, "dim"), mark=("✓ ", "bold green"))
    return Group(said, *snapshot_told(report))


def snapshot_told(report: Report) -> list[RenderableType]:
    """How old the snapshot is that was compared with; a warning when that is more than a day."""
    age = wording.age(report)
    if not age:
        return []
    if wording.is_stale(report):
        return [prose(age, mark=("Warning: ", "bold yellow"))]
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
    elif report.command == "cleanup" and plan.drift:
        lines.append(prose(f"there is drift: {wording.drift(plan)}.", mark=_WARNING))
    return Group(*lines, verdict(report))


_WARNING: Span = ("Warning: ", "bold yellow")


def verdict(report: Report) -> RenderableType:
    """What it comes to, in bold, with what is in sync or left alone."""
    plan = report.plan
    text = wording.verdict(report)
    bad = any(outcome.result is not Result.DONE for outcome in report.outcomes)
    rest = ""
    if plan is not None and report.acts and not report.offline:
        bad = bad or bool(plan.of(State.COLLISION, State.LOCKED_OUT))
        in_sync = plan.count[State.IN_SYNC]
        rest = f", {in_sync:,} in sync" if in_sync else ""
        if report.outcomes and (left := wording.left_alone(plan)):
            rest = f"; left alone: {left}{rest.replace(',', ';', 1)}"
    style = "bold red" if bad or report.problems else "bold green" if report.outcomes else "bold"
    return prose((text[:1].upper() + text[1:], style), rest)


def _table(report: Report, plan: Plan, *, full: bool) -> list[RenderableType]:
    """What will be written, then what will not; long states are cut, and what is in sync is one line."""
    few_in_sync = plan.count[State.IN_SYNC] <= _ROWS_IN_SYNC
    rows: list[Change] = []
    folded: Counter[str] = Counter()
    for change in sorted(plan.changes, key=lambda change: change.step is None):
        result = report.result(change)
        if plan.is_cleanup and change.live is None:
            continue
        if result is not None and result.result is Result.NOT_DONE:
            folded["· not done"] += 1
        elif change.state is State.IN_SYNC and change.step is None and not few_in_sync:
            folded["✓ in sync"] += 1
        else:
            rows.append(change)
    told: list[Change] = []
    more: list[str] = []
    for word, group in groupby(rows, key=lambda change: _word(change, report.result(change))[1]):
        alike = [*group]
        most = _MOST_ROWS if len(alike) <= _MOST_ROWS else _FEW_ROWS
        kept, left = few(alike, most, full=full)
        told += kept
        planned = "to " if kept[0].step and not report.outcomes else ""
        more += [f"{left:,} more {planned}{word}"] if left else []
    columns = [Column("state"), NAME, EMAIL, ARCHETYPE]
    cells: Callable[[Change], list[Text]] = lambda change: _row(change, report.result(change), plan)  # noqa: E731
    parts: list[RenderableType] = []
    made = [cells(change) for change in told]
    if report.offline:
        # What a run would do is not known where nothing was compared.
        columns, made = columns[1:], [row[1:-1] for row in made]
    elif any(row[-1].plain for row in made):
        columns.append(Column("drift" if plan.is_cleanup else "differs", least=12))
    if made:
        parts.append(Listing(tuple(columns), tuple(tuple(row[: len(columns)]) for row in made)))
    if more:
        parts.append(prose(f"and {', '.join(more)} ({ALL})", indent=2))
    styles = {"· not done": "yellow", "✓ in sync": SIGNS[State.IN_SYNC][1]}
    parts += [
        prose((f"{text[0]} {number:,}{text[1:]}", styles[text]), indent=2) for text, number in folded.items()
    ]
    return [Group(*parts)] if parts else []


def _word(change: Change, outcome: Outcome | None) -> tuple[str, str, str]:
    """A change's sign, its state or result in a word, and their style."""
    if outcome is not None:
        sign, style = _RESULTS[outcome.result]
        return sign, wording.result_word(outcome), style
    sign, style = ("−", "red") if change.step is Step.DELETE else SIGNS[change.state]
    return sign, wording.state_word(change), style


def _row(change: Change, outcome: Outcome | None, plan: Plan) -> list[Text]:
    sign, word, style = _word(change, outcome)
    remark = wording.remark(change, cleanup=plan.is_cleanup)
    return [
        Text(f"{sign} {word}", style),
        *(Text(shown(text)) for text in (change.name, change.email, change.archetype, remark)),
    ]


def _details(plan: Plan, *, full: bool) -> list[RenderableType]:
    """Old and new of every field of the changes that have any; equal changes are told once."""
    if plan.is_cleanup:
        return []
    changed = sorted((c for c in plan.changes if c.fields), key=lambda change: change.step is None)
    alike: dict[object, list[Change]] = {}
    for change in changed:
        alike.setdefault((change.state, *map(_essence, change.fields)), []).append(change)
    groups = [
        part
        for group in alike.values()
        for part in ([group] if len(group) >= _ALIKE else [[one] for one in group])
    ]
    told, _ = few(groups, _MOST_DETAILS, full=full)
    sections: list[RenderableType] = [_group(group, full=full) for group in told]
    if left := len(changed) - sum(len(group) for group in told):
        verb = "differs" if left == 1 else "differ"
        sections.append(prose((f"{wording.count(left, 'more persona')} {verb} ({ALL})", "dim")))
    return sections


def _essence(item: FieldChange) -> object:
    """What makes two changes of a field the same to a reader."""
    if item.prompts:
        return item.field, core(*item.prompts)
    return item.field, wording.field_change(item)


def _group(group: Sequence[Change], *, full: bool) -> RenderableType:
    """One change, or equal ones, field by field."""
    first = group[0]
    style = f"bold {SIGNS[first.state][1].removeprefix('bold ')}"
    fields = fields_of(first)
    if len(group) == 1:
        title = prose((shown(first.name or first.email), style), f"  {shown(first.email)}")
        return Group(title, *fields)
    inline = len(first.fields) == 1 and first.fields[0].field != "systemPrompt"
    what = wording.field_change(first.fields[0]) if inline else wording.differing(first)
    title = prose((f"{len(group):,} × {what}", style))
    who = prose((names([shown(change.email) for change in group], most=3, full=full), "dim"), indent=2)
    return Group(title, who) if inline else Group(title, who, *fields)


def fields_of(change: Change) -> Iterable[RenderableType]:
    """Each field that differs: `old → new`, a prompt as a diff."""
    for item in change.fields:
        label = wording.label(item.field)
        mark = (f"{label:<11}", "dim")
        if item.prompts:
            yield prose((label, "dim"), indent=2)
            yield Diff(*item.prompts)
        elif item.mixes:
            styles = {"added": "green", "removed": "red", "changed": ""}
            parts = [(text, styles[kind]) for kind, text in wording.weight_changes(*item.mixes)]
            spans = [span for part in parts for span in (", ", part)][1:]
            yield prose(*spans, mark=mark, indent=2)
        else:
            cannot = () if item.mendable else (("  (an update cannot mend this)", "magenta"),)
            new = (wording.value(item.new), "green")
            yield prose((wording.value(item.old), "red"), " → ", new, *cannot, mark=mark, indent=2)


class Diff:
    """A prompt's change, the words that changed marked by colour, or by brackets where there is none."""

    _MARKS = {  # noqa: RUF012 - never changed
        "old": (("- ", "red"), "red", "bold reverse red"),
        "new": (("+ ", "green"), "green", "bold reverse green"),
    }

    def __init__(self, old: str, new: str) -> None:
        self._lines = text_diff(old, new, most=24)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, each with its mark."""
        del options
        plain = console.no_color or console.color_system is None
        for item in self._lines:
            mark, style, strong = self._MARKS.get(item.kind, (("│ ", "dim"), "dim", ""))
            spans: list[Span] = [(item.left_out, "dim")] if item.left_out else []
            for text, changed in item.parts:
                if changed and plain:
                    spans.append(f"[-{text}-]" if item.kind == "old" else f"{{+{text}+}}")
                else:
                    spans.append((text, strong if changed else style))
            yield prose(*spans, mark=mark, indent=4)


def _failures(outcomes: tuple[Outcome, ...], *, full: bool) -> list[RenderableType]:
    """What failed and why, equal reasons told once; what was never sent is a number elsewhere."""
    reasons: dict[tuple[Result, str, str], list[str]] = {}
    for outcome in outcomes:
        told = outcome.result in {Result.FAILED, Result.UNKNOWN}
        if told or outcome.message:
            key = (outcome.result, wording.result_word(outcome), outcome.message)
            reasons.setdefault(key, []).append(outcome.email)
    kept, left = few([*reasons.items()], _MOST_REASONS, full=full)
    parts: list[RenderableType] = []
    for (result, word, message), emails in kept:
        sign, style = _RESULTS[result]
        number = f"{len(emails):,} " if len(emails) > 1 else ""
        parts.append(_reason(emails, message, mark=(f"{sign} {number}{word}  ", style), full=full))
    return [Group(*parts, *_left(left, "more reason"))] if parts else []


def _reason(
    emails: Sequence[str], message: str, *, mark: Span = "", indent: int = 0, full: bool
) -> RenderableType:
    """One email and what happened to it, or what happened to several and which."""
    told = shown(message, 1_000)
    if len(emails) == 1:
        return prose((shown(emails[0]), "bold"), f": {told}" if told else "", mark=mark, indent=indent)
    who = names([shown(email) for email in emails], full=full)
    return Group(prose((told, "bold"), mark=mark, indent=indent), prose((who, "dim"), indent=indent + 2))


def _left(number: int, what: str) -> list[RenderableType]:
    return [prose(f"and {wording.count(number, what)} ({ALL})", indent=2)] if number else []


def _advice(report: Report, plan: Plan, *, full: bool) -> list[RenderableType]:
    """What to do about collisions, strays and what only --recreate mends."""
    if plan.is_cleanup:
        alone = [change for change in plan.changes if change.live is not None and change.step is None]
        if not alone:
            return []
        text = (
            f"{wording.count(len(alone), 'live persona')} outside @mana.test left alone; to delete them too:"
        )
        return [Group(prose(text, mark=("• ", "cyan")), command("personas cleanup --force"))]
    if report.offline:
        return []
    return [_one_advice(plan, *item, full=full) for item in wording.advice(plan)]


def _one_advice(plan: Plan, state: State, text: str, cure: str, *, full: bool) -> RenderableType:
    sign, style = SIGNS[state]
    changes = wording.alone(plan, state)
    parts = [prose((f"{wording.plural_state(state, len(changes))}  ", style), text, mark=(f"{sign} ", style))]
    if cure:
        parts.append(command(cure))
    if state is not State.NOT_KNOWN:
        emails = [shown(change.email) for change in changes]
        return Group(*parts, prose((names(emails, full=full), "dim"), indent=4))
    reasons: dict[str, list[str]] = {}
    for change in changes:
        reasons.setdefault(change.reason, []).append(change.email)
    kept, left = few([*reasons.items()], _MOST_REASONS, full=full)
    parts += [_reason(emails, reason, indent=4, full=full) for reason, emails in kept]
    return Group(*parts, *_left(left, "more reason"))


def next_step(report: Report, plan: Plan) -> list[RenderableType]:
    """How to go on: run again, or pin the plan."""
    if any(outcome.result is not Result.DONE for outcome in report.outcomes):
        again = "personas cleanup" if plan.is_cleanup else "personas seed"
        return [joined(("Next: ", "bold"), "run again, which does what is left:"), command(again)]
    if report.dry_run and plan.steps and not report.offline and not plan.is_cleanup:
        return [line((f"Pin this plan: --expect-plan {plan.checksum}", "dim"))]
    return []
