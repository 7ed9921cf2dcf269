"""Where a report goes: stdout, the files of --report, and the files that GitHub Actions names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from personas.cli.options import Output
from personas.cli.streams import print_line, write_stdout
from personas.config import variable
from personas.errors import UsageError
from personas.report.document import Report, to_json
from personas.report.messages import error_to_show
from personas.report.text import format_error, format_problem, to_text

_SUFFIXES = {".json": Output.JSON, ".md": Output.MARKDOWN, ".txt": Output.TEXT}


def check_writable(name: str, option: str) -> Path:
    """Return the path of a file that can be written; `option` named it. A symlink to a file is followed.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path = Path(name)
        path = path.resolve() if path.is_file() else path
        problem = ""
        if not name:
            problem = "the file name is empty"
        elif path.is_dir():
            problem = "it is a directory"
        elif not path.parent.is_dir():
            problem = f"the directory {path.parent} does not exist"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            problem = "permission denied"
    except (OSError, ValueError) as error:
        problem = str(error)
    if problem:
        raise UsageError(f"{option} {name!r} cannot be written: {problem}.")
    return path


def check_report_file(name: str) -> Path:
    """Return a file of --report. Raises UsageError if it cannot be written, or has another ending."""
    if name and Path(name).suffix.lower() not in _SUFFIXES:
        raise UsageError(f"--report {name}: unknown ending.", hint=f"Use {', '.join(_SUFFIXES)}.")
    return check_writable(name, "--report")


def write_report_file(report: Report, file: Path) -> None:
    """Write the report in the format of the file's ending; in place, as a bind mount needs it."""
    text = _render(report, _SUFFIXES[file.suffix.lower()])
    file.write_text(text, "utf-8", errors="backslashreplace")


def show_report(report: Report, output: Output, *, quiet: bool, verbose: bool, shown: bool) -> None:
    """Print a report on stdout; its problems and error on stderr.

    `shown`: the plan stands above a question already.
    """
    error, problems = report.error, report.problems
    if output is Output.GITHUB:
        _write_github(report)
    elif output is not Output.TEXT:
        write_stdout(_render(report, output), machine=True)
    else:
        result = report.model_copy(update={"error": None})
        if report.command == "validate":
            problems = ()  # they are its result
        else:
            result = result.model_copy(update={"problems": ()})
        found = report.plan or report.live or result.problems or error is None
        if found and (report.applied or not shown):
            console = Console()  # knows NO_COLOR, FORCE_COLOR and TERM
            color = console.color_system is not None and not console.no_color
            write_stdout(to_text(result, width=console.width, color=color, verbose=verbose, quiet=quiet))
            error = error_to_show(report)
        for problem in problems:
            print_line(format_problem(problem))
    if error is not None:
        print(format_error(error), file=sys.stderr)


def _render(report: Report, output: Output) -> str:
    if output is Output.JSON:
        return to_json(report)
    if output is Output.MARKDOWN:
        from personas.report.markdown import to_markdown

        return to_markdown(report)
    return to_text(report, width=100, color=False, verbose=True)


def _write_github(report: Report) -> None:
    """Print annotations, and append to the files that GitHub Actions names."""
    from personas.report.markdown import to_github

    folder = Path.cwd()
    shown = to_github(report, workspace=Path(variable("GITHUB_WORKSPACE") or folder), folder=folder)
    outputs = "".join(f"{name}={value}\n" for name, value in shown.outputs.items())
    for name, text in (("GITHUB_OUTPUT", outputs), ("GITHUB_STEP_SUMMARY", shown.summary)):
        if (path := variable(name)) is not None:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
    write_stdout(shown.annotations, machine=True)
