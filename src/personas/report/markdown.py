"""The report as markdown, for a comment on a pull request or the summary of a CI step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from personas.reconcile.changes import Change, Kind, LiveState, Plan
from personas.report import messages
from personas.report.diff import field_lines
from personas.report.document import Report
from personas.report.messages import count
from personas.report.sanitize import disarm, fenced, markdown_code, markdown_text
from personas.report.text import to_text

MARKER = "<!-- personas-preview -->"
MAX_BYTES = 60_000  # GitHub takes 65,536 characters in a comment
_MAX_NOTES = 10
_MESSAGE = 1_000  # characters

# Lines that stay together, and what they are called if there is no room for them.
Block = tuple[str, str]


def to_markdown(report: Report, *, marker: str = MARKER) -> str:
    """Return the report as markdown of at most 60,000 bytes; a note says what was left out.

    Args:
        report: What a command found and did.
        marker: The first line: an HTML comment by which a tool finds its comment on a pull request again.
    """
    head, tail = _head(report, marker), _tail(report)
    blocks = [*_problems(report)]
    if report.plan is not None:
        blocks += _plan(report, report.plan)
    elif report.live is not None:
        blocks += _live(report, report.live)
    room = MAX_BYTES - len(f"{head}{tail}".encode()) - 300
    kept, left_out = [], Counter[str]()
    for what, text in blocks:
        size = len(text.encode()) + 1
        if size > room or left_out[what]:
            left_out[what] += 1
        else:
            room -= size
            kept.append(text)
    more = ", ".join(count(amount, what) for what, amount in left_out.items() if amount)
    note = (
        f"\n> **Note:** {more} left out for want of room. The other outputs have everything." if more else ""
    )
    return disarm("\n".join(part for part in (head, *kept, note, tail) if part) + "\n")


def _head(report: Report, marker: str) -> str:
    title = f"personas {report.command}"
    verdict = messages.verdict(report)
    lines = [marker, f"### {title}: {markdown_text(verdict)}" if verdict else f"### {title}", ""]
    catalogs = ", ".join(markdown_code(file) for file in report.catalogs[:_MAX_NOTES])
    service = report.service or (report.plan.service if report.plan else "")
    lines.append(" → ".join(part for part in (catalogs, markdown_code(service)) if part))
    lines += [f"- {markdown_text(line)}" for line in messages.valid_lines(report)[:_MAX_NOTES]]
    if clashes := messages.conflicts(report):
        found = " ".join(map(markdown_text, messages.conflict_lines(clashes)))
        lines += ["", f"> **Conflict:** {found} {messages.CONFLICT_HINT}"]
    if error := messages.error_to_show(report):
        hint = f" {markdown_text(error.hint, _MESSAGE)}" if error.hint else ""
        lines += ["", f"> **Error:** {markdown_text(error.message, _MESSAGE)}{hint}"]
    return "\n".join(lines)


def _tail(report: Report) -> str:
    lines = []
    for note in messages.notes(report)[:_MAX_NOTES]:
        lines += ["", f"> **Note:** {markdown_text(note, _MESSAGE)}"]
    plan = report.plan
    facts = []
    if plan is not None and messages.can_pin(report, plan):
        facts.append(f"Checksum `{plan.checksum}` (for `--expect-plan`)")
    if report.requests:
        facts.append(messages.cost(report).strip("()"))
    lines += ["", f"<sub>{' · '.join(facts)}</sub>"] if facts else []
    return "\n".join(lines)


def _table(what: str, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[Block]:
    head = f"\n| {' | '.join(titles)} |\n|{' --- |' * len(titles)}"
    for index, row in enumerate(rows):
        line = f"| {' | '.join(row)} |"
        yield what, line if index else f"{head}\n{line}"


def _problems(report: Report) -> Iterator[Block]:
    rows = (
        (
            markdown_code(f"{problem.file}:{problem.line}:{problem.column}"),
            ("warning: " if problem.severity == "warning" else "") + markdown_text(problem.message, _MESSAGE),
        )
        for problem in report.problems
    )
    return _table("problem", ("where", "problem"), rows)


def _plan(report: Report, plan: Plan) -> Iterator[Block]:
    key = "email" if plan.kind is Kind.PERSONA else "slug"
    rows = (
        (
            f"{row.sign} {row.word}",
            markdown_text(row.change.name),
            markdown_code(row.change.key),
            markdown_text(row.remark, _MESSAGE),
        )
        for row in messages.rows(report, plan)
    )
    yield from _table(plan.kind, ("", "name", key, "what"), rows)
    for change in messages.detailed(report, plan):
        yield f"diff of a {plan.kind}", _details(change)


def _details(change: Change) -> str:
    lines = []
    for field in change.fields:
        text = ["".join(text for text, _ in line) for line in field_lines(field)]
        lines += [
            f"@@ {messages.label(field.field)} @@",
            *(t if t[:2] in {"- ", "+ "} else f"  {t}" for t in text),
        ]
    labels = ", ".join(messages.label(field.field) for field in change.fields)
    summary = (
        f"<b>{markdown_text(change.name)}</b> {markdown_code(change.key, html=True)}: {markdown_text(labels)}"
    )
    return f"\n<details><summary>{summary}</summary>\n\n{fenced(lines, 'diff')}\n\n</details>"


def _live(report: Report, live: LiveState) -> Iterable[Block]:
    if report.command == "show":
        return [("persona", "\n" + fenced(to_text(report, width=100, color=False, quiet=True).splitlines()))]
    rows = (
        (
            markdown_text(cells[0]),
            markdown_code(cells[1]),
            markdown_text(cells[2]),
            *map(markdown_text, cells[3:]),
        )
        for cells in (messages.live_cells(persona, live.taken_at) for persona in live.personas)
    )
    return _table("persona", messages.LIVE_TITLES, rows)
