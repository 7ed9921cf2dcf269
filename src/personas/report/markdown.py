"""The report as markdown for a comment on a pull request or the summary of a CI step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.reconcile.outcome import Result
from personas.reconcile.plan import State, Step
from personas.report import usage, wording
from personas.report.diffs import diff_of, wrapped
from personas.report.safemarkdown import code, fenced, html_code, plain
from personas.report.sections import Sections, size
from personas.report.visible import inert

if TYPE_CHECKING:
    from collections.abc import Callable

    from personas.report.differences import AnyOutcome, Change, Difference, Kind, Part, Plan, SpaceChange
    from personas.report.document import Problem, Report, Usage

MARKER = "<!-- personas-preview -->"
COMMENT_LIMIT = 65_536
LEAST_LIMIT = 8_192

_MARKS = {
    State.COLLISION: "⛔",
    State.NOT_KNOWN: "❔",
    State.LOCKED_OUT: "🔒",
    State.RECREATE: "♻️",
    State.CREATE: "➕",
    State.UPDATE: "✏️",
    State.STRAY: "👻",
    State.IN_SYNC: "✅",
}
_RESULT_MARKS = {Result.DONE: "✅", Result.FAILED: "❌", Result.UNKNOWN: "❔", Result.NOT_DONE: "⏸️"}
_TITLES = {
    "seed": "Seed",
    "dry-run": "Preview",
    "cleanup": "Cleanup",
    "validate": "Catalog",
}
_PERSONA = ("name", "email", "archetype")
_SPACE = ("space", "slug", "type", "owner")
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
        lines += ["", "> [!NOTE]", "> Offline: nothing was compared. What is live is not known."]
    if wording.is_stale(report):
        lines += ["", "> [!WARNING]", f"> This is {wording.age(report)}."]
    if error := wording.untold(report):
        lines += ["", "> [!CAUTION]", f"> {plain(error.message, longest)}"]
        if error.hint:
            lines += [">", f"> {plain(error.hint, longest)}"]
    if report.interrupted:
        lines += ["", "> [!WARNING]", "> Interrupted. What is not done will be done by the next run."]
    return "\n".join(lines)


def _in_sync(part: Part[Difference]) -> str:
    number = part.count[State.IN_SYNC]
    what = f"{number:,}" if part is part.plan.personas else wording.count(number, part.thing)
    return f"{what} in sync"


def _mark(report: Report) -> str:
    plan = report.plan
    if (
        report.problems
        or report.warnings_refused
        or any(outcome.result is not Result.DONE for outcome in report.all_outcomes)
    ):
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
    if report.command == "list":
        _table(sections, personas, report, (*_PERSONA, "last active", "7 days"), _listed(report))
        _table(sections, spaces, report, (*_SPACE, "members"), _listed_space)
    else:
        _table(sections, personas, report, _PERSONA, _persona)
        _table(sections, spaces, report, _SPACE, _space)
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
        return "> [!WARNING]\n> The catalog could not be read, so drift is not known."
    if drift := wording.all_of(plan, wording.drift):
        return f"> [!WARNING]\n> There is drift: {drift}."
    return ""


def _table(
    sections: Sections,
    rows: list[Kind],
    report: Report,
    named: tuple[str, ...],
    cells: Callable[[Kind], list[str]],
) -> None:
    if not rows:
        return
    remark = {"cleanup": ["drift"], "list": []}.get(report.command, ["differs"])
    titles = [*named] if report.offline else ["state", *named, *remark]
    lines = [_cells(titles), _cells(["---"] * len(titles))]
    taken = size("\n".join(lines))
    room = sections.left * 3 // 5
    for index, change in enumerate(rows):
        row = _row(change, report, cells(change))
        taken += size(row) + 1
        if taken > room:
            sections.drop("row", len(rows) - index)
            break
        lines.append(row)
    sections.must("\n".join(lines))


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(change: Difference, report: Report, cells: list[str]) -> str:
    if report.offline:
        return _cells(cells)
    if report.command == "list":
        return _cells([f"{_MARKS[change.state]} {wording.relation(change)}", *cells])
    mark, word = _MARKS[change.state], wording.state_word(change)
    if change.step is Step.DELETE:
        mark = "🗑️"
    if (outcome := report.result(change)) is not None:
        mark, word = _RESULT_MARKS[outcome.result], wording.result_word(outcome)
    remark = wording.remark(change, cleanup=report.command == "cleanup")
    if change.state is State.NOT_KNOWN and change.line is not None:
        remark = change.reason
    return _cells([f"{mark} {word}", *cells, plain(remark)])


def _persona(change: Change) -> list[str]:
    return [plain(change.name, 80), code(change.key), code(change.archetype, 60)]


def _space(change: SpaceChange) -> list[str]:
    return [plain(change.name, 80), code(change.key), code(change.type or "", 60), code(change.owner)]


def _listed(report: Report) -> Callable[[Change], list[str]]:
    def cells(change: Change) -> list[str]:
        live = change.live
        active = wording.moment(live.last_active_at, report.taken_at) if live else ""
        actions = f"{live.actions_7d:,}" if live and live.actions_7d is not None else ""
        return [*_persona(change), active, actions]

    return cells


def _listed_space(change: SpaceChange) -> list[str]:
    return [*_space(change), f"{change.size:,}" if change.is_live else ""]


def _failures(outcomes: tuple[AnyOutcome, ...]) -> str:
    lines = []
    for outcome in outcomes:
        if outcome.result is not Result.DONE or outcome.message:
            reason = f": {plain(outcome.message, 500)}" if outcome.message else ""
            mark = _RESULT_MARKS[outcome.result]
            lines.append(f"- {mark} **{wording.result_word(outcome)}** {code(outcome.key)}{reason}")
    if len(lines) > _MOST_PLACES:
        lines = [*lines[:_MOST_PLACES], f"- and {len(lines) - _MOST_PLACES:,} more"]
    return "\n".join(["**To be looked at:**", "", *lines]) if lines else ""


def _advice(plan: Plan) -> str:
    lines = [
        f"- {_MARKS[found.state]} **{found.title}.** {found.text}"
        + (f" `{found.command}`" if found.command else "")
        for part in plan.parts
        for found in wording.advice(part)
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
    head = ["module", "before", "after", "change"] if compared else ["module", "share of use"]
    if ranked:
        lines += [_cells(head), _cells(["---", *["---:"] * (len(head) - 1)])]
    for module, old, new in ranked[:_MOST_MODULES]:
        numbers = [f"{old:.1%}", f"{new:.1%}", usage.points(old, new)] if compared else [f"{new:.1%}"]
        lines.append(_cells([code(module, 60), *numbers]))
    if len(ranked) > _MOST_MODULES:
        lines.append(f"| and {wording.count(len(ranked) - _MOST_MODULES, 'more module')} |")
    lines.append("")
    for name in ("archetypes", "cadences"):
        if texts := usage.counted(found, name):
            lines += [f"**{name.capitalize()}:** {', '.join(plain(text) for text in texts)}", ""]
    lines.append(f"<sub>{' '.join(usage.remarks(found))}</sub>")
    return "\n".join(lines)


def _places(sections: Sections, places: tuple[Problem, ...], title: str) -> None:
    lines = [f"#### {title}", "", "| where | what |", "| --- | --- |"]
    taken = size("\n".join(lines))
    for index, item in enumerate(places):
        row = f"| {code(f'{item.file}:{item.line}:{item.column}')} | {plain(item.message, 500)} |"
        taken += size(row) + 1
        if index >= _MOST_PLACES or taken > sections.left:
            sections.drop(title.lower().removesuffix("s"), len(places) - index)
            break
        lines.append(row)
    sections.must("\n".join(lines))


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
        rows = [_cells(["state", *_SPACE[:-1], "role"]), _cells(["---"] * 5)]
        rows += [
            _cells([wording.relation(change), *_space(change)[:-1], plain(role)]) for change, role in found
        ]
        sections.add("#### Spaces\n\n" + "\n".join(rows), "table of spaces")
    if persona.system_prompt is not None:
        body = [line for text in persona.system_prompt.split("\n") for line in wrapped("", text)]
        sections.add(f"<details><summary>Prompt</summary>\n\n{fenced(body[:400])}\n\n</details>", "prompt")
    if detail.recent_actions:
        rows = ["| when | tool | result | error |", "| --- | --- | --- | --- |"]
        rows += [
            f"| {wording.moment(action.created_at, report.taken_at)} | {code(action.tool)} "
            f"| {code(action.result)} | {plain(action.error_message or '')} |"
            for action in detail.recent_actions[:20]
        ]
        sections.add("#### Last actions\n\n" + "\n".join(rows), "table of actions")
    if detail.feedback:
        rows = ["| module | ratings | mean |", "| --- | ---: | ---: |"]
        for item in detail.feedback[:_MOST_MODULES]:
            mean = "not told" if item.mean is None else f"{item.mean:.1f}"
            ratings = "not told" if item.ratings is None else f"{item.ratings:,}"
            rows.append(f"| {code(item.module)} | {ratings} | {mean} |")
        sections.add("#### Feedback\n\n" + "\n".join(rows), "table of feedback")
