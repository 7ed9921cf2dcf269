"""The report as markdown for a comment on a pull request or the summary of a CI step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from personas.reconcile.outcome import Result
from personas.reconcile.plan import State, Step
from personas.report import usage, wording
from personas.report.diffs import text_diff
from personas.report.safemarkdown import code, fenced, html_code, plain
from personas.report.sections import Sections, size
from personas.report.visible import inert, shown, visible

if TYPE_CHECKING:
    from personas.report.document import Change, FieldChange, Outcome, Plan, Problem, Report, Usage

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
_LINE = 110  # a longer line of a diff goes on in the next one: a fence does not wrap
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
            where.append(f"{plan.count[State.IN_SYNC]:,} in sync")
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


def _mark(report: Report) -> str:
    plan = report.plan
    if (
        report.problems
        or report.warnings_refused
        or any(outcome.result is not Result.DONE for outcome in report.outcomes)
    ):
        return "❌"
    if report.error is not None and (plan is None or plan.in_sync):
        return "❌"
    if plan is not None and report.acts and plan.of(State.COLLISION, State.LOCKED_OUT):
        return "⛔"
    if plan is None or plan.in_sync or report.outcomes:
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
    rows = [
        change
        for change in plan.changes
        if (change.live is not None if plan.is_cleanup else listing or change.is_drift or change.step)
    ]
    rows.sort(key=lambda change: change.step is None)  # What will be written comes first.
    change = usage.meaning(report)
    meaning = _usage(change) if change else ""
    if change and size(meaning) < sections.left // 4:
        sections.hold(meaning)
    elif change:
        sections.drop("table of use")
        meaning = ""
    _table(sections, rows, report)
    if report.outcomes:
        sections.add(_failures(report.outcomes), "list of failures")
    if not report.offline and not listing and not plan.is_cleanup:
        sections.add(_advice(plan), "list of advice")
    if not plan.is_cleanup and not listing:
        _updates(sections, [change for change in rows if change.fields])
    if meaning:
        sections.kept.append(meaning)


def _updates(sections: Sections, changes: list[Change]) -> None:
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
    if plan.drift:
        return f"> [!WARNING]\n> There is drift: {wording.drift(plan)}."
    return ""


def _table(sections: Sections, rows: list[Change], report: Report) -> None:
    if not rows:
        return
    titles = ["state", "name", "email", "archetype", "differs"]
    if report.offline:
        titles = titles[1:-1]
    elif report.command == "list":
        titles = ["state", "name", "email", "archetype", "last active", "7 days"]
    elif report.command == "cleanup":
        titles[-1] = "drift"
    lines = [_cells(titles), _cells(["---"] * len(titles))]
    taken = size("\n".join(lines))
    room = sections.left * 3 // 5
    for index, change in enumerate(rows):
        row = _row(change, report.result(change), report)
        taken += size(row) + 1
        if taken > room:
            sections.drop("row", len(rows) - index)
            break
        lines.append(row)
    sections.must("\n".join(lines))


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(change: Change, outcome: Outcome | None, report: Report) -> str:
    mark, word = _MARKS[change.state], wording.state_word(change)
    if change.step is Step.DELETE:
        mark = "🗑️"
    if outcome is not None:
        mark, word = _RESULT_MARKS[outcome.result], wording.result_word(outcome)
    descriptor = [plain(change.name, 80), code(change.email), code(change.archetype, 60)]
    if report.offline:
        return _cells(descriptor)
    if report.command == "list":
        live = change.live
        active = wording.moment(live.last_active_at, report.taken_at) if live else ""
        actions = f"{live.actions_7d:,}" if live and live.actions_7d is not None else ""
        return _cells([f"{_MARKS[change.state]} {wording.relation(change)}", *descriptor, active, actions])
    remark = wording.remark(change, cleanup=report.command == "cleanup")
    if change.state is State.NOT_KNOWN and change.line is not None:
        remark = change.reason
    return _cells([f"{mark} {word}", *descriptor, plain(remark)])


def _failures(outcomes: tuple[Outcome, ...]) -> str:
    lines = []
    for outcome in outcomes:
        if outcome.result is not Result.DONE or outcome.message:
            reason = f": {plain(outcome.message, 500)}" if outcome.message else ""
            mark = _RESULT_MARKS[outcome.result]
            lines.append(f"- {mark} **{wording.result_word(outcome)}** {code(outcome.email)}{reason}")
    if len(lines) > _MOST_PLACES:
        lines = [*lines[:_MOST_PLACES], f"- and {len(lines) - _MOST_PLACES:,} more"]
    return "\n".join(["**To be looked at:**", "", *lines]) if lines else ""


def _advice(plan: Plan) -> str:
    lines = []
    for state, text, command in wording.advice(plan):
        told = wording.plural_state(state, len(wording.alone(plan, state)))
        lines.append(f"- {_MARKS[state]} **{told}.** {text}" + (f" `{command}`" if command else ""))
    return "\n".join(["**Left alone:**", "", *lines]) if lines else ""


def _update(change: Change) -> str:
    """One folded update with its differences."""
    names = ", ".join(plain(wording.label(item.field)) for item in change.fields)
    lines: list[str] = []
    for item in change.fields:
        lines.append(f"@@ {wording.label(item.field)} @@")
        lines += _field(item)
    summary = f"<b>{plain(change.name or change.email, 80)}</b> {html_code(change.email)}: {names}"
    return f"<details><summary>{summary}</summary>\n\n{fenced(lines, 'diff')}\n\n</details>"


def _field(item: FieldChange) -> list[str]:
    if item.mixes:
        return _weights(*item.mixes)
    if item.prompts:
        return _diff(*item.prompts)
    if isinstance(item.new, dict):
        return ["- not told", *(f"+ {shown(key, 60)} {wording.number(item.new[key])}" for key in item.new)]
    lines = _wrapped("- ", wording.value(item.old)) + _wrapped("+ ", wording.value(item.new))
    return lines if item.mendable else [*lines, "! an update cannot mend this; personas seed --recreate does"]


def _weights(old: Mapping[str, float], new: Mapping[str, float]) -> list[str]:
    lines: list[str] = []
    for module in sorted(old.keys() | new.keys()):
        name = shown(module, 60)
        if module in old and old[module] != new.get(module):
            lines.append(f"- {name} {wording.number(old[module])}")
        if module in new and new[module] != old.get(module):
            lines.append(f"+ {name} {wording.number(new[module])}")
        if module in old and module in new and old[module] == new[module]:
            lines.append(f"  {name} {wording.number(old[module])}")
    return lines


def _diff(old: str, new: str) -> list[str]:
    """The prompt's diff; words that changed inside a line stand in [-…-] and {+…+}."""
    starts = {"old": "- ", "new": "+ ", "same": "  "}
    lines: list[str] = []
    for line in text_diff(old, new):
        if line.left_out:
            lines.append(f"  {line.left_out}")
            continue
        marks = ("[-", "-]") if line.kind == "old" else ("{+", "+}")
        text = "".join(f"{marks[0]}{part}{marks[1]}" if changed else part for part, changed in line.parts)
        lines += _wrapped(starts[line.kind], text)
    return lines


def _wrapped(start: str, text: str, most: int = 20) -> list[str]:
    """The text in lines of about `_LINE` characters, each with the same beginning."""
    lines: list[str] = []
    rest = visible(text)
    while len(rest) > _LINE and len(lines) < most:
        cut = rest.rfind(" ", _LINE // 2, _LINE)
        cut = _LINE if cut < 0 else cut
        lines.append(start + rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if len(rest) > _LINE:
        rest = rest[: _LINE - 1] + "…"
    return [*lines, (start + rest).rstrip()]


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
        if change.fields:
            sections.add(_update(change), "folded update")
    if persona.system_prompt is not None:
        body = [line for text in persona.system_prompt.split("\n") for line in _wrapped("", text)]
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
