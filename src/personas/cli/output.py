"""Where a report goes: standard output, files beside it, and the files that GitHub names."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from personas.cli.asked import Asked
from personas.cli.console import Terminal, emit, say
from personas.cli.files import replace_file
from personas.cli.options import Output
from personas.errors import UsageError, why_unusable
from personas.report import Format, Report, output_lines, page, render, step_outputs, step_summary
from personas.settings import Settings

_FORMATS: dict[str, Format] = {".json": "json", ".md": "markdown", ".xml": "junit", ".txt": "text"}


def check_report_files(files: Sequence[str]) -> None:
    """Find out before the first write to the service that a report cannot be written.

    Raises:
        UsageError: A file's ending says no format, or the file cannot be written.
    """
    for name in files:
        path = Path(name)
        if path.suffix.lower() not in _FORMATS:
            raise UsageError(
                f"--report {name}: the ending says no format", hint=f"Use one of: {', '.join(_FORMATS)}"
            )
        if path.is_dir():
            raise UsageError(f"--report {name} is a directory")
        try:
            with contextlib.suppress(FileNotFoundError):
                path.stat()
            with tempfile.TemporaryFile(dir=path.parent):
                pass
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except (OSError, ValueError) as error:
            raise UsageError(f"--report {name} cannot be written: {why_unusable(error)}") from None


def write(report: Report, asked: Asked, settings: Settings, *, shown_before: bool = False) -> None:
    """Print a report and write the files that were asked for.

    Args:
        report: What to say.
        asked: In which formats, and where.
        settings: Whether colours are wanted, and which files GitHub names.
        shown_before: The same text stands on the terminal already, above a question.
    """
    # The files first: whatever becomes of standard output, they are there.
    for name in asked.report:
        ending = Path(name).suffix.lower()
        _replace(Path(name), render(report, _FORMATS[ending], width=100, full=True))
    if asked.output is Output.GITHUB:
        _tell_github(report, settings)
    terminal = Terminal(no_color=settings.no_color, force_color=settings.force_color)
    form: Format = asked.output.value
    if asked.output is not Output.TEXT:
        emit(render(report, form))
    elif report.problems and report.command != "validate":
        # What is wrong with a catalog is what `validate` was asked for; of other commands it is the error.
        terminal.tell(page(report))
    elif not (shown_before or _is_silent(report, quiet=asked.quiet)):
        # What goes to another program is whole, as with other tools.
        full = asked.full or (report.command in {"list", "validate"} and not sys.stdout.isatty())
        # As text, an error is told once: on stderr, by the boundary.
        terminal.show(page(report.model_copy(update={"error": None}), full=full))


def _is_silent(report: Report, *, quiet: bool) -> bool:
    """Whether a report has nothing to say as text."""
    plan = report.plan
    if report.error is not None:
        return plan is None and not report.problems
    calm = report.exit_code == 0 and not report.warnings and not report.all_outcomes
    return quiet and calm and report.command not in {"list", "show"} and (plan is None or plan.in_sync)


def preview(report: Report, settings: Settings) -> None:
    """Show a report's text on stderr, before a question about it."""
    Terminal(no_color=settings.no_color, force_color=settings.force_color).tell(page(report))


def _tell_github(report: Report, settings: Settings) -> None:
    if settings.step_summary is not None:
        _append(settings.step_summary, step_summary(report), "GITHUB_STEP_SUMMARY")
    if settings.step_outputs is not None:
        _append(settings.step_outputs, output_lines(step_outputs(report)), "GITHUB_OUTPUT")


def _append(path: Path, text: str, variable: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text if text.endswith("\n") else text + "\n")
    except OSError as error:
        say(f"warning: {variable} {path} cannot be written: {why_unusable(error)}")


def _replace(path: Path, text: str) -> None:
    try:
        replace_file(path, text if text.endswith("\n") else text + "\n")
    except OSError as error:
        say(f"warning: --report {path} could not be written: {why_unusable(error)}")
