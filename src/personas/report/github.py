"""The report for GitHub Actions: annotations on the lines of the catalog, outputs and the step summary."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from personas.errors import DriftFound
from personas.reconcile.changes import Plan, Status
from personas.report import messages
from personas.report.document import Report
from personas.report.markdown import to_markdown
from personas.report.sanitize import disarm, shorten

_MAX_OF_A_KIND = 10  # GitHub shows no more of one step
_LONG = 1_000  # characters of a message
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})
_KINDS = {"failed": "error", "conflict": "error", "unknown": "warning"}


class GithubOutput(NamedTuple):
    """Workflow commands for stdout, values for `GITHUB_OUTPUT` (empty if not compared), and the summary."""

    annotations: str
    outputs: dict[str, str]
    summary: str


def to_github(report: Report, workspace: Path | None, *, folder: Path | None = None) -> GithubOutput:
    """Return annotations, outputs and summary.

    The files of annotations are relative to `workspace`, those of the report to `folder` (the current one).
    """
    folder = folder or Path.cwd()
    commands: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    for kind, message, file, line, column in _annotations(report):
        properties = _properties(file, line, column, workspace or folder, folder)
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
