"""Differences of texts for people: line by line, sentence by sentence in long lines, word by word inside."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from personas.report import wording
from personas.report.differences import Difference
from personas.report.visible import shown, visible

_SENTENCE = re.compile(r".*?(?:[.!?…:;]+[\"'”’»)\]]*\s+|\n|$)", re.DOTALL)
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_CHARACTERS = 20_000  # of one text that is compared by sentences and words
_LINE = 110
_MOST_LINES = 20
_MOST_WORDS = 400  # of one sentence that is compared word by word


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff.

    Attributes:
        kind: `same`, `old`, `new`, `gap` for lines that are the same and left out, `rest` for lines that are
            too many.
        parts: The text in pieces, each with whether it is what changed inside the line.
        skipped: How many lines a gap or a rest stands for.
    """

    kind: Literal["same", "old", "new", "gap", "rest"]
    parts: tuple[tuple[str, bool], ...] = ()
    skipped: int = 0

    @property
    def left_out(self) -> str:
        """What a gap or a rest says; empty for a line."""
        if self.kind == "gap":
            return f"… {self.skipped:,} unchanged"
        return f"… {self.skipped:,} more not shown" if self.kind == "rest" else ""

    @property
    def text(self) -> str:
        """The line without its marks."""
        return "".join(text for text, _ in self.parts)


def text_diff(old: str, new: str, *, context: int = 1, most: int = 60) -> list[Line]:
    """The lines that differ and `context` lines around each, at most `most`; every character is visible."""
    if old == new:
        return []
    if max(len(old), len(new)) > _MOST_CHARACTERS:
        old, new = _around_difference(old, new)
    before, after = _sentences(old), _sentences(new)
    lines: list[Line] = []
    groups = SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(context)
    reached = 0
    for group in groups:
        start = group[0][1]
        if start > reached:
            lines.append(Line("gap", skipped=start - reached))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [Line("same", ((_clean(text), False),)) for text in before[i1:i2]]
            else:
                lines += _replaced(before[i1:i2], after[j1:j2])
        reached = group[-1][2]
    if reached < len(before):
        lines.append(Line("gap", skipped=len(before) - reached))
    if len(lines) > most:
        lines = [*lines[:most], Line("rest", skipped=len(lines) - most)]
    return lines


def core(old: str, new: str) -> tuple[str, str]:
    """What differs, without what both texts share at their ends: two equal changes have equal cores."""
    start, end = _shared(old, new)
    return old[start : len(old) - end], new[start : len(new) - end]


def _shared(old: str, new: str) -> tuple[int, int]:
    """How many characters both texts share at their beginning, and then at their end."""
    start = _prefix(old, new)
    return start, _prefix(old[start:][::-1], new[start:][::-1])


def _prefix(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _around_difference(old: str, new: str) -> tuple[str, str]:
    """Both texts without most of what they share at their ends, and cut to what can be compared quickly."""
    start, end = (max(shared - 200, 0) for shared in _shared(old, new))
    half = _MOST_CHARACTERS // 4
    old, new = (text[start : len(text) - end] for text in (old, new))
    old, new = (t if len(t) <= 2 * half else f"{t[:half]}\n…\n{t[-half:]}" for t in (old, new))
    return old, new


def _sentences(text: str) -> list[str]:
    return [piece for piece in _SENTENCE.findall(text) if piece]


def _replaced(old: list[str], new: list[str]) -> Iterator[Line]:
    """The old lines, then the new ones; those that stand for each other are compared by words."""
    pairs = [_words(one, other) for one, other in zip(old, new, strict=False)]
    for index, text in enumerate(old):
        yield Line("old", pairs[index][0] if index < len(pairs) else ((_clean(text), False),))
    for index, text in enumerate(new):
        yield Line("new", pairs[index][1] if index < len(pairs) else ((_clean(text), False),))


_Parts = tuple[tuple[str, bool], ...]


def _words(old: str, new: str) -> tuple[_Parts, _Parts]:
    before, after = _WORD.findall(old), _WORD.findall(new)
    whole: tuple[_Parts, _Parts] = ((_clean(old), False),), ((_clean(new), False),)
    if max(len(before), len(after)) > _MOST_WORDS:
        return whole
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    shared = sum(
        not word.isspace()
        for start, _, size in matcher.get_matching_blocks()
        for word in before[start : start + size]
    )
    if 2 * shared <= 0.5 * sum(not word.isspace() for word in (*before, *after)):
        return whole  # Hardly a word in common: marks would be noise.
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        same = tag == "equal"
        left.append(("".join(before[i1:i2]), not same))
        right.append(("".join(after[j1:j2]), not same))
    return _trimmed(left), _trimmed(right)


def _trimmed(parts: list[tuple[str, bool]]) -> _Parts:
    """Parts made visible; white space that is all of a change is shown as signs."""
    shown: list[tuple[str, bool]] = []
    for index, (text, changed) in enumerate(parts):
        if changed and not text.strip():
            shown.append((text.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥"), True))
        else:
            shown.append((text.rstrip() if index == len(parts) - 1 else text, changed))
    return tuple((visible(text), changed) for text, changed in shown if text)


def _clean(text: str) -> str:
    return visible(text.rstrip())


def diff_of(change: Difference) -> list[str]:
    """Every field that differs, in the form of a diff: lines that begin with `-`, `+` or a space."""
    lines: list[str] = []
    for item in change.deviations:
        lines.append(f"@@ {item.label}{f': {shown(item.about)}' if item.about else ''} @@")
        if item.prompts:
            lines += _prompt(*item.prompts)
        elif isinstance(item.new, dict):
            lines += _weights(item.mixes[0] if item.mixes else None, item.new)
        else:
            lines += wrapped("- ", wording.value(item.old, item.nothing))
            lines += wrapped("+ ", wording.value(item.new, item.nothing))
        if not item.mendable:
            lines.append(f"! {item.remedy}")
    return lines


def _prompt(old: str, new: str) -> list[str]:
    """Words that changed inside a line stand in [-…-] and {+…+}."""
    starts = {"old": ("- ", "[-{}-]"), "new": ("+ ", "{{+{}+}}")}
    lines: list[str] = []
    for line in text_diff(old, new):
        start, mark = starts.get(line.kind, ("  ", "{}"))
        text = "".join(mark.format(part) if changed else part for part, changed in line.parts)
        lines += wrapped(start, line.left_out or text)
    return lines


def _weights(old: Mapping[str, float] | None, new: Mapping[str, float]) -> list[str]:
    lines = ["- not told"] if old is None else []
    before, after = (
        {module: f"{shown(module, 60)} {wording.number(weight)}" for module, weight in mix.items()}
        for mix in (old or {}, new)
    )
    for module in sorted({*before, *after}):
        was, becomes = before.get(module), after.get(module)
        if was == becomes:
            lines.append(f"  {was}")
            continue
        lines += [f"- {was}"] if was else []
        lines += [f"+ {becomes}"] if becomes else []
    return lines


def wrapped(start: str, text: str) -> list[str]:
    """Foreign text in lines that each begin so, for where long lines would not be wrapped."""
    return textwrap.wrap(
        visible(text),
        _LINE,
        initial_indent=start,
        subsequent_indent=start,
        break_on_hyphens=False,
        max_lines=_MOST_LINES,
        placeholder=" …",
    ) or [start.rstrip()]
