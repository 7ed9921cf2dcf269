"""What the pages of a terminal are made of: rich's tables and texts, put together and made harmless.

Foreign text comes in through `shown` only, as `Text`: nothing in it is markup, nothing in it is invisible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from personas.report.visible import inert, shown
from personas.report.wording import count, few

Span = str | tuple[str, str]  # text, or text and its style in rich's words

MOST_TABLE_ROWS = 200  # beyond them, a Table of rich takes a millisecond a row
ALL = "--full or -o json shows all"
_LONGEST_LINE = 100  # prose is not set wider than this, however wide the terminal is
_GAP = 2
_COMMAND = re.compile(r"^(.*?[:.]) (personas [a-z].*)$", re.DOTALL)
_ASCII = str.maketrans("→−–…·×✓✗•±█│⏎⇥", ">--~-x=xo&#|\\>")


@dataclass(frozen=True, slots=True)
class Page:
    """Sections with a blank line between them.

    No line of it ends in spaces, and none is a command to a CI runner. Print it with `crop=False`: lines for
    programs and commands to copy are as long as they are.
    """

    sections: tuple[RenderableType, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The page as rich draws it, each line made harmless."""
        spaced = [part for section in self.sections for part in (Text(), section)][1:]
        for line in Segment.split_lines(console.render(Group(*spaced), options)):
            yield from _harmless(line, ascii_only=options.ascii_only)
            yield Segment.line()


def _harmless(line: list[Segment], *, ascii_only: bool) -> Iterable[Segment]:
    safe = inert("".join(segment.text for segment in line)).rstrip()
    for text, style, _ in line:
        yield Segment(safe[: len(text)].translate(_ASCII) if ascii_only else safe[: len(text)], style)
        safe = safe[len(text) :]


def text_of(page: RenderableType, *, width: int, color: bool) -> str:
    """What a page is on a terminal of so many columns."""
    console = quiet_console(width=width, color=color)
    with console.capture() as captured:
        console.print(page, crop=False)
    return captured.get()


def quiet_console(*, width: int, color: bool, file: StringIO | None = None) -> Console:
    """A console that decides nothing by itself: neither width nor colour, whatever the environment says."""
    return Console(
        file=file,
        width=max(width, 40),
        color_system="standard" if color else None,
        force_terminal=color,
        no_color=not color,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )


def joined(*spans: Span) -> Text:
    """A text of pieces, each with its style."""
    return Text.assemble(*spans, overflow="fold")


def line(*spans: Span) -> Text:
    """A line that a program may read or a person may copy: never wrapped, never cut."""
    return Text.assemble(*spans, no_wrap=True, overflow="ignore")


def prose(*spans: Span, mark: Span = "", indent: int = 0) -> RenderableType:
    """A paragraph, wrapped; lines after the first begin where the text after the mark does."""
    body = joined(*spans)
    if not mark and not indent:
        return Constrain(body, _LONGEST_LINE)
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(joined(" " * indent, mark), body)
    return Constrain(grid, _LONGEST_LINE)


def advice(text: str, *, mark: Span = "") -> Group:
    """A paragraph; a command at its end stands on a line of its own, to be copied."""
    found = _COMMAND.match(text)
    if not found:
        return Group(prose(text, mark=mark))
    return Group(prose(found[1], mark=mark), command(found[2]))


def command(text: str) -> Text:
    """A command on a line of its own, to be copied."""
    return line("    ", (text, "bold"))


def names(emails: Sequence[str], *, most: int = 5, full: bool = False) -> str:
    """Some of many, by name."""
    told, more = few(emails, most, full=full)
    return ", ".join(told) + (f" and {more:,} more ({ALL})" if more else "")


def more(number: int, what: str, style: str = "", indent: int = 2) -> list[RenderableType]:
    """How many more there are of what a part was told; nothing where that was all."""
    return [prose((f"and {count(number, f'more {what}')} ({ALL})", style), indent=indent)] if number else []


