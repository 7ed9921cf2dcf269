"""The report for reviews and CI: as markdown, and as annotations and outputs of GitHub Actions."""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from personas.errors import DriftFound
from personas.reconcile.changes import Change, Kind, LiveState, Plan, Status
from personas.report import messages
from personas.report.document import Report
from personas.report.messages import count, field_lines
from personas.report.sanitize import disarm, fenced, markdown_code, markdown_text, shorten, visible
from personas.report.text import to_text

MARKER = "<!-- personas-preview -->"
MAX_BYTES = 60_000  # GitHub takes 65,536 characters in a comment
_MAX_NOTES = 10
_MAX_OF_A_KIND = 10  # GitHub shows no more annotations of one step
_LONG = 1_000  # characters of a message

# How workflow commands escape messages and properties, and the kinds of annotations of a change.
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})
_KINDS = {"failed": "error", "conflict": "error", "unknown": "warning"}

# What the lines are about, for the note if they do not fit, and lines that stay together.
Block = tuple[str, str]


def to_markdown(report: Report) -> str:
    """Return the report as markdown of at most 60,000 bytes; a note says what was left out.

    By the first line, an HTML comment, a tool finds its comment on a pull request again.
    """
    head, tail = _head(report), _tail(report)
    room = MAX_BYTES - len(f"{head}{tail}".encode()) - 300
    kept, left_out = [], Counter[str]()
    for what, text in _blocks(report):
        room -= len(text.encode()) + 1
        if room < 0:
            left_out[what] += 1
        else:
            kept.append(text)
    more = ", ".join(count(amount, what) for what, amount in left_out.items())
    note = f"\n> **Note:** No room for {more}. The JSON and text outputs have everything." if more else ""
    return disarm("\n".join(part for part in (head, *kept, note, tail) if part) + "\n")


def _head(report: Report) -> str:
    title = ": ".join(filter(None, (f"personas {report.command}", markdown_text(messages.verdict(report)))))
    catalogs = ", ".join(map(markdown_code, report.catalogs[:_MAX_NOTES]))
    sides = " → ".join(filter(None, (catalogs, markdown_code(report.service))))
    lines = [MARKER, f"### {title}", "", sides]
    lines += [f"- {markdown_text(line)}" for line in messages.valid_lines(report)[:_MAX_NOTES]]
    lines += ["", messages.CONFLICT_HINT] if messages.conflicts(report) else []
    if error := messages.error_to_show(report):
        hint = f" {markdown_text(error.hint, _LONG)}" if error.hint else ""
        lines += ["", f"> **Error:** {markdown_text(error.message, _LONG)}{hint}"]
    return "\n".join(lines)


def _tail(report: Report) -> str:
    lines = [f"\n> **Note:** {markdown_text(note, _LONG)}" for note in messages.notes(report)[:_MAX_NOTES]]
    facts = [messages.cost(report).strip("()")] if report.requests else []
    if checksum := messages.checksum(report):
        facts.insert(0, f"Checksum `{checksum}` (for `--expect-plan`)")
    lines += [f"\n<sub>{' · '.join(facts)}</sub>"] if facts else []
    return "\n".join(lines)


def _blocks(report: Report) -> Iterator[Block]:
    yield from _problems(report)
    if report.plan is not None:
        yield from _plan(report, report.plan)
    elif report.live is not None and report.command == "show":
        text = to_text(report, width=100, color=False, quiet=True)
        yield "persona", "\n" + fenced(text.splitlines())
    elif report.live is not None:
        yield from _list(report.live)


