"""The report as markdown for a comment on a pull request or the summary of a CI step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from personas.reconcile.changes import State, Step
from personas.reconcile.outcome import Result
from personas.report import usage, wording
from personas.report.advice import advice_on
from personas.report.differences import AnyOutcome, Change, Difference, Kind, Part, Plan, SpaceChange
from personas.report.diffs import diff_of, wrapped
from personas.report.document import Problem, Report, Usage
from personas.report.safemarkdown import code, fenced, html_code, plain
from personas.report.sections import Sections, size
from personas.report.visible import inert

MARKER = "<!-- personas-preview -->"
COMMENT_LIMIT = 65_536
LEAST_LIMIT = 8_192

_MARKS: dict[State | Step | Result, str] = {
    State.COLLISION: "⛔",
    State.NOT_KNOWN: "❔",
    State.LOCKED_OUT: "🔒",
    State.RECREATE: "♻️",
    State.CREATE: "➕",
    State.UPDATE: "✏️",
    State.STRAY: "👻",
    State.IN_SYNC: "✅",
    Step.DELETE: "🗑️",
    Result.DONE: "✅",
    Result.FAILED: "❌",
    Result.UNKNOWN: "❔",
    Result.NOT_DONE: "⏸️",
}
_TITLES = {"seed": "Seed", "dry-run": "Preview", "cleanup": "Cleanup", "validate": "Catalog"}
_LENGTHS = {"archetype": 60, "type": 60}  # of cells that may have less than others
_MOST_MODULES = 20
_MOST_PLACES = 100
_MOST_REFUSED = 20  # sections that did not fit, before the rest is not tried any more


def render(report: Report, *, limit: int = COMMENT_LIMIT) -> str:
    """The report as markdown.

    Args:
        report: What the command has to say.
        limit: The most bytes of UTF-8 that it may have, 8,192 or more. What does not fit is left out whole,
            and a note says so.
    """
    sections = Sections(max(limit, LEAST_LIMIT))
    head, tail = _head(report), _tail(report)
    if size(head) + size(tail) > sections.left // 2:
        head, tail = _head(report, longest=80), _tail(report, most=2, longest=80)
    sections.must(head)
    sections.hold(tail)
    if report.problems:
        _places(sections, report.problems, "Problems")
    elif report.detail is not None:
        _show(sections, report)
    elif report.plan is not None:
        _plan(sections, report, report.plan)
    elif report.usage is not None and report.command == "validate":
        sections.add(_usage(report.usage))
    if report.warnings:
        _places(sections, report.warnings, "Warnings")
    return inert(sections.text(tail))


def _head(report: Report, longest: int = 1_000) -> str:
    title = "Preview" if report.dry_run and report.command == "seed" else _TITLES.get(report.command, "")
    title = f"{title}: {report.verdict}" if title else report.verdict
    plan = report.plan
    lines = [MARKER, f"### {_mark(report)} {title}", ""]
    service = code(report.service or "", min(longest, 120))
    where = [code(report.catalog, min(longest, 120))] if report.catalog else []
    if plan is not None or report.detail is not None:
        if report.offline:
            where.append("compared with nothing")
        elif report.service:
            where.append(("beside " if report.command == "cleanup" else "against ") + service)
        if (age := wording.age(report)) and not wording.is_stale(report):
            where.append(age)
        if plan is not None and report.acts and not plan.in_sync and not report.offline:
            where += [_in_sync(part) for part in plan.parts]
    if where:
        lines.append(", ".join([" ".join(where[:2]), *where[2:]]))
    if report.offline:
        lines += ["", _alert("NOTE", "Offline: nothing was compared. What is live is not known.")]
    if wording.is_stale(report):
        lines += ["", _alert("WARNING", f"This is {wording.age(report)}.")]
    if error := wording.untold(report):
        hint = [plain(error.hint, longest)] if error.hint else []
        lines += ["", _alert("CAUTION", plain(error.message, longest), *hint)]
    if report.interrupted:
        lines += ["", _alert("WARNING", "Interrupted. What is not done will be done by the next run.")]
    return "\n".join(lines)


def _alert(kind: str, *paragraphs: str) -> str:
    """What GitHub shows in a box of its own."""
    return f"> [!{kind}]\n" + "\n>\n".join(f"> {text}" for text in paragraphs)


def _in_sync(part: Part[Difference]) -> str:
    number = part.count[State.IN_SYNC]
    what = f"{number:,}" if part is part.plan.personas else wording.count(number, part.thing)
    return f"{what} in sync"


def _mark(report: Report) -> str:
    plan = report.plan
    if report.problems or report.warnings_refused or report.undone:
        return "❌"
    if report.error is not None and (plan is None or plan.in_sync):
        return "❌"
    if plan is not None and report.acts and plan.of(State.COLLISION, State.LOCKED_OUT):
        return "⛔"
    if plan is None or plan.in_sync or report.all_outcomes:
        return "✅"
    return "📝"


def _tail(report: Report, most: int = 20, longest: int = 1_000) -> str:
    lines = [f"> {plain(note, longest)}" for note in wording.notes(report)[:most]]
    facts = []
    plan = report.plan
    if plan is not None and plan.steps and report.dry_run and not report.offline:
        facts.append(f"plan <code>{plan.checksum}</code>, to be pinned with <code>--expect-plan</code>")
    if report.requests:
        facts.append(wording.cost(report))
    foot = f"<sub>{' · '.join(facts)}</sub>" if facts else ""
    return "\n\n".join(part for part in ("\n".join(lines).replace("\n", "\n>\n"), foot) if part)


def _plan(sections: Sections, report: Report, plan: Plan) -> None:
    listing = report.command in {"list", "show"}
    if report.command == "cleanup":
        sections.add(_drift_warning(plan))
    change = usage.meaning(report)
    meaning = _usage(change) if change else ""
    if change and size(meaning) < sections.left // 4:
        sections.hold(meaning)
    elif change:
        sections.drop("table of use")
        meaning = ""
    personas, spaces = _rows(plan.personas, report), _rows(plan.spaces, report)
    _table(sections, report, personas, partial(_activity, report))
    _table(sections, report, spaces, _size)
    if report.all_outcomes:
        sections.add(_failures(report.all_outcomes), "list of failures")
    if not report.offline and not listing and not plan.is_cleanup:
        sections.add(_advice(plan), "list of advice")
    if not plan.is_cleanup and not listing:
        _updates(sections, [row for row in (*personas, *spaces) if row.deviations])
    if meaning:
        sections.kept.append(meaning)


def _rows(part: Part[Kind], report: Report) -> list[Kind]:
    """What is told of one kind; what will be written comes first."""
    listing = report.command in {"list", "show"}
    rows = [
        change
        for change in part.changes
        if (change.is_live if part.plan.is_cleanup else listing or change.is_drift or change.step)
    ]
    return sorted(rows, key=lambda change: change.step is None)


def _updates(sections: Sections, changes: list[Difference]) -> None:
    """As many folded updates as fit; one that is too large does not hide those after it."""
    what, refused = "folded update", 0
    for index, change in enumerate(changes):
        refused += not sections.add(_update(change), what)
        if refused > _MOST_REFUSED:
            sections.drop(what, len(changes) - index - 1)
            return


def _drift_warning(plan: Plan) -> str:
    if not plan.catalog_known:
        return _alert("WARNING", "The catalog could not be read, so drift is not known.")
    drift = wording.all_of(plan, wording.drift)
    return _alert("WARNING", f"There is drift: {drift}.") if drift else ""


def _table(
    sections: Sections, report: Report, changes: list[Kind], live: Callable[[Kind], dict[str, str]]
) -> None:
    """A table of what there is to say of each change; of what is live in a list, that too."""
    if not changes:
        return
    titles = changes[0].titles
    rows: Iterable[list[str]]
    if report.command == "list":
        titles = ("state", *titles, *live(changes[0]))
        rows = ([_relation(change), *_cells(change), *live(change).values()] for change in changes)
    elif report.offline:
        rows = map(_cells, changes)
    else:
        titles = ("state", *titles, "drift" if report.command == "cleanup" else "differs")
        rows = (_row(report, change) for change in changes)
    sections.rows(_head_of(titles), map(_line, rows), len(changes), "row", sections.left * 3 // 5)


def _head_of(titles: Sequence[str], numbers: int = 0) -> str:
    """The first two lines of a table, whose last columns may be numbers."""
    rules = ["---"] * (len(titles) - numbers) + ["---:"] * numbers
    return f"{_line(titles)}\n{_line(rules)}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _relation(change: Difference) -> str:
    return f"{_MARKS[change.state]} {wording.relation(change)}"


def _row(report: Report, change: Difference) -> list[str]:
    mark, word = wording.status(change, report.result(change))
    remark = wording.remark(change, cleanup=report.command == "cleanup")
    if change.state is State.NOT_KNOWN and change.line is not None:
        remark = change.reason
    return [f"{_MARKS[mark]} {word}", *_cells(change), plain(remark)]


def _cells(change: Difference) -> list[str]:
    name, *others = change.cells
    lengths = [_LENGTHS.get(title, 120) for title in change.titles[1:]]
    return [plain(name, 80), *map(code, others, lengths)]


def _activity(report: Report, change: Change) -> dict[str, str]:
    if (live := change.live) is None:
        return {"last active": "", "7 days": ""}
    active = wording.moment(live.last_active_at, report.taken_at)
    return {"last active": active, "7 days": wording.told(live.actions_7d, "")}


def _size(change: SpaceChange) -> dict[str, str]:
    return {"members": f"{change.size:,}" if change.is_live else ""}


def _failures(outcomes: tuple[AnyOutcome, ...]) -> str:
    lines = []
    for outcome in outcomes:
        if outcome.result is not Result.DONE or outcome.message:
            reason = f": {plain(outcome.message, 500)}" if outcome.message else ""
            mark = _MARKS[outcome.result]
            lines.append(f"- {mark} **{wording.result_word(outcome)}** {code(outcome.key)}{reason}")
    if len(lines) > _MOST_PLACES:
        lines = [*lines[:_MOST_PLACES], f"- and {len(lines) - _MOST_PLACES:,} more"]
    return "\n".join(["**To be looked at:**", "", *lines]) if lines else ""


def _advice(plan: Plan) -> str:
    lines = [
        f"- {_MARKS[found.state]} **{found.title}.** {found.text}"
        + (f" `{found.command}`" if found.command else "")
        for part in plan.parts
        for found in advice_on(part)
    ]
    return "\n".join(["**Left alone:**", "", *lines]) if lines else ""


def _update(change: Difference) -> str:
    """One folded update with its differences."""
    summary = f"<b>{plain(change.name or change.key, 80)}</b> {html_code(change.key)}"
    summary += f": {plain(wording.differing(change))}"
    return f"<details><summary>{summary}</summary>\n\n{fenced(diff_of(change), 'diff')}\n\n</details>"


def _usage(found: Usage) -> str:
    ranked = usage.ranked(found)
    compared = found.before is not None
    title = "What the change means for each module" if compared else "Expected use of each module"
    lines = [f"#### {title}", ""]
    if ranked:
        titles = ["module", "before", "after", "change"] if compared else ["module", "share of use"]
        lines.append(_head_of(titles, len(titles) - 1))
    for module, old, new in ranked[:_MOST_MODULES]:
        numbers = [f"{old:.1%}", f"{new:.1%}", usage.points(old, new)] if compared else [f"{new:.1%}"]
        lines.append(_line([code(module, 60), *numbers]))
    if len(ranked) > _MOST_MODULES:
        lines.append(f"| and {wording.count(len(ranked) - _MOST_MODULES, 'more module')} |")
    lines.append("")
    for name in ("archetypes", "cadences"):
        if texts := usage.counted(found, name):
            lines += [f"**{name.capitalize()}:** {', '.join(plain(text) for text in texts)}", ""]
    lines.append(f"<sub>{' '.join(usage.remarks(found))}</sub>")
    return "\n".join(lines)


def _places(sections: Sections, places: tuple[Problem, ...], title: str) -> None:
    rows = (
        _line([code(f"{item.file}:{item.line}:{item.column}"), plain(item.message, 500)])
        for item in places[:_MOST_PLACES]
    )
    head = f"#### {title}\n\n{_head_of(['where', 'what'])}"
    sections.rows(head, rows, len(places), title.lower().removesuffix("s"), sections.left)


def _show(sections: Sections, report: Report) -> None:
    detail = report.detail
    if detail is None:
        return
    persona = detail.persona
    facts = [("name", persona.name), ("archetype", persona.archetype), ("cadence", persona.tick_cadence)]
    lines = [f"#### {plain(persona.name or persona.email)} {code(persona.email)}", ""]
    lines += [f"- {name}: {code(fact)}" for name, fact in facts if fact]
    if persona.module_mix is not None:
        lines.append(f"- weights: {plain(wording.weights(persona.module_mix), 1_000)}")
    lines.append(f"- last active: {wording.moment(persona.last_active_at, report.taken_at)}")
    sections.add("\n".join(lines))
    for change in report.plan.changes if report.plan else ():
        if change.deviations:
            sections.add(_update(change), "folded update")
    if report.plan and (found := report.plan.spaces_of(persona.email)):
        titles = ["state", *found[0][0].titles[:-1], "role"]
        spaces = [[wording.relation(change), *_cells(change)[:-1], plain(role)] for change, role in found]
        _told(sections, "spaces", titles, spaces)
    if persona.system_prompt is not None:
        body = [line for text in persona.system_prompt.split("\n") for line in wrapped("", text)]
        sections.add(f"<details><summary>Prompt</summary>\n\n{fenced(body[:400])}\n\n</details>", "prompt")
    if detail.recent_actions:
        actions = [
            [
                wording.moment(action.created_at, report.taken_at),
                code(action.tool),
                code(action.result),
                plain(action.error_message or ""),
            ]
            for action in detail.recent_actions[:20]
        ]
        _told(sections, "actions", ["when", "tool", "result", "error"], actions, "Last actions")
    if detail.feedback:
        feedback = []
        for item in detail.feedback[:_MOST_MODULES]:
            mean = "not told" if item.mean is None else f"{item.mean:.1f}"
            feedback.append([code(item.module), wording.told(item.ratings), mean])
        _told(sections, "feedback", ["module", "ratings", "mean"], feedback, numbers=2)


def _told(
    sections: Sections, what: str, titles: list[str], rows: list[list[str]], title: str = "", numbers: int = 0
) -> None:
    """A table under a title of its own, whole or not at all."""
    lines = [f"#### {title or what.capitalize()}\n", _head_of(titles, numbers), *map(_line, rows)]
    sections.add("\n".join(lines), f"table of {what}")
