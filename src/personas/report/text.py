"""The report as a page for a terminal."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult

from personas.report import wording
from personas.report.blocks import Page, advice, line, more, prose
from personas.report.document import Problem, Report, Usage
from personas.report.livetext import list_sections, show_sections
from personas.report.plantext import is_calm, next_step, plan_sections, verdict
from personas.report.usagetext import use
from personas.report.visible import shown

_MOST_PLACES = 50
_LONG = 10  # problems; above them, too, stands how many there are


def page(report: Report, *, full: bool = False) -> Page:
    """The page that a command shows when it ends; print it with `crop=False`.

    Args:
        report: What the command has to say.
        full: Every row and every change, however many there are.
    """
    return Page((*_body(report, full=full), *_remarks(report), *_end(report)))


def _body(report: Report, *, full: bool) -> list[RenderableType]:
    if report.problems:
        return _problems(report, full=full)
    if report.command == "validate":
        return _valid(report)
    if report.command == "show":
        return show_sections(report)
    if report.plan is None:
        return []
    if report.command == "list":
        return list_sections(report, report.plan, full=full)
    return plan_sections(report, report.plan, full=full)


def _problems(report: Report, *, full: bool) -> list[RenderableType]:
    """Problems and warnings in the order of their file."""
    warned = {id(item) for item in report.warnings}
    files = list(dict.fromkeys(item.file for item in (*report.problems, *report.warnings)))
    places = sorted(
        [*report.problems, *report.warnings],
        key=lambda item: (files.index(item.file), item.line, item.column),
    )
    wrong = list(dict.fromkeys(item.file for item in report.problems))
    which = f"{shown(wrong[0])} is" if len(wrong) == 1 else f"{len(wrong):,} catalogs are"
    told = prose((f"{which} not valid: {report.verdict}", "bold"), mark=("✗ ", "bold red"))
    kept, left = wording.few(places, _MOST_PLACES, full=full)
    places_told = [_place(item, warning=id(item) in warned) for item in kept]
    listed = Group(*places_told, *more(left, "place", indent=0))
    return [told, listed, told] if len(places) > _LONG else [listed, told]


def _place(item: Problem, *, warning: bool) -> RenderableType:
    """The line that editors and matchers read, and for people the source under it."""
    style = "yellow" if warning else "red"
    place = (f"{shown(item.file)}:{item.line}:{item.column}:", "bold")
    kind = ("warning: " if warning else "", f"bold {style}")
    said = line(place, " ", kind, (shown(item.message, 2_000), style))
    return Group(said, _Source(item, style)) if item.excerpt else said


class _Source:
    """The source of a problem with a caret at its place; for a terminal, where people read."""

    def __init__(self, item: Problem, style: str) -> None:
        self._before = shown(item.excerpt[: item.caret])
        self._after = shown(item.excerpt[item.caret :])
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Two lines, or none."""
        del options
        if console.is_terminal or console.color_system:
            yield line("    ", self._before, (self._after, "bold"))
            yield line("    ", " " * cell_len(self._before), ("^", f"bold {self._style}"))


def _valid(report: Report) -> list[RenderableType]:
    if not report.valid:
        return []
    catalogs = shown(report.catalog or "")
    said = f"{catalogs} {'are' if ', ' in catalogs else 'is'} valid"
    rest = f", with {wording.count(len(report.warnings), 'warning')}" if report.warnings else ""
    mark = ("✓ ", "bold green")
    if report.warnings_refused:
        rest, mark = f"{rest}, and --strict lets no warning pass", ("✗ ", "bold red")
    if report.usage is None:
        return [prose((said, "bold"), rest, mark=mark)]
    after = report.usage.after
    size = f"{wording.count(after.personas, 'persona')}, {wording.count(len(after.archetypes), 'archetype')}"
    spaces = f", {wording.count(report.catalog_spaces, 'space')}" if report.catalog_spaces else ""
    told = prose((said, "bold"), f"{rest}: {size}{spaces}", mark=mark)
    return [told, Group(*use(Usage(before=None, after=after), full=False))]


def _remarks(report: Report) -> list[RenderableType]:
    """Warnings of the catalog, and notes."""
    sections: list[RenderableType] = []
    if report.warnings and not report.problems:
        sections.append(Group(*(_place(item, warning=True) for item in report.warnings)))
    if notes := wording.notes(report):
        sections.append(Group(*(prose(shown(note, 2_000), mark=("Note: ", "yellow")) for note in notes)))
    return sections


def _end(report: Report) -> list[RenderableType]:
    """What it comes to, what stopped the run, and what it cost."""
    sections: list[RenderableType] = []
    plan = report.plan
    calm = is_calm(report)
    cost = [prose((wording.cost(report), "dim"))] if report.requests and not calm else []
    if report.interrupted:
        said = ("What is not done will be done by the next run.",)
        sections.append(prose(*said, mark=("Interrupted. ", "bold yellow")))
    if error := wording.untold(report):
        told: list[RenderableType] = [prose((shown(error.message, 2_000), "bold"), mark=("✗ ", "bold red"))]
        if error.hint:
            told.append(advice(shown(error.hint, 2_000), mark=("  Next: ", "bold")))
        sections.append(Group(*told))
    if plan is not None and report.command != "show" and not report.problems and not calm:
        return [*sections, Group(verdict(report), *next_step(report, plan), *cost)]
    return [*sections, *cost]
