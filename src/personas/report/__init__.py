"""What a command has to say: one document, and its views as page, JSON, markdown, annotations and JUnit XML.

`make_report` makes the document of what a command learnt; every view takes the document and returns text, or
for a terminal a page of rich. Nothing here prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

from personas.report import github
from personas.report.building import make_report
from personas.report.document import Report, report_schema
from personas.report.github import output_lines, step_outputs, step_summary
from personas.report.snapshot import Snapshot, read_snapshot
from personas.report.visible import inert_json

if TYPE_CHECKING:
    from personas.report.blocks import Page

Format = Literal["text", "json", "markdown", "github", "junit"]

__all__ = [
    "Format",
    "Report",
    "Snapshot",
    "make_report",
    "output_lines",
    "page",
    "read_snapshot",
    "render",
    "report_schema",
    "step_outputs",
    "step_summary",
]


def render(report: Report, fmt: Format, *, width: int = 80, color: bool = False, full: bool = False) -> str:
    """The report in one format.

    Args:
        report: What the command has to say.
        fmt: The format.
        width: The columns of a line; of the text only.
        color: Whether to use ANSI colours; in the text only.
        full: Whether every row is told, however many there are; in the text only.
    """
    match fmt:
        case "text":
            from personas.report.blocks import text_of

            return text_of(page(report, full=full), width=width, color=color)
        case "json":
            return inert_json(report.model_dump_json(by_alias=True, indent=2)) + "\n"
        case "markdown":
            from personas.report import markdown

            return markdown.render(report)
        case "github":
            return github.render(report)
        case "junit":
            from personas.report import junit

            return junit.render(report)
        case _:
            assert_never(fmt)


def page(report: Report, *, full: bool = False) -> Page:
    """The report as a page for rich to print, with `crop=False`; with `full`, every row of it."""
    from personas.report import text  # rich, which the other formats do without

    return text.page(report, full=full)
