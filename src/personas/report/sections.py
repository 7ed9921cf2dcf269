"""A document in whole sections, up to a number of bytes."""

from __future__ import annotations

from collections.abc import Iterable

from personas.report import wording

_RESERVE = 400  # bytes for the note that tells what was left out


class Sections:
    """Collects whole sections up to a number of bytes; counts what did not fit."""

    def __init__(self, limit: int) -> None:
        self.left = limit - _RESERVE
        self.kept: list[str] = []
        self.dropped: dict[str, int] = {}

    def must(self, text: str) -> None:
        """Take a section, whatever room there is."""
        self.kept.append(text)
        self.hold(text)

    def hold(self, text: str) -> None:
        """Set room aside for a text that comes later."""
        self.left -= size(text) + 2

    def add(self, text: str, what: str = "section") -> bool:
        """Take a section, or count it as left out."""
        if not text:
            return True
        if size(text) + 2 > self.left:
            self.drop(what)
            return False
        self.must(text)
        return True

    def rows(self, head: str, rows: Iterable[str], number: int, what: str, room: int) -> None:
        """Take a table's head and as many of its rows as there is room for; count those left out."""
        lines, taken = [head], size(head)
        for row in rows:
            taken += size(row) + 1
            if taken > room:
                break
            lines.append(row)
        self.must("\n".join(lines))
        if left := number - len(lines) + 1:
            self.drop(what, left)

    def drop(self, what: str, number: int = 1) -> None:
        """Count what is left out."""
        self.dropped[what] = self.dropped.get(what, 0) + number

    def text(self, tail: str) -> str:
        """The whole document, with what was left out and then its tail."""
        parts = [*self.kept]
        if self.dropped:
            left_out = ", ".join(wording.count(number, what) for what, number in self.dropped.items())
            parts.append(f"> ✂️ Shortened to fit: {left_out} left out. The JSON report has everything.")
        if tail:
            parts.append(tail)
        return "\n\n".join(parts) + "\n"


def size(text: str) -> int:
    """How many bytes a text has in UTF-8."""
    return len(text.encode("utf-8"))
