"""What differs, on a page: each point as `old → new`, a prompt as a diff, equal changes told once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult

from personas.reconcile.changes import State, Step
from personas.reconcile.outcome import Result
from personas.report import wording
from personas.report.blocks import ALL, Span, names, prose
from personas.report.deviations import Deviation
from personas.report.differences import Difference, Part
from personas.report.diffs import core, text_diff
from personas.report.visible import shown

SIGNS: dict[State | Step | Result, tuple[str, str]] = {
    State.COLLISION: ("✗", "bold red"),
    State.NOT_KNOWN: ("?", "bold yellow"),
    State.LOCKED_OUT: ("!", "bold red"),
    State.RECREATE: ("±", "magenta"),
    State.CREATE: ("+", "green"),
    State.UPDATE: ("~", "yellow"),
    State.STRAY: ("•", "cyan"),
    State.IN_SYNC: ("✓", "dim green"),
    Step.DELETE: ("−", "red"),
    Result.DONE: ("✓", "green"),
    Result.FAILED: ("✗", "bold red"),
    Result.UNKNOWN: ("?", "bold yellow"),
    Result.NOT_DONE: ("·", "yellow"),
}

_MOST_DETAILS = 20  # changes, or groups of equal changes, that are told in full
_ALIKE = 3  # so many equal changes are told as one


def details(part: Part[Difference], *, full: bool) -> list[RenderableType]:
    """Old and new of every field of the changes that have any; equal changes are told once."""
    if part.plan.is_cleanup:
        return []
    changed = sorted((c for c in part.changes if c.deviations), key=lambda change: change.step is None)
    alike = wording.alike(changed, lambda change: (change.state, *map(_essence, change.deviations)))
    groups = [
        some
        for group in alike.values()
        for some in ([group] if len(group) >= _ALIKE else [[one] for one in group])
    ]
    told, _ = wording.few(groups, _MOST_DETAILS, full=full)
    sections: list[RenderableType] = [_group(group, full=full) for group in told]
    if left := len(changed) - sum(len(group) for group in told):
        verb = "differs" if left == 1 else "differ"
        sections.append(prose((f"{wording.count(left, f'more {part.thing}')} {verb} ({ALL})", "dim")))
    return sections


def _essence(item: Deviation) -> object:
    """What makes two changes of a field the same to a reader."""
    if item.prompts:
        return item.label, core(*item.prompts)
    return item.label, wording.field_change(item)


def _group(group: Sequence[Difference], *, full: bool) -> RenderableType:
    """One change, or equal ones, field by field."""
    first = group[0]
    style = f"bold {SIGNS[first.state][1].removeprefix('bold ')}"
    fields = fields_of(first)
    if len(group) == 1:
        title = prose((shown(first.name or first.key), style), f"  {shown(first.key)}")
        return Group(title, *fields)
    inline = len(first.deviations) == 1 and first.deviations[0].label != "prompt"
    what = wording.field_change(first.deviations[0]) if inline else wording.differing(first)
    title = prose((f"{len(group):,} × {what}", style))
    who = prose((names([shown(change.key) for change in group], most=3, full=full), "dim"), indent=2)
    return Group(title, who) if inline else Group(title, who, *fields)


def fields_of(change: Difference) -> Iterable[RenderableType]:
    """Each point that differs: `old → new`, a prompt as a diff."""
    for item in change.deviations:
        mark = (f"{item.mark:<11}", "dim")
        if item.prompts:
            yield prose((item.label, "dim"), indent=2)
            yield Diff(*item.prompts)
        elif item.mixes:
            styles = {"added": "green", "removed": "red", "changed": ""}
            parts = [(text, styles[kind]) for kind, text in wording.weight_changes(*item.mixes)]
            spans = [span for part in parts for span in (", ", part)][1:]
            yield prose(*spans, mark=mark, indent=2)
        else:
            about = f"{shown(item.about)}: " if item.about else ""
            cannot = () if item.mendable else ((f"  ({item.obstacle})", "magenta"),)
            old, new = (wording.value(value, item.nothing) for value in (item.old, item.new))
            yield prose(about, (old, "red"), " → ", (new, "green"), *cannot, mark=mark, indent=2)


_MARKS = {
    "old": (("- ", "red"), "red", "bold reverse red"),
    "new": (("+ ", "green"), "green", "bold reverse green"),
}


class Diff:
    """A prompt's change, the words that changed marked by colour, or by brackets where there is none."""

    def __init__(self, old: str, new: str) -> None:
        self._lines = text_diff(old, new, most=24)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, each with its mark."""
        del options
        plain = console.no_color or console.color_system is None
        for item in self._lines:
            mark, style, strong = _MARKS.get(item.kind, (("│ ", "dim"), "dim", ""))
            spans: list[Span] = [(item.left_out, "dim")] if item.left_out else []
            for text, changed in item.parts:
                if changed and plain:
                    spans.append(f"[-{text}-]" if item.kind == "old" else f"{{+{text}+}}")
                else:
                    spans.append((text, strong if changed else style))
            yield prose(*spans, mark=mark, indent=4)
