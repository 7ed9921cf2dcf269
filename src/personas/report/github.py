"""The report for GitHub Actions: annotations on the lines of the catalog, outputs and the step summary."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from personas.reconcile.changes import Change, Result, Status
from personas.report import messages
from personas.report.document import Report
from personas.report.markdown import to_markdown
from personas.report.sanitize import disarm, shorten, visible

_MAX_OF_A_KIND = 10  # GitHub shows no more of one step
_MESSAGE = 1_000  # characters
_DRIFT = 10
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


@dataclass(frozen=True, slots=True)
class GithubOutput:
    """What GitHub Actions reads.

    Attributes:
        annotations: Workflow commands for stdout.
        outputs: For `GITHUB_OUTPUT`; each value is one line. Empty values if nothing was compared.
        summary: Markdown for `GITHUB_STEP_SUMMARY`.
    """

    annotations: str
    outputs: dict[str, str]
    summary: str


@dataclass(frozen=True, slots=True)
class _Annotation:
    kind: str
    message: str
    file: str = ""
    line: int | None = None
    column: int | None = None


def to_github(report: Report, workspace: Path | None, *, folder: Path | None = None) -> GithubOutput:
    """Return annotations, outputs and summary.

    Args:
        report: What a command found and did.
        workspace: `GITHUB_WORKSPACE`, to which the files of annotations are relative.
        folder: The folder to which the report's files are relative; the current one if None.
    """
    found = [*_problems(report), *_changes(report)]
    if (error := messages.error_to_show(report)) is not None:
        found.append(_Annotation("error", " ".join(filter(None, (error.message, error.hint)))))
    lines = []
    for kind in ("error", "warning", "notice"):
        some = [annotation for annotation in found if annotation.kind == kind]
        kept = some if len(some) <= _MAX_OF_A_KIND else some[: _MAX_OF_A_KIND - 1]
        lines += [_command(annotation, workspace, folder or Path.cwd()) for annotation in kept]
        if more := len(some) - len(kept):
            lines.append(f"::{kind}::and {more:,} more; the summary lists them")
    return GithubOutput("".join(f"{line}\n" for line in lines), _outputs(report), to_markdown(report))


def _outputs(report: Report) -> dict[str, str]:
    plan = report.plan
    changed = str(bool(plan.drift or plan.actions)).lower() if plan else ""
    counts = {status.value: str(plan.counts[status]) if plan else "" for status in Status}
    return {"changed": changed, **counts, "checksum": (plan.checksum or "") if plan else ""}


def _problems(report: Report) -> Iterator[_Annotation]:
    for problem in report.problems:
        yield _Annotation(problem.severity, problem.message, problem.file, problem.line, problem.column)


def _changes(report: Report) -> Iterator[_Annotation]:
    if (plan := report.plan) is None:
        return
    file = report.catalogs[0] if len(report.catalogs) == 1 else ""
    failed = {outcome.key for outcome in report.outcomes if outcome.result is Result.FAILED}
    unknown = {outcome.key for outcome in report.outcomes if outcome.result is Result.UNKNOWN}
    for row in messages.rows(report, plan):
        change = row.change
        kind = "warning" if report.exit_code == _DRIFT else "notice"
        if change.key in failed or change.status is Status.CONFLICT:
            kind = "error"
        elif change.key in unknown or change.status is Status.UNKNOWN:
            kind = "warning"
        what = f"{row.word}: {row.remark}" if row.remark else row.word
        yield _Annotation(kind, f"{change.name} ({change.key}): {what}", file, _line(change))


def _line(change: Change) -> int | None:
    """Return the line of the first field that differs, otherwise of the persona or space."""
    return next((field.line for field in change.fields if field.line), change.line)


def _command(annotation: _Annotation, workspace: Path | None, folder: Path) -> str:
    file = _relative(annotation.file, workspace, folder)
    properties = {"file": file, "line": annotation.line, "col": annotation.column} if file else {}
    given = ",".join(f"{key}={visible(str(it)).translate(_PROPERTY)}" for key, it in properties.items() if it)
    message = shorten(annotation.message, _MESSAGE).translate(_DATA)
    return f"::{annotation.kind}{' ' if given else ''}{given}::" + disarm(message)


def _relative(file: str, workspace: Path | None, folder: Path) -> str:
    """Return the file relative to the workspace; empty for stdin and for files outside."""
    if not file or file.startswith("<"):
        return ""
    path = Path(os.path.normpath(folder / file))
    root = workspace if workspace is not None else folder
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
