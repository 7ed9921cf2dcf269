"""What a catalog means, on a page: shares of expected use as bars, archetypes and cadences counted."""

from __future__ import annotations

from rich.console import Group, RenderableType

from personas.report import usage, wording
from personas.report.blocks import Column, Span, bar, joined, listing, more, prose
from personas.report.document import Report, Usage

_MOST_MODULES = 12


def use(found: Usage, *, full: bool) -> list[RenderableType]:
    """The expected use: bars, archetypes, cadences."""
    return [*_bars(found, full=full), *_counted(found, "archetypes"), *_counted(found, "cadences")]


def change_of_use(report: Report, *, full: bool) -> list[RenderableType]:
    """What a plan means, where it changes anything; without a live side, what the catalog means."""
    change = usage.meaning(report)
    if change is None:
        return []
    title = (
        "Expected use of this catalog"
        if change.before is None
        else "What the change means: expected use, before → after"
    )
    notes = [prose((note, "dim"), indent=2) for note in usage.remarks(change)]
    return [Group(joined((title, "bold")), *use(change, full=full), *notes)]


def _bars(found: Usage, *, full: bool) -> list[RenderableType]:
    ranked = usage.ranked(found)
    told, left = wording.few(ranked, _MOST_MODULES, full=full)
    largest = max((max(old, new) for _, old, new in ranked), default=0.0)
    rows: list[list[Span]] = []
    for module, old, new in told:
        change = usage.points(old, new)
        share = bar(new / largest if largest else 0.0)
        if found.before is None:
            rows.append([module, f"{new:.1%}", share])
        else:
            style = "green" if change.startswith("+") else "red"
            rows.append([module, f"{old:.1%}", "→", f"{new:.1%}", (change, style), share])
    if not rows:
        none = "no module is used" if found.before is None else "no module's share changes"
        return [prose((none, "dim"), indent=2)]
    right = Column(right=True)
    numbers = [right] if found.before is None else [right, Column(), right, right]
    table = listing([Column(least=10, most=30), *numbers, Column(least=8)], rows)
    return [table, *more(left, "module", "dim")]


def _counted(found: Usage, what: str) -> list[RenderableType]:
    texts = usage.counted(found, what)
    return [prose(", ".join(texts), mark=(f"{what:<12}", "dim"), indent=2)] if texts else []
