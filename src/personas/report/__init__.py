"""What a command has to say, in each format; every function takes values and returns text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from personas.report.model import Report

if TYPE_CHECKING:
    from personas.reconcile.live import Live

Format = Literal["text", "json", "markdown", "github", "junit"]

__all__ = ["Format", "Report", "read_snapshot", "render", "report_schema", "step_outputs", "step_summary"]


def render(report: Report, fmt: Format, *, width: int = 80, color: bool = False, unicode: bool = True) -> str:
    """The report in one format.

    Args:
        report: What the command has to say.
        fmt: The format.
        width: The cells of a line; of the text only.
        color: Whether to use ANSI colours; in the text only.
        unicode: Whether signs beyond ASCII can be shown; of the text only.
    """
    # Each format is loaded when it is asked for: the start of the program is measured.
    if fmt == "text":
        from personas.report import text

        return text.render(report, width=width, color=color, unicode=unicode)
    if fmt == "json":
        from personas.report import jsonreport

        return jsonreport.render(report)
    if fmt == "markdown":
        from personas.report import markdown

        return markdown.render(report)
    if fmt == "github":
        from personas.report import github

        return github.render(report)
    from personas.report import junit

    return junit.render(report)


def read_snapshot(text: str) -> Live:
    """The live state that a JSON report of `list --full` carries; raises `UsageError` for any other text."""
    from personas.report import snapshot

    return snapshot.read_snapshot(text)


def report_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of the JSON report."""
    from personas.report import schema

    return schema.report_schema()


def step_summary(report: Report) -> str:
    """The report as markdown for the summary of a step of GitHub Actions."""
    from personas.report import github

    return github.step_summary(report)


def step_outputs(report: Report) -> dict[str, str]:
    """The outputs of a step of GitHub Actions: `changed`, `create`, `update`, `checksum` and more."""
    from personas.report import github

    return github.step_outputs(report)
