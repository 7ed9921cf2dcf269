"""The report as text for a terminal or a log; colour only adds colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from personas.catalog.models import Problem
from personas.reconcile.changes import Action, Change, LiveState, Plan
from personas.report import messages
from personas.report.diff import field_lines
from personas.report.document import ErrorInfo, Report
from personas.report.messages import count, moment
from personas.report.sanitize import disarm, visible
from personas.services.models import LivePersona, LiveSpace

_MIN_WIDTH = 40
_MIN_LAST = 18  # cells for the last column; with less room it goes below the email
_MIN_ARCHETYPE = 12
_MAX_LOSSES = 20
_BAR = 20

Section = list[RenderableType]


def to_text(report: Report, *, width: int, color: bool, verbose: bool = False, quiet: bool = False) -> str:
    """Return the report as text.

    Args:
        report: What a command found and did.
        width: The columns of the terminal.
        color: Whether to use ANSI colours.
        verbose: Also list what is in sync, and show changed prompts as a whole.
        quiet: No notes, and nothing when in sync.
    """
    sections: list[Section] = [_problems(report)]
    sections.append([_prose(line) for line in messages.valid_lines(report)])
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
    return f"Error: {visible(error.message)}{hint}"


def describe_deletions(plan: Plan) -> str:
    """Return what the plan deletes for good, as the list above a question; empty if nothing."""
    paragraphs = []
    for action, what in ((Action.DELETE, "deleted"), (Action.REPLACE, "deleted and created again")):
        changes = [change for change in plan.actions if change.action is action]
        if changes:
            head = f"{count(len(changes), plan.kind.value)} will be {what}, with all data:"
            rows = [f"  {_loss(change)}" for change in changes[:_MAX_LOSSES]]
            more = len(changes) - len(rows)
            paragraphs.append("\n".join([head, *rows, *([f"  and {more:,} more"] if more else [])]))
    return disarm("\n".join(paragraphs))


def _loss(change: Change) -> str:
    live, facts = change.live, []
    if isinstance(live, LivePersona):
        facts += [f"created {live.created_at:%Y-%m-%d}"] if live.created_at else []
        facts += [f"last active {live.last_active_at:%Y-%m-%d}"] if live.last_active_at else []
    if isinstance(live, LiveSpace):
        facts.append(count(len(live.members), "member"))
    parts = [change.name, change.key, ", ".join(facts)]
    return visible("  ".join(part for part in parts if part))


def _render(sections: Iterable[Section], *, width: int, color: bool) -> str:
    file = StringIO()
    console = Console(
        file=file,
        width=max(width, _MIN_WIDTH),
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
            console.print(part, crop=False)
    return disarm("".join(f"{line.rstrip()}\n" for line in file.getvalue().split("\n")[:-1]))


def _line(*pieces: str | tuple[str, str]) -> Text:
    """Return a line that is never wrapped or cut."""
    return Text.assemble(*pieces, no_wrap=True, overflow="ignore")


def _texts(*cells: str) -> list[Text]:
    return [Text(visible(cell)) for cell in cells]


def _prose(text: str, *, mark: str = "", style: str = "") -> Text:
    return Text.assemble((mark, style), visible(text), overflow="fold")


def _is_calm(report: Report) -> bool:
    """Whether one line says everything: compared, in sync, and nothing was done."""
    return report.in_sync and not report.outcomes and bool(report.plan and report.plan.changes)


def _problems(report: Report) -> Section:
    section: Section = []
    for problem in report.problems:
        style = "yellow" if problem.severity == "warning" else "red"
        section.append(_line((format_problem(problem), style)))
        if problem.excerpt:
            before, after = (
                visible(problem.excerpt[: problem.caret]),
                visible(problem.excerpt[problem.caret :]),
            )
            section.append(_line(f"    {before}{after}"))
            section.append(_line(f"    {' ' * cell_len(before)}", ("^", f"bold {style}")))
    return section


def _plan(report: Report, plan: Plan, width: int, *, verbose: bool) -> list[Section]:
    rows = [
        [Text(f"{row.sign} {row.word:<7}", row.style), *_texts(row.change.name, row.change.key, row.remark)]
        for row in messages.rows(report, plan, verbose=verbose)
    ]
    source, target = ", ".join(map(visible, report.catalogs)), visible(report.service or plan.service)
    head = _line((source, "bold"), (f" → {target}" if target else ""))
    sections: list[Section] = [[head], [_table(rows, width)] if rows else []]
    sections += [_details(change, verbose=verbose) for change in messages.detailed(report, plan)]
    return sections


def _details(change: Change, *, verbose: bool) -> Section:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for field in change.fields:
        lines = [Text.assemble(*line) for line in field_lines(field, whole=verbose)]
        marked = [line for line in lines if line.plain[:2] in {"- ", "+ "}]
        body = _hanging(lines) if marked else Text("\n").join(lines)
        table.add_row(Text(visible(messages.label(field.field)), "dim"), body)
    title = _line((visible(change.name or change.key), "bold"), f"  {visible(change.key)}")
    return [title, Padding(table, (0, 0, 0, 2))]


def _hanging(lines: Sequence[Text]) -> Table:
    """Return lines of a diff; what is wrapped begins after the mark."""
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(line[:2], line[2:])
    return table


def _table(rows: Sequence[Sequence[Text]], width: int, head: Sequence[str] = (), flexible: int = 3) -> Table:
    """Return rows of lead, name, email and more as a table; the flexible column is wrapped.

    On a narrow page the columns after the email go below it, so that no email is cut.
    """
    head = head or [""] * len(rows[0])
    widths = [
        max(cell_len(title), *(cell_len(row[at].plain) for row in rows)) for at, title in enumerate(head)
    ]
    room = width - 2 - sum(size + 2 for size in widths if size) + widths[flexible] + 2
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(width=0)  # with its padding, the indent
    if room >= min(widths[flexible], _MIN_LAST if flexible == 3 else _MIN_ARCHETYPE):
        table.show_header = any(head)
        for at, size in enumerate(widths):
            if size:
                table.add_column(head[at], no_wrap=at != flexible, overflow="fold")
        for row in rows:
            table.add_row("", *(cell for cell, size in zip(row, widths, strict=True) if size))
        return table
    table.add_column(no_wrap=True, width=widths[0])
    table.add_column(overflow="fold")
    for lead, name, email, *more in rows:
        below = ", ".join(
            f"{title} {text}".strip() for title, text in zip(head[3:], more, strict=True) if text
        )
        table.add_row(
            "", lead, Text.assemble(name, "  " if name else "", email, f"\n{below}" if below else "")
        )
    table.width = max(width, 4 + widths[0] + widths[2])
    return table


def _live(report: Report, live: LiveState, width: int) -> list[Section]:
    if report.command == "show":
        return [section for persona in live.personas for section in _show(persona, live)]
    place = f"{visible(live.service)} ({visible(', '.join(live.scope))})"
    if not live.personas:
        return [[_line(f"No personas on {place}")]]
    rows = [_texts("", *messages.live_cells(persona, live.taken_at)) for persona in live.personas]
    return [[_line(place)], [_table(rows, width, ("", *messages.LIVE_TITLES))]]


def _show(persona: LivePersona, live: LiveState) -> list[Section]:
    name, email, archetype, cadence, active, _ = messages.live_cells(persona, live.taken_at)
    facts = {
        "archetype": archetype,
        "cadence": cadence,
        "last active": active,
        "7 days": "" if persona.actions_7d is None else count(persona.actions_7d, "action"),
        "created": moment(persona.created_at, live.taken_at) if persona.created_at else "",
        "user id": persona.user_id,
    }
    title = _line((visible(name or email), "bold"), f"  {visible(email)}")
    sections: list[Section] = [[title, _grid([(name, fact) for name, fact in facts.items() if fact])]]
    if weights := persona.module_mix:
        largest = max(weights.values()) or 1.0
        bars = [(name, messages.number(it), _bar(it / largest)) for name, it in _ranked(weights)]
        sections.append([_line(("Weights", "bold")), _grid(bars)])
    if persona.system_prompt is not None:
        lines = map(visible, persona.system_prompt.split("\n"))
        sections.append([_line(("Prompt", "bold")), *(Padding(Text(line), (0, 0, 0, 2)) for line in lines)])
    if persona.recent_actions is not None:
        actions = [
            (
                moment(action.created_at, live.taken_at) if action.created_at else "",
                action.tool,
                "" if action.latency_ms is None else f"{action.latency_ms:,.0f} ms",
                f"{action.result}{f': {action.error_message}' if action.error_message else ''}",
            )
            for action in persona.recent_actions
        ]
        sections.append([_line(("Last actions", "bold")), _grid(actions or [("none",)])])
    if persona.feedback is not None:
        ratings = [
            (
                item.module,
                "" if item.ratings is None else count(item.ratings, "rating"),
                "" if item.mean is None else f"{item.mean:.1f} of 5",
            )
            for item in persona.feedback
        ]
        sections.append([_line(("Feedback", "bold")), _grid(ratings or [("none",)])])
    return sections


def _ranked(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(weights.items(), key=lambda item: -item[1])


def _bar(share: float) -> str:
    return "█" * round(_BAR * share) if 0 <= share <= 1 else ""


def _grid(rows: Sequence[Sequence[str]]) -> RenderableType:
    """Return an indented grid; its last column is wrapped."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for at in range(len(rows[0])):
        table.add_column(overflow="fold", no_wrap=at < len(rows[0]) - 1)
    for row in rows:
        table.add_row(*_texts(*row))
    return Padding(table, (0, 0, 0, 2))


def _end(report: Report) -> Section:
    plan, verdict = report.plan, messages.verdict(report)
    section: Section = []
    if clashes := messages.conflicts(report):
        section += [_line(("✗", "bold red"), f" {line}") for line in messages.conflict_lines(clashes)]
        section.append(_prose(f"  {messages.CONFLICT_HINT}"))
    elif _is_calm(report):
        section.append(_prose(f" {verdict} {messages.cost(report)}", mark="✓", style="green"))
    elif verdict and report.command != "show":
        spent = bool(report.outcomes) or report.live is not None
        section.append(_prose(f"{verdict} {messages.cost(report)}" if spent else verdict))
    if plan is not None and messages.can_pin(report, plan):
        section.append(_line(f"Checksum {plan.checksum} (for --expect-plan)"))
    if error := messages.error_to_show(report):
        section.append(_line((f"Error: {visible(error.message)}", "bold red")))
        section += [_prose(f"  {error.hint}")] if error.hint else []
    return section
