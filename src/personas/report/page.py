"""A page of text for a terminal: wrapped lines, tables and bars, measured in cells, coloured or not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.color import ColorSystem
from rich.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Span = tuple[str, str]  # text, and its style in rich's words; "" for plain
Cell = str | Span

_PIECE = re.compile(r"[ \t\n]+|[^ \t\n]+")  # not \\s: a no-break space keeps what it joins together
_GAP = 2
_ASCII = {
    "→": "->",
    "−": "-",
    "–": "-",
    "…": "...",
    "·": "-",
    "×": "x",
    "✓": "=",
    "✗": "x",
    "•": "o",
    "±": "&",
    "█": "#",
    "░": ".",
    "│": "|",
    "⏎": "\\n",
    "⇥": "\\t",
}
_TO_ASCII = str.maketrans(_ASCII)
_LONGEST_LINE = 100  # prose is not set wider than this, however wide the terminal is


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: What stands over it.
        least: The cells that it keeps when the page is narrow.
        right: Numbers stand at its right edge.
    """

    title: str
    least: int = 8
    right: bool = False


class Page:
    """Collects lines; `text` is the whole page, with no trailing spaces."""

    def __init__(self, width: int, *, color: bool, unicode: bool) -> None:
        self.width = max(width, 40)
        self.color = color
        self.unicode = unicode
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """All lines, each with its end; blank lines at the end left out."""
        lines = self._lines
        while lines and not lines[-1]:
            lines.pop()
        return "".join(f"{line}\n" for line in lines)

    def blank(self) -> None:
        """Leave one line empty, unless the one before is, or the page begins here."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def line(self, *cells: str | Span, indent: int = 0, hang: int | None = None) -> None:
        """One paragraph, wrapped; lines after the first begin at `hang`, else at `indent`."""
        hang = indent if hang is None else hang
        width = min(self.width, _LONGEST_LINE)
        spans = self._spans(cells)
        for index, wrapped in enumerate(_wrap(spans, width - indent, width - hang)):
            self._put(" " * (hang if index else indent), wrapped)

    def marked(self, mark: Span, spans: Iterable[Span], *, indent: int = 0) -> None:
        """A paragraph with a mark before each of its lines, such as a line of a diff."""
        before = self._spans([mark])
        taken = indent + sum(cell_len(text) for text, _ in before) + 1
        width = max(min(self.width, _LONGEST_LINE) - taken, 8)
        for wrapped in _wrap(self._spans(list(spans)), width, width) or [[]]:
            self._put(" " * indent, [*before, (" ", ""), *wrapped])

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, indent: int = 2) -> None:
        """A table; cells are cut to fit, but for the last column, whose text is wrapped."""
        table = [[self._spans([cell]) for cell in row] for row in rows]
        heads = [self._spans([(column.title, "dim")]) for column in columns]
        widths = self._fit(columns, [heads, *table], indent)
        if any(column.title for column in columns):
            self._row(columns, heads, widths, indent)
        for row in table:
            self._row(columns, row, widths, indent)

    def fits(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, indent: int = 2) -> bool:
        """Whether a table has room for all of its text."""
        heads = [[(column.title, "")] for column in columns]
        table = [heads, *([self._spans([cell]) for cell in row] for row in rows)]
        widths = [max(_length(row[index]) for row in table) for index in range(len(columns))]
        return indent + sum(widths) + _GAP * (len(widths) - 1) <= self.width

    def bar(self, share: float, cells: int = 24) -> str:
        """A bar for a share from 0 to 1; anything above nothing is at least one cell."""
        filled = min(cells, max(1 if share > 0 else 0, round(share * cells)))
        return "█" * filled

    def _fit(
        self, columns: Sequence[Column], table: Sequence[Sequence[list[Span]]], indent: int
    ) -> list[int]:
        widths = [max(_length(row[index]) for row in table) for index in range(len(columns))]
        room = self.width - indent - _GAP * (len(columns) - 1)
        lasts = min(widths[-1], max(columns[-1].least, room // 4))
        excess = sum(widths[:-1]) + lasts - room
        for leasts in ([column.least for column in columns[:-1]], [4] * (len(columns) - 1)):
            excess = _shrink(widths, leasts, excess)
        widths[-1] = max(min(widths[-1], room - sum(widths[:-1])), 8)
        return widths

    def _row(
        self, columns: Sequence[Column], row: Sequence[list[Span]], widths: Sequence[int], indent: int
    ) -> None:
        line: list[Span] = []
        for index, spans in enumerate(row[:-1]):
            cut = _cut(spans, widths[index], "…" if self.unicode else "~")
            pad = " " * (widths[index] - _length(cut))
            line += [(pad, ""), *cut] if columns[index].right else [*cut, (pad, "")]
            line.append((" " * _GAP, ""))
        start = indent + sum(widths[:-1]) + _GAP * (len(widths) - 1)
        last = _wrap(row[-1], widths[-1], widths[-1]) or [[]]
        if columns[-1].right:
            line.append((" " * (widths[-1] - _length(last[0])), ""))
        self._put(" " * indent, [*line, *last[0]])
        for more in last[1:]:
            self._put(" " * start, more)

    def _spans(self, cells: Iterable[str | Span]) -> list[Span]:
        spans = [(cell, "") if isinstance(cell, str) else cell for cell in cells]
        if self.unicode:
            return spans
        return [(_ascii(text), style) for text, style in spans]

    def _put(self, start: str, spans: Sequence[Span]) -> None:
        kept = list(spans)
        while kept and not kept[-1][0].strip():
            kept.pop()
        if kept:
            kept[-1] = (kept[-1][0].rstrip(), kept[-1][1])
        if self.color:
            line = "".join(_paint(text, style) for text, style in kept)
        else:
            line = "".join(text for text, _ in kept)
        self._lines.append((start + line).replace("\xa0", " ") if kept else "")


def _shrink(widths: list[int], leasts: Sequence[int], excess: int) -> int:
    """Take cells from the widest columns, down to their least; return how many are still too many."""
    while excess > 0:
        spare = [width - least for width, least in zip(widths, leasts, strict=False)]
        widest = max(range(len(spare)), key=spare.__getitem__, default=0)
        if not spare or spare[widest] <= 0:
            break
        widths[widest] -= 1
        excess -= 1
    return excess


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return "\xa0".join(
        part.translate(_TO_ASCII).encode("ascii", "backslashreplace").decode() for part in text.split("\xa0")
    )


def _paint(text: str, style: str) -> str:
    return _style(style).render(text, color_system=ColorSystem.STANDARD) if style else text


@lru_cache(maxsize=64)
def _style(words: str) -> Style:
    return Style.parse(words)


def _length(spans: Iterable[Span]) -> int:
    return sum(cell_len(text) for text, _ in spans)


def _cut(spans: list[Span], width: int, ellipsis: str) -> list[Span]:
    """The spans, or what fits of them with an ellipsis."""
    if _length(spans) <= width:
        return spans
    kept: list[Span] = []
    left = width - 1
    for text, style in spans:
        if cell_len(text) <= left:
            kept.append((text, style))
            left -= cell_len(text)
            continue
        start = chop_cells(text, left)[0] if left > 0 else ""
        start = start if cell_len(start) <= left else ""
        kept.append((start.rstrip() + ellipsis, style))
        break
    return kept


def _wrap(spans: Sequence[Span], first: int, rest: int) -> list[list[Span]]:
    """Lines of at most `first`, then `rest` cells, broken at white space or else inside a word."""
    lines: list[list[Span]] = [[]]
    used, room = 0, max(first, 8)
    gap: list[Span] = []
    for word, is_space in _pieces(spans):
        if is_space:
            gap += word
            continue
        length, between = _length(word), _length(gap)
        if used and used + between + length > room:
            lines.append([])
            used, gap, between, room = 0, [], 0, max(rest, 8)
        lines[-1] += gap
        used, gap = used + between, []
        if used + length <= room:
            lines[-1] += word
            used += length
            continue
        for text, style in word:
            remaining = text
            while remaining:
                if used >= room:
                    lines.append([])
                    used, room = 0, max(rest, 8)
                piece = chop_cells(remaining, room - used)[0] or remaining[0]
                if cell_len(piece) > room - used and used:
                    used = room
                    continue
                lines[-1].append((piece, style))
                used += cell_len(piece)
                remaining = remaining[len(piece) :]
    return lines if lines != [[]] else []


def _pieces(spans: Iterable[Span]) -> Iterable[tuple[list[Span], bool]]:
    """Words and the space between them; a word may have several styles."""
    word: list[Span] = []
    for text, style in spans:
        for piece in _PIECE.findall(text):
            if piece.isspace():
                if word:
                    yield word, False
                    word = []
                yield [(piece, style)], True
            else:
                word.append((piece, style))
    if word:
        yield word, False
