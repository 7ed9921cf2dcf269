"""What a catalog means, on a page: shares of expected use as bars, archetypes and cadences counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.report import usage, wording
from personas.report.page import Cell, Column, Page
from personas.report.visible import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from personas.report.model import Report

_MOST_MODULES = 15


def show_usage(page: Page, personas: Iterable[usage.Described]) -> None:
    """The expected use by one set of personas."""
    use = usage.usage(personas)
    _bars(page, None, use)
    _counted(page, "archetypes", {}, use.archetypes)
    _counted(page, "cadences", {}, use.cadences)


def show_change(page: Page, report: Report) -> None:
    """What a plan means, where it changes anything; without a live side, what the catalog means."""
    change = usage.meaning(report)
    if change is None:
        return
    before, after = change
    page.blank()
    title = (
        "Expected use of this catalog"
        if before is None
        else "What the change means: expected use, before → after"
    )
    page.line((title, "bold"))
    _bars(page, before, after)
    _counted(page, "archetypes", before.archetypes if before else {}, after.archetypes)
    _counted(page, "cadences", before.cadences if before else {}, after.cadences)
    for note in usage.remarks(before, after):
        page.line((note, "dim"), indent=2)
    page.blank()


def _bars(page: Page, before: usage.Usage | None, after: usage.Usage) -> None:
    rows: list[list[Cell]] = []
    ranked = usage.ranked(before, after)
    largest = max((max(old, new) for _, old, new in ranked), default=0.0)
    for module, old, new in ranked[:_MOST_MODULES]:
        bar = page.bar(new / largest if largest else 0.0)
        if before is None:
            rows.append([shown(module), f"{new:.1%}", (bar, "cyan")])
        else:
            change = usage.points(old, new)
            style = "green" if change.startswith("+") else "red"
            rows.append([shown(module), f"{old:.1%}", "→", f"{new:.1%}", (change, style), (bar, "cyan")])
    if not rows:
        page.line(("no module is used", "dim"), indent=2)
        return
    numbers = [Column("", 6, right=True)]
    if before is not None:
        numbers = [
            Column("", 6, right=True),
            Column("", 1),
            Column("", 6, right=True),
            Column("", 5, right=True),
        ]
    page.table([Column("", 12), *numbers, Column("", 24)], rows)
    if len(ranked) > _MOST_MODULES:
        page.line((f"and {wording.count(len(ranked) - _MOST_MODULES, 'more module')}", "dim"), indent=2)


def _counted(page: Page, title: str, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    texts = usage.counted(before, after)
    if texts:
        page.line((f"{title:<12}", "dim"), ", ".join(texts), indent=2, hang=14)
