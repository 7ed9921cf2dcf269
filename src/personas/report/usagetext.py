"""What a catalog means, on a page: shares of expected use as bars, archetypes and cadences counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from personas.report import usage, wording
from personas.report.blocks import ALL, Column, Listing, bar, few, joined, prose
from personas.report.visible import shown

if TYPE_CHECKING:
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
    told, left = few(ranked, _MOST_MODULES, full=full)
    largest = max((max(old, new) for _, old, new in ranked), default=0.0)
    rows = []
    for module, old, new in told:
        change = usage.points(old, new)
        style = "green" if change.startswith("+") else "red"
        before = [] if found.before is None else [Text(f"{old:.1%}"), Text("→")]
        after = [] if found.before is None else [Text(change, style)]
        rows.append(
            (
                Text(shown(module)),
                *before,
                Text(f"{new:.1%}"),
                *after,
                joined(bar(new / largest if largest else 0.0)),
            )
        )
    if not rows:
        none = "no module is used" if found.before is None else "no module's share changes"
        return [prose((none, "dim"), indent=2)]
    right = Column(right=True)
    numbers = [right] if found.before is None else [right, Column(), right, right]
    table = Listing((Column(least=10, most=30), *numbers, Column(least=8)), tuple(rows))
    more = [prose((f"and {wording.count(left, 'more module')} ({ALL})", "dim"), indent=2)] if left else []
    return [table, *more]


def _counted(found: Usage, what: str) -> list[RenderableType]:
    texts = usage.counted(found, what)
    return [prose(", ".join(texts), mark=(f"{what:<12}", "dim"), indent=2)] if texts else []