def bar(share: float, cells: int = 24) -> Span:
    """A bar for a share from 0 to 1; anything above nothing is at least one cell."""
    return "█" * min(cells, max(1 if share > 0 else 0, round(share * cells))), "cyan"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: What stands over it.
        right: Numbers stand at its right edge.
        most: The most cells that it takes.
        least: The cells that it keeps on a narrow page; 0 for all that its texts need.
        rank: Columns of a higher rank are the first to be dropped where there is no room; 0 is never dropped.
        short: What its texts may lose where there is no room, beginning and end, with a title that says so.
    """

    title: str = ""
    right: bool = False
    most: int = 1_000
    least: int = 0
    rank: int = 0
    short: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A table that gives way on a narrow page: shared parts of texts stand once, lesser columns are dropped.

    Its last column is prose and is wrapped; the texts of the others are cut.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The widest form that has room, and if none has, the narrowest."""
        fitting = self
        for narrower in (_without_shared, _without_shared, _without_lesser, _without_lesser):
            if sum(fitting.needed()) <= options.max_width - _GAP * len(fitting.columns):
                break
            fitting = narrower(fitting)
        widths = fitting.widths(options.max_width - _GAP * len(fitting.columns))
        many = len(fitting.rows) > MOST_TABLE_ROWS
        yield from (fitting.lines(widths) if many else [fitting.table(widths)])

    def needed(self) -> list[int]:
        """The cells that each column would take, had the page room for all."""
        return [
            min(
                column.most,
                max(cell_len(text) for text in (column.title, *(row[at].plain for row in self.rows))),
            )
            for at, column in enumerate(self.columns)
        ]

    def widths(self, room: int) -> list[int]:
        """The cells that each column gets; the prose at the end gives way first."""
        widths = self.needed()
        excess = sum(widths) - room
        for at in (-1, *range(len(widths) - 1)):
            least = self.columns[at].least
            given = min(max(excess, 0), max(widths[at] - least, 0) if least else 0)
            widths[at] -= given
            excess -= given
        return widths

    def table(self, widths: Sequence[int]) -> Table:
        """The listing as a table of rich."""
        titled = any(column.title for column in self.columns)
        table = Table(
            box=None, show_header=titled, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim"
        )
        table.add_column(width=0)  # With its gap, the indent.
        for column, width in zip(self.columns, widths, strict=True):
            last = column is self.columns[-1]
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                overflow="fold" if last else "ellipsis",
                no_wrap=not last,
                width=width,
            )
        for row in self.rows:
            table.add_row("", *row)
        return table

    def lines(self, widths: Sequence[int]) -> Iterable[Text]:
        """The listing as lines of one text each, for many rows."""
        heads = tuple(Text(column.title, "dim") for column in self.columns)
        for row in (heads, *self.rows):
            text = line(" " * _GAP)
            for column, cell, width in zip(self.columns, row, widths, strict=True):
                cut = cell.copy()
                cut.truncate(width, overflow="ellipsis")
                cut.align("right" if column.right else "left", width)
                text.append_text(cut).append(" " * _GAP)
            yield text


def listing(columns: Sequence[Column], rows: Iterable[Iterable[Span]]) -> Listing:
    """A table of texts, foreign or ours, with or without a style."""
    return Listing(columns, [[_cell(span) for span in row] for row in rows])


def _cell(span: Span) -> Text:
    text, style = (span, "") if isinstance(span, str) else span
    return Text(shown(text), style)


def _without_shared(listing: Listing) -> Listing:
    """What all texts of a column begin and end with stands once, over them."""
    for index, column in enumerate(listing.columns):
        if not column.short:
            continue
        (start, end, title), *rest = column.short
        cells = [row[index] for row in listing.rows]
        if not all(cell.plain.startswith(start) and cell.plain.endswith(end) for cell in cells):
            return listing
        columns = [*listing.columns]
        columns[index] = replace(column, title=title, short=tuple(rest))
        rows = [[*row] for row in listing.rows]
        for row in rows:
            row[index] = row[index][len(start) : len(row[index].plain) - len(end)]
        return Listing(columns, rows)
    return listing


def _without_lesser(listing: Listing) -> Listing:
    """Without the columns that are the first to be dropped."""
    highest = max(column.rank for column in listing.columns)
    kept = [index for index, column in enumerate(listing.columns) if not highest or column.rank < highest]
    return Listing(
        [listing.columns[index] for index in kept], [[row[index] for index in kept] for row in listing.rows]
    )
