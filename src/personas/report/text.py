"""The report as text for a terminal or a log; colour only adds colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from personas.catalog.problems import Problem
from personas.reconcile.changes import Action, Change, LiveState, Plan
from personas.report import messages
from personas.report.diff import field_lines
from personas.report.document import ErrorInfo, Report
from personas.report.messages import count, known
from personas.report.sanitize import disarm, shorten, visible
from personas.services.models import LivePersona, LiveSpace

_MIN_WIDTH = 40
_MAX_CELL = 500  # characters
_MAX_LOSSES = 20
_MIN_WRAPPED = 12  # cells
_INDENT = (0, 0, 0, 2)

Section = list[RenderableType]


def to_text(report: Report, *, width: int, color: bool, verbose: bool = False, quiet: bool = False) -> str:
    """Return the report as text for so many columns, with ANSI colours or without.

    `verbose` also lists what is in sync; `quiet` leaves out notes, and the one line when all is in sync.
    """
    width = max(width, _MIN_WIDTH)
    sections: list[Section] = [_problems(report), [_prose(line) for line in messages.valid_lines(report)]]
    if report.plan is not None and (verbose or not _is_calm(report)):
        sections += _plan(report, report.plan, width, verbose=verbose)
    elif report.live is not None:
        sections += _live(report, report.live, width)
    if not quiet:
        sections.append([_prose(note, mark="Note: ", style="yellow") for note in messages.notes(report)])
    if not (quiet and _is_calm(report)):
        sections.append(_end(report))
    return _render([section for section in sections if section], width=width, color=color)


def format_problem(problem: Problem) -> str:
    """Return `file:line:column: message` on one line; a warning says so."""
    kind = "warning: " if problem.severity == "warning" else ""
    return f"{visible(problem.file)}:{problem.line}:{problem.column}: {kind}{visible(problem.message)}"


def format_error(error: ErrorInfo) -> str:
    """Return `Error: message`, and the hint on a line of its own."""
    hint = f"\n  {visible(error.hint)}" if error.hint else ""
    return disarm(f"Error: {visible(error.message)}{hint}")


def describe_deletions(plan: Plan) -> str:
    """Return what the plan deletes for good, as the list above a question; empty if nothing."""
    lines = []
    for action, what in ((Action.DELETE, "deleted"), (Action.REPLACE, "deleted and created again")):
        changes = [change for change in plan.actions if change.action is action]
        if changes:
            lines.append(f"{count(len(changes), plan.kind)} will be {what}, with all data:")
            lines += [f"  {_loss(change)}" for change in changes[:_MAX_LOSSES]]
        if more := len(changes[_MAX_LOSSES:]):
            lines.append(f"  and {more:,} more")
    return disarm("\n".join(lines))


def _loss(change: Change) -> str:
    live, facts = change.live, ""
    if isinstance(live, LivePersona):
        dates = (("created", live.created_at), ("last active", live.last_active_at))
        facts = ", ".join(f"{what} {when:%Y-%m-%d}" for what, when in dates if when)
    elif isinstance(live, LiveSpace):
        facts = count(len(live.members), "member")
    return "  ".join(shorten(part, _MAX_CELL) for part in (change.name, change.key, facts) if part)


def _render(sections: Iterable[Section], *, width: int, color: bool) -> str:
    file = StringIO()
    console = Console(
        file=file,
        width=width,
        height=25,
        color_system="standard" if color else None,
        force_terminal=color,
        no_color=not color,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    for index, section in enumerate(sections):
        if index:
            console.print()
        for part in section:
            console.print(part, crop=False, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))
    return disarm("".join(f"{line.rstrip()}\n" for line in file.getvalue().split("\n")[:-1]))


def _line(*pieces: str | tuple[str, str]) -> Text:
    """Return a line that is never wrapped or cut."""
    return Text.assemble(*pieces, no_wrap=True)


def _prose(text: str, *, mark: str = "", style: str = "") -> Text:
    return Text.assemble((mark, style), visible(text))


def _texts(*cells: str) -> list[Text]:
    return [Text(shorten(cell, _MAX_CELL)) for cell in cells]


def _is_calm(report: Report) -> bool:
    """Whether one line says everything: compared, in sync, and nothing was done."""
    return report.in_sync and not report.outcomes and bool(report.plan and report.plan.changes)


def _problems(report: Report) -> Section:
    section: Section = []
    for problem in report.problems:
        style = "yellow" if problem.severity == "warning" else "red"
        section.append(_line((format_problem(problem), style)))
        if problem.excerpt:
            before = cell_len(visible(problem.excerpt[: problem.caret]))
            section.append(_line(f"    {visible(problem.excerpt)}"))
            section.append(_line(" " * (4 + before), ("^", f"bold {style}")))
    return section


def _plan(report: Report, plan: Plan, width: int, *, verbose: bool) -> list[Section]:
    rows = [
        [Text(f"  {sign} {word:<7}", style), *_texts(change.name, change.key, remark)]
        for change, sign, style, word, remark in messages.rows(report, plan, verbose=verbose)
    ]
    target = f" → {visible(report.service)}" if report.service else ""
    sections: list[Section] = [[_line((", ".join(map(visible, report.catalogs)), "bold"), target)]]
    if rows:
        sections.append([_table(rows, width, ("", "", "", ""), [row[3].plain for row in rows])])
    return sections + [_details(change) for change in messages.detailed(report, plan)]


def _details(change: Change) -> Section:
    rows: list[tuple[RenderableType, ...]] = []
    for field in change.fields:
        lines = [Text.assemble(*line) for line in field_lines(field)]
        is_diff = any(line.plain.startswith(("- ", "+ ")) for line in lines)
        # Wrapped text begins after the mark.
        body = _grid([(line[:2], line[2:]) for line in lines], gap=0) if is_diff else lines[0]
        rows.append((Text(visible(messages.label(field.field)), "dim"), body))
    name, key = _texts(change.name or change.key, change.key)
    return [_line((name.plain, "bold"), f"  {key}"), Padding(_grid(rows), _INDENT)]


def _grid(rows: Sequence[Sequence[RenderableType]], *, gap: int = 2) -> Table:
    """Return rows without borders; the last column is wrapped."""
    table = Table.grid(padding=(0, gap, 0, 0))
    for index in range(1, len(rows[0]) + 1):
        table.add_column(no_wrap=index < len(rows[0]), overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _table(rows: Sequence[Sequence[Text]], width: int, titles: Sequence[str], below: Sequence[str]) -> Table:
    """Return rows of lead, name, email and more; the first column after the email is wrapped.

    On a narrow page the texts `below` replace those columns, so that no email is cut.
    """
    cells = [list(map(Text, titles)), *rows]
    widths = [max(cell_len(row[at].plain) for row in cells) for at in range(len(titles))]
    columns = [at for at, size in enumerate(widths) if size]
    room = width + 2 - sum(widths[at] + 2 for at in columns) + widths[3]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    if room >= min(widths[3], _MIN_WRAPPED):
        table.show_header = any(titles)
        for at in columns:
            table.add_column(titles[at], no_wrap=at != 3, overflow="fold")
        for row in rows:
            wrapped = Text(textwrap.fill(row[3].plain, room, break_on_hyphens=any(titles)))
            table.add_row(*(wrapped if at == 3 else row[at] for at in columns))
        return table
    table.add_column(no_wrap=True, width=widths[0])
    table.add_column(overflow="fold")
    for (lead, name, email, *_), more in zip(rows, below, strict=True):
        table.add_row(lead, Text.assemble(name, "  " if name else "", email, f"\n{more}" if more else ""))
    needed = 2 + widths[0] + widths[2]
    table.width = needed if needed > width else None
    return table


def _live(report: Report, live: LiveState, width: int) -> list[Section]:
    if report.command == "show":
        return [section for persona in live.personas for section in _show(persona, live)]
    place = f"{visible(live.service)} ({visible(', '.join(live.scope))})"
    if not live.personas:
        return [[_line(f"No personas on {place}")]]
    rows = [_texts("", *messages.live_cells(persona, live.taken_at)) for persona in live.personas]
    forms = ("  {}", "{}", "active {}", "{} actions")
    below = [
        ", ".join(form.format(it) for form, it in zip(forms, row[3:], strict=True) if it) for row in rows
    ]
    return [[_line(place)], [_table(rows, width, ("", *messages.LIVE_TITLES), below)]]


def _show(persona: LivePersona, live: LiveState) -> list[Section]:
    name, email, *cells = messages.live_cells(persona, live.taken_at)
    facts = list(zip(("archetype", "cadence", "last active", "7-day actions"), cells, strict=True))
    facts.append(("created", messages.moment(persona.created_at, live.taken_at)))
    weights = "" if persona.module_mix is None else messages.one_line(persona.module_mix)
    facts += [("user id", persona.user_id), ("weights", weights)]
    prompt = "\n".join(map(visible, (persona.system_prompt or "").split("\n")))
    actions = []
    for action in persona.recent_actions or ():
        when, took = messages.moment(action.created_at, live.taken_at), known(action.latency_ms, "{:,.0f} ms")
        actions.append((when, action.tool, took, f"{action.result} {action.error_message or ''}"))
    feedback = [
        (item.module, known(item.ratings, "ratings: {}"), known(item.mean, "mean: {:.1f} of 5"))
        for item in persona.feedback or ()
    ]
    head = _line((visible(name or email), "bold"), f"  {visible(email)}")
    parts: list[tuple[str, object, RenderableType]] = [
        ("Prompt", persona.system_prompt, Padding(Text(prompt), _INDENT)),
        ("Last actions", persona.recent_actions, _facts(actions)),
        ("Feedback", persona.feedback, _facts(feedback)),
    ]
    # A service does not have what is None.
    shown = [[_line((title, "bold")), part] for title, value, part in parts if value is not None]
    return [[head, _facts([fact for fact in facts if fact[1]])], *shown]


def _facts(rows: Sequence[Sequence[str]]) -> RenderableType:
    return Padding(_grid([_texts(*row) for row in rows] or [[Text("none")]]), _INDENT)


def _end(report: Report) -> Section:
    verdict = messages.verdict(report)
    section: Section = []
    if messages.conflicts(report):
        section += [_prose(f" {verdict}", mark="✗", style="bold red"), _prose(f"  {messages.CONFLICT_HINT}")]
    elif _is_calm(report):
        section.append(_prose(f" {verdict} {messages.cost(report)}", mark="✓", style="green"))
    elif verdict and report.command != "show":
        spent = bool(report.outcomes) or report.live is not None
        section.append(_prose(f"{verdict} {messages.cost(report)}" if spent else verdict))
    if checksum := messages.checksum(report):
        section.append(_line(f"Checksum {checksum} (for --expect-plan)"))
    if error := messages.error_to_show(report):
        section.append(_line((f"Error: {visible(error.message)}", "red")))
        section += [_line(f"  {visible(error.hint)}")] if error.hint else []
    return section
