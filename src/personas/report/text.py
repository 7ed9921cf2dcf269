"""The report as text for a terminal or a log; colour only adds colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from personas.catalog.problems import Problem
from personas.reconcile.changes import Action, Change, Kind, LiveState, Plan
from personas.report import messages
from personas.report.document import ErrorInfo, Report
from personas.report.messages import count, field_lines, known
from personas.report.sanitize import disarm, shorten, visible
from personas.services.models import LivePersona, LiveSpace

_MIN_WIDTH = 40
_MAX_CELL = 500  # characters
_MAX_LOSSES = 20
_WRAPPER = Console(file=StringIO())  # Text.wrap takes one, and uses it for justified text only

Section = list[Text]


def to_text(report: Report, *, width: int, color: bool, verbose: bool = False, quiet: bool = False) -> str:
    """Return the report as text for so many columns, with ANSI colours or without.

    `verbose` also lists what is in sync; `quiet` leaves out notes, and the one line when all is in sync.
    """
    width = max(width, _MIN_WIDTH)
    sections: list[Section] = []
    if report.problems or report.valid:
        sections += [_problems(report), [Text(line) for line in messages.valid_lines(report)]]
    if report.plan is not None and (verbose or not report.in_sync):
        sections += _plan(report, report.plan, width, verbose=verbose)
    elif report.live is not None:
        sections += _live(report, report.live, width)
    if not quiet:
        notes = [_prose(note, width, mark="Note: ", style="yellow") for note in messages.notes(report)]
        sections.append([line for note in notes for line in note])
    if not (quiet and report.in_sync):
        sections.append(_end(report, width))
    return _render([section for section in sections if section], color=color)


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
    for action, what in (
        (Action.DELETE, "deleted, with all data"),
        (Action.REPLACE, "deleted, with all data, and created again"),
    ):
        changes = [change for change in plan.actions if change.action is action]
        if changes:
            lines.append(f"{count(len(changes), plan.kind)} will be {what}:")
            lines += [f"  {_loss(change)}" for change in changes[:_MAX_LOSSES]]
        if more := len(changes[_MAX_LOSSES:]):
            lines.append(f"  and {more:,} more")
    if plan.kind is Kind.SPACE:
        lines += [f"{visible(email)} will be removed from {key}." for key, email in _removed_members(plan)]
    return disarm("\n".join(lines))


def _removed_members(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the slug and the email of each membership that ends although its space stays."""
    for change in plan.actions if plan.options.prune else ():
        for field in change.fields if change.action is Action.UPDATE else ():
            if field.field == "members":
                yield from (
                    (change.key, email) for email in sorted({*(field.old or ())} - {*(field.new or ())})
                )


def _loss(change: Change) -> str:
    live, facts = change.live, ""
    if isinstance(live, LivePersona):
        dates = (("created", live.created_at), ("last active", live.last_active_at))
        facts = ", ".join(f"{what} {when:%Y-%m-%d}" for what, when in dates if when)
    elif isinstance(live, LiveSpace):
        facts = count(len(live.members), "member")
    return "  ".join(shorten(part, _MAX_CELL) for part in (change.name, change.key, facts) if part)


def _render(sections: Sequence[Section], *, color: bool) -> str:
    lines = [line for section in sections for line in (Text(), *section)][1:]
    if not color:
        return disarm("".join(f"{line.plain.rstrip()}\n" for line in lines))
    file = StringIO()
    console = Console(
        file=file, color_system="standard", force_terminal=True, no_color=False, legacy_windows=False
    )
    for line in lines:
        line.rstrip()
        console.print(line, crop=False, soft_wrap=True)
    return disarm(file.getvalue())


def _prose(text: str, width: int, *, mark: str = "", style: str = "") -> Section:
    return _beside(Text(), Text.assemble((mark, style), visible(text)), width)


def _beside(lead: Text, body: Text, width: int) -> Section:
    """Return the lines of a body that is wrapped to the right of its lead."""
    indent = cell_len(lead.plain)
    lines = body.wrap(_WRAPPER, max(1, width - indent), overflow="fold")
    return [Text.assemble(" " * indent if at else lead, line) for at, line in enumerate(lines)]


def _short(*cells: str) -> list[str]:
    return [shorten(cell, _MAX_CELL) for cell in cells]


def _fit(cell: str, size: int) -> str:
    """Return a cell of this size; a longer one ends with an ellipsis."""
    return set_cell_size(cell if cell_len(cell) <= size else f"{set_cell_size(cell, size - 1)}…", size)


def _columns(rows: Iterable[Sequence[str]], width: int) -> Section:
    """Return indented columns; the last one is wrapped."""
    shown = [_short(*row) for row in rows]
    sizes = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
    section: Section = []
    for *cells, last in shown:
        lead = "".join(f"{_fit(cell, sizes[at])}  " for at, cell in enumerate(cells))
        section += _beside(Text(f"  {lead}"), Text(last), width)
    return section or [Text("  none")]


def _problems(report: Report) -> Section:
    styles = {"warning": "yellow", "error": "red"}
    return [Text(format_problem(problem), styles[problem.severity]) for problem in report.problems]


def _plan(report: Report, plan: Plan, width: int, *, verbose: bool) -> list[Section]:
    found = messages.rows(report, plan, verbose=verbose)
    size = max((len(word) for *_, word, _ in found), default=0)
    rows = [
        (Text(f"  {sign} {word:<{size}}  ", style), _short(change.name, change.key, remark))
        for change, sign, style, word, remark in found
    ]
    target = f" → {visible(report.service)}" if report.service else ""
    head = Text.assemble((", ".join(map(visible, report.catalogs)), "bold"), target)
    details = [_details(change, width) for change in messages.detailed(report, plan)]
    return [[head], _rows(rows, width), *details]


