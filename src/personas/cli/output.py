"""Where a report goes: stdout, the files of --report, and the files that GitHub Actions names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from personas.cli.files import check_writable, write_file
from personas.cli.options import Output
from personas.cli.streams import print_line, text_width, write_stdout
from personas.config import github_paths, is_color_wanted
from personas.errors import UsageError
from personas.report.document import Report
from personas.report.text import format_problem

_SUFFIXES = {".json": Output.JSON, ".md": Output.MARKDOWN, ".txt": Output.TEXT}
_FILE_WIDTH = 100


def check_report_files(names: Sequence[str]) -> list[Path]:
    """Return the files of --report; called before the first request.

    Raises:
        UsageError: One cannot be written, or has an unknown ending.
    """
    for name in names:
        if name and Path(name).suffix.lower() not in _SUFFIXES:
            raise UsageError(f"--report {name}: unknown ending.", hint=f"Use {', '.join(_SUFFIXES)}.")
    return [check_writable(name, "--report") for name in names]


def write_report_files(report: Report, files: Sequence[Path]) -> None:
    """Write the report to each file, in the format of its ending."""
    for file in files:
        write_file(file, _render(report, _SUFFIXES[file.suffix.lower()], width=_FILE_WIDTH))


def show_report(
    report: Report, output: Output, *, quiet: bool = False, verbose: bool = False, shown: bool = False
) -> None:
    """Print a report on stdout, and problems on stderr.

    Args:
        report: What to show.
        output: The format.
        quiet: Whether to leave out notes, and everything when in sync.
        verbose: Whether text has every detail.
        shown: Whether the user has seen the plan already, above a question.
    """
    if output is Output.GITHUB:
        _write_github(report)
    elif output is not Output.TEXT:
        write_stdout(_render(report, output), machine=True)
    else:
        _show_text(report, quiet=quiet, verbose=verbose, shown=shown)


def _show_text(report: Report, *, quiet: bool, verbose: bool, shown: bool) -> None:
    from personas.report.text import to_text

    # The error has its own line on stderr, at the end. Problems are a result only of `validate`.
    parts: dict[str, object] = {"error": None}
    if report.command != "validate":
        for problem in report.problems:
            print_line(format_problem(problem))
        parts["problems"] = ()
    nothing_found = report.error is not None and report.plan is None and report.live is None
    if (nothing_found and report.command != "validate") or (shown and not report.applied):
        return
    color = is_color_wanted(terminal=sys.stdout.isatty())
    text = to_text(
        report.model_copy(update=parts), width=text_width(), color=color, verbose=verbose, quiet=quiet
    )
    write_stdout(text)


def _render(report: Report, output: Output, *, width: int = _FILE_WIDTH) -> str:
    if output is Output.JSON:
        from personas.report.document import to_json

        return to_json(report)
    if output is Output.MARKDOWN:
        from personas.report.markdown import to_markdown

        return to_markdown(report)
    from personas.report.text import to_text

    return to_text(report, width=width, color=False, verbose=True)


def _write_github(report: Report) -> None:
    """Print annotations, and append to the files that GitHub Actions names."""
    from personas.report.github import to_github

    paths = github_paths()
    shown = to_github(report, paths.workspace)
    if paths.output is not None:
        _append(paths.output, "".join(f"{name}={value}\n" for name, value in shown.outputs.items()))
    if paths.summary is not None:
        _append(paths.summary, shown.summary)
    write_stdout(shown.annotations, machine=True)


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
