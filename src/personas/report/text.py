"""The report as text for a terminal, or for a pipe when colour is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.report import wording
from personas.report.livetext import show_detail, show_list
from personas.report.page import Page
from personas.report.plantext import is_calm, show_plan, show_verdict
from personas.report.usagetext import show_usage
from personas.report.visible import inert, shown

if TYPE_CHECKING:
    from personas.errors import Problem
    from personas.report.model import Report


def render(report: Report, *, width: int = 80, color: bool = False, unicode: bool = True) -> str:
    """The page that a command prints when it ends.

    Args:
        report: What the command has to say.
        width: The cells of a line.
        color: Whether to use ANSI colours.
        unicode: Whether signs beyond ASCII can be shown; without, foreign text is escaped as well.
    """
    page = Page(width, color=color, unicode=unicode)
    if report.problems:
        _problems(page, report.problems)
    elif report.command == "validate":
        _valid(page, report)
    elif report.command == "show":
        show_detail(page, report)
    elif report.command == "list" and report.plan is not None:
        show_list(page, report)
    elif report.plan is not None:
        show_plan(page, report, report.plan)
    _remarks(page, report)
    if report.command != "show":
        show_verdict(page, report)
    _end(page, report)
    return inert(page.text)


def _problems(page: Page, problems: tuple[Problem, ...]) -> None:
    _places(page, problems, "red")
    page.blank()
    file = shown(problems[0].file)
    page.line(("✗ ", "bold red"), (f"{file} is not valid: {wording.count(len(problems), 'problem')}", "bold"))


def _places(page: Page, problems: tuple[Problem, ...], style: str) -> None:
    for item in problems:
        place = f"{shown(item.file)}:{item.line}:{item.column}:"
        page.line((place, "bold"), " ", (shown(item.message, 2_000), style), hang=4)


def _valid(page: Page, report: Report) -> None:
    if report.loaded is None:
        return
    personas = report.loaded.personas
    archetypes = len({persona.archetype for persona in personas})
    size = f"{wording.count(len(personas), 'persona')}, {wording.count(archetypes, 'archetype')}"
    page.line(("✓ ", "bold green"), (f"{shown(report.catalog)} is valid", "bold"), f": {size}")
    page.blank()
    show_usage(page, report.loaded.personas)


def _remarks(page: Page, report: Report) -> None:
    """Warnings of the catalog, and notes."""
    if report.warnings:
        page.blank()
        _places(page, report.warnings, "yellow")
    notes = [*report.notes, *(report.plan.notes if report.plan else ())]
    if notes:
        page.blank()
        for note in dict.fromkeys(notes):
            page.line(("Note: ", "yellow"), shown(note, 2_000), hang=6)


def _end(page: Page, report: Report) -> None:
    """What stopped the run, and what it cost."""
    if report.interrupted:
        page.blank()
        page.line(("Interrupted. ", "bold yellow"), "What is not done will be done by the next run.")
    error = report.error
    if error is not None and not report.problems and not isinstance(error, wording.TOLD):
        page.blank()
        page.line(("✗ ", "bold red"), (shown(error.message, 2_000), "bold"), hang=2)
        if error.hint:
            page.line(("Next: ", "bold"), shown(error.hint, 2_000), indent=2, hang=8)
    calm = report.plan is not None and is_calm(report, report.plan)
    if report.command == "show":
        page.blank()
    if report.requests and not calm:
        page.line((wording.cost(report), "dim"))