def _rows(rows: Sequence[tuple[Text, Sequence[str]]], width: int) -> Section:
    """Return rows of lead, name, email and more. What does not fit stands below; an email is never cut."""
    indent = max((cell_len(lead.plain) for lead, _ in rows), default=0)
    names, emails = (max((cell_len(cells[at]) for _, cells in rows), default=0) for at in (0, 1))
    aligned = indent + names + 2 + emails <= width
    section: Section = []
    for lead, (name, email, more) in rows:
        who = (_fit(name, names), _fit(email, emails)) if aligned else (name, email)
        line = "  ".join(filter(None, who))
        lines = [line, more] if indent + cell_len(line) <= width else [name, email, more]
        if aligned and indent + cell_len(f"{line}  {more}") <= width:
            lines = [f"{line}  {more}"]
        body = Text("\n".join(filter(None, lines)))
        section += _beside(lead, body, max(width, indent + emails))
    return section


def _details(change: Change, width: int) -> Section:
    name, key = _short(change.name or change.key, change.key)
    labels = [visible(messages.label(field.field)) for field in change.fields]
    size = max(map(cell_len, labels))
    section = [Text.assemble((name, "bold"), f"  {key}")]
    for label, field in zip(labels, change.fields, strict=True):
        start = Text(f"  {_fit(label, size)}  ", "dim")
        for line in field_lines(field):
            # Wrapped text begins after the mark.
            marks = 1 if line[0][0] in {"- ", "+ "} else 0
            section += _beside(Text.assemble(start, *line[:marks]), Text.assemble(*line[marks:]), width)
            start = Text(" " * (size + 4))
    return section


def _live(report: Report, live: LiveState, width: int) -> list[Section]:
    if report.command == "show":
        return [section for persona in live.personas for section in _show(persona, live, width)]
    place = f"{visible(live.service)} ({visible(', '.join(live.scope))})"
    if not live.personas:
        return [[Text(f"No personas on {place}")]]
    rows = [_short(*messages.live_cells(persona, live.taken_at)) for persona in live.personas]
    return [[Text(place)], _list(rows, width)]


def _list(rows: Sequence[Sequence[str]], width: int) -> Section:
    """Return a table; where it is too wide, only name and email are on the first line of a persona."""
    table = [messages.LIVE_TITLES, *rows]
    sizes = [max(map(cell_len, column)) if any(column[1:]) else 0 for column in zip(*table, strict=True)]
    if sum(size + 2 for size in sizes if size) - 2 > width:
        forms = ("{}", "active {}", "{} actions")
        more = [
            ", ".join(form.format(cell) for form, cell in zip(forms, row[2:], strict=True) if cell)
            for row in rows
        ]
        return _rows([(Text("· "), [*row[:2], below]) for row, below in zip(rows, more, strict=True)], width)
    lines = [
        "  ".join(_fit(cell, size) for cell, size in zip(row, sizes, strict=True) if size) for row in table
    ]
    return [Text(lines[0], "dim"), *map(Text, lines[1:])]


def _show(persona: LivePersona, live: LiveState, width: int) -> list[Section]:
    name, email, archetype, active, actions = messages.live_cells(persona, live.taken_at)
    facts = [
        ("archetype", archetype),
        ("cadence", known(persona.tick_cadence)),
        ("last active", active),
        ("7-day actions", actions),
        ("created", messages.moment(persona.created_at, live.taken_at)),
        ("user id", persona.user_id),
        ("weights", "" if persona.module_mix is None else messages.one_line(persona.module_mix)),
    ]
    prompt = "\n".join(map(visible, (persona.system_prompt or "").split("\n")))
    latest = []
    for action in persona.recent_actions or ():
        when, took = messages.moment(action.created_at, live.taken_at), known(action.latency_ms, "{:,.0f} ms")
        latest.append((when, action.tool, took, f"{action.result} {action.error_message or ''}"))
    feedback = [
        (item.module, known(item.ratings, "ratings: {}"), known(item.mean, "mean: {:.1f} of 5"))
        for item in persona.feedback or ()
    ]
    head = Text.assemble((visible(name or email), "bold"), f"  {visible(email)}")
    parts = (
        ("Prompt", persona.system_prompt, _beside(Text("  "), Text(prompt), width)),
        ("Last actions", persona.recent_actions, _columns(latest, width)),
        ("Feedback", persona.feedback, _columns(feedback, width)),
    )
    # A service does not have what is None.
    shown = [[Text(title, "bold"), *lines] for title, value, lines in parts if value is not None]
    return [[head, *_columns([fact for fact in facts if fact[1]], width)], *shown]


def _end(report: Report, width: int) -> Section:
    verdict, clashes = messages.verdict(report), messages.conflicts(report)
    if report.in_sync or report.outcomes or report.live is not None:
        verdict = f"{verdict} {messages.cost(report)}"
    mark, style = ("✗ ", "bold red") if clashes else ("✓ ", "green") if report.in_sync else ("", "")
    section = _prose(verdict, width, mark=mark, style=style) if verdict and report.command != "show" else []
    section += [Text(f"  {messages.CONFLICT_HINT}")] if clashes else []
    if checksum := messages.checksum(report):
        section.append(Text(f"Checksum {checksum} (for --expect-plan)"))
    if error := messages.error_to_show(report):
        section.append(Text(format_error(error), "red"))
    return section
