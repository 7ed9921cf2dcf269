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
from personas.report.document import Report, to_json
from personas.report.text import format_problem, to_text

_SUFFIXES = {".json": Output.JSON, ".md": Output.MARKDOWN, ".txt": Output.TEXT}


def check_report_files(names: Sequence[str]) -> list[Path]:
    """Return the files of --report. Raises UsageError if one cannot be written, or has another ending."""
    for name in names:
        if name and Path(name).suffix.lower() not in _SUFFIXES:
            raise UsageError(f"--report {name}: unknown ending.", hint=f"Use {', '.join(_SUFFIXES)}.")
    return [check_writable(name, "--report") for name in names]


def write_report_files(report: Report, files: Sequence[Path]) -> None:
    """Write the report to each file, in the format of its ending."""
    for file in files:
        write_file(file, _render(report, _SUFFIXES[file.suffix.lower()]))


def show_report(report: Report, output: Output, *, quiet: bool, verbose: bool, shown: bool) -> None:
    """Print a report on stdout, and its problems on stderr; `shown` if the plan stands above a question."""
    if output is Output.GITHUB:
        _write_github(report)
    elif output is not Output.TEXT:
        write_stdout(_render(report, output), machine=True)
    else:
        # The error has its own line on stderr, at the end. Problems are a result only of `validate`.
        parts: dict[str, object] = {"error": None}
        has_result = report.plan is not None or report.live is not None or report.error is None
        if report.command != "validate":
            for problem in report.problems:
                print_line(format_problem(problem))
            parts["problems"] = ()
        elif report.problems:
            has_result = True
        if has_result and (report.applied or not shown):
            color = is_color_wanted(terminal=sys.stdout.isatty())
            found = report.model_copy(update=parts)
            write_stdout(to_text(found, width=text_width(), color=color, verbose=verbose, quiet=quiet))


def _render(report: Report, output: Output) -> str:
    if output is Output.JSON:
        return to_json(report)
    if output is Output.MARKDOWN:
        from personas.report.markdown import to_markdown

        return to_markdown(report)
    return to_text(report, width=100, color=False, verbose=True)


def _write_github(report: Report) -> None:
    """Print annotations, and append to the files that GitHub Actions names."""
    from personas.report.github import to_github

    paths = github_paths()
    shown = to_github(report, paths.workspace)
    outputs = "".join(f"{name}={value}\n" for name, value in shown.outputs.items())
    for path, text in ((paths.output, outputs), (paths.summary, shown.summary)):
        if path is not None:
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
    write_stdout(shown.annotations, machine=True)