def _table(what: str, titles: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[Block]:
    head = f"\n| {' | '.join(titles)} |\n|{' --- |' * len(titles)}\n"
    for row in rows:
        yield what, f"{head}| {' | '.join(row)} |"
        head = ""


def _problems(report: Report) -> Iterator[Block]:
    rows = (
        (markdown_code(f"{it.file}:{it.line}:{it.column}"), it.severity, markdown_text(it.message, _LONG))
        for it in report.problems
    )
    return _table("problem", ("where", "", "problem"), rows)


def _plan(report: Report, plan: Plan) -> Iterator[Block]:
    rows = []
    for change, sign, _, word, remark in messages.rows(report, plan):
        about = (markdown_text(change.name), markdown_code(change.key), markdown_text(remark, _LONG))
        rows.append((f"{sign} {word}", *about))
    key = "email" if plan.kind is Kind.PERSONA else "slug"
    yield from _table(plan.kind, ("", "name", key, "details"), rows)
    for change in messages.detailed(report, plan):
        yield f"changed {plan.kind}", _details(change)


def _details(change: Change) -> str:
    lines = []
    for field in change.fields:
        texts = ["".join(text for text, _ in line) for line in field_lines(field)]
        lines.append(f"@@ {messages.label(field.field)} @@")
        lines += [text if text[:2] in {"- ", "+ "} else f"  {text}" for text in texts]
    labels = markdown_text(", ".join(messages.label(field.field) for field in change.fields))
    name = f"<b>{markdown_text(change.name)}</b> <code>{escape(visible(change.key))}</code>"
    return f"\n<details><summary>{name}: {labels}</summary>\n\n{fenced(lines, 'diff')}\n\n</details>"


def _list(live: LiveState) -> Iterator[Block]:
    cells = (messages.live_cells(persona, live.taken_at) for persona in live.personas)
    rows = ((markdown_text(name), markdown_code(at), *map(markdown_text, more)) for name, at, *more in cells)
    return _table("persona", messages.LIVE_TITLES, rows)


class GithubOutput(NamedTuple):
    """Workflow commands for stdout, values for `GITHUB_OUTPUT` (empty if not compared), and the summary."""

    annotations: str
    outputs: dict[str, str]
    summary: str


def to_github(report: Report, *, workspace: Path, folder: Path) -> GithubOutput:
    """Return annotations, outputs and summary.

    The files of annotations are relative to `workspace`, those of the report to `folder`.
    """
    commands: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    for kind, message, file, line, column in _annotations(report):
        properties = _properties(file, line, column, workspace, folder)
        text = disarm(shorten(message, _LONG).translate(_DATA))
        commands[kind].append(f"::{kind}{properties}::{text}\n")
    for kind, found in commands.items():
        if len(found) > _MAX_OF_A_KIND:
            more = len(found) - _MAX_OF_A_KIND + 1
            found[-more:] = [f"::{kind}::and {more:,} more; the summary lists them\n"]
    annotations = "".join(command for found in commands.values() for command in found)
    return GithubOutput(annotations, _outputs(report.plan), to_markdown(report))


def _outputs(plan: Plan | None) -> dict[str, str]:
    changed = str(bool(plan.drift or plan.actions)).lower() if plan else ""
    counts = {status.value: str(plan.counts[status]) if plan else "" for status in Status}
    return {"changed": changed, **counts, "checksum": (plan.checksum if plan else None) or ""}


def _annotations(report: Report) -> Iterator[tuple[str, str, str, int | None, int | None]]:
    """Yield kind, message, file, line and column; empty or None where there is none."""
    for it in report.problems:
        yield it.severity, it.message, it.file, it.line, it.column
    file = report.catalogs[0] if len(report.catalogs) == 1 else ""
    drift = "warning" if report.exit_code == DriftFound.exit_code else "notice"
    for change, _, _, word, remark in messages.rows(report, report.plan) if report.plan else ():
        line = next((field.line for field in change.fields if field.line), change.line)
        message = f"{change.name} ({change.key}): {word}{f': {remark}' if remark else ''}"
        yield _KINDS.get(word, drift), message, file, line, None
    if error := messages.error_to_show(report):
        yield "error", f"{error.message} {error.hint}".strip(), "", None, None


def _properties(file: str, line: int | None, column: int | None, workspace: Path, folder: Path) -> str:
    path = Path(os.path.normpath(folder / file))
    # Standard input and files outside the workspace have no place in the repository.
    if not file or file.startswith("<") or not path.is_relative_to(workspace):
        return ""
    name = disarm(shorten(path.relative_to(workspace).as_posix(), _LONG).translate(_PROPERTY))
    return f" file={name}{f',line={line}' if line else ''}{f',col={column}' if column else ''}"
