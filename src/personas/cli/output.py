"""Where a report goes: standard output, files beside it, and the files that GitHub names."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from personas.cli.boundary import visible
from personas.cli.files import replace_file
from personas.cli.options import Given, Output
from personas.errors import UsageError
from personas.report import Format
from personas.report.model import Report
from personas.settings import Settings

_FORMATS: dict[str, Format] = {".json": "json", ".md": "markdown", ".xml": "junit", ".txt": "text"}


def check_report_files(files: tuple[str, ...]) -> None:
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
            with tempfile.TemporaryFile(dir=path.parent):
                pass
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise UsageError(f"--report {name} cannot be written: {reason}") from None


def write(report: Report, given: Given, settings: Settings) -> None:
    """Print a report and write the files that were asked for."""
    from personas.report import render

    unicode = (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}
    silent = given.quiet and report.exit_code == 0 and (report.plan is None or report.plan.in_sync)
    # As text, the error is told once: on stderr, by the boundary.
    shown = replace(report, error=None) if given.output is Output.TEXT else report
    silent = silent or (
        shown is not report and report.error is not None and report.plan is None and not report.problems
    )
    if not (silent and given.output is Output.TEXT):
        text = render(
            shown,
            given.output.value,
            width=shutil.get_terminal_size((80, 24)).columns,
            color=sys.stdout.isatty() and not settings.no_color,
            unicode=unicode,
        )
        sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
        sys.stdout.flush()
    for name in given.report:
        form = _FORMATS[Path(name).suffix.lower()]
        _replace(Path(name), render(report, form, width=100, color=False))
    if given.output is Output.GITHUB:
        _tell_github(report, settings)


def preview(report: Report, settings: Settings) -> None:
    """Show a report's text on stderr, before a question about it."""
    from personas.report import render

    print(
        render(
            report,
            "text",
            width=shutil.get_terminal_size((80, 24)).columns,
            color=sys.stderr.isatty() and not settings.no_color,
        ),
        file=sys.stderr,
    )


def _tell_github(report: Report, settings: Settings) -> None:
    from personas.report import step_outputs, step_summary

    if settings.step_summary is not None:
        _append(settings.step_summary, step_summary(report), "GITHUB_STEP_SUMMARY")
    if settings.step_outputs is not None:
        lines = "".join(f"{name}={value}\n" for name, value in step_outputs(report).items())
        _append(settings.step_outputs, lines, "GITHUB_OUTPUT")


def _append(path: Path, text: str, variable: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text if text.endswith("\n") else text + "\n")
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        print(f"warning: {variable} {visible(str(path))} cannot be written: {reason}", file=sys.stderr)


def _replace(path: Path, text: str) -> None:
    try:
        replace_file(path, text if text.endswith("\n") else text + "\n")
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        print(f"warning: --report {visible(str(path))} could not be written: {reason}", file=sys.stderr)
