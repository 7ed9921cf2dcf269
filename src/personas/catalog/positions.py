r"""Where the values of a JSON text are, and how values and paths are shown in messages.

Lines end at a line feed (`\r\n` counts once). Columns count code points. Both start at 1.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

JsonPath = tuple[str | int, ...]

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+', re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,60}")
_MAX_DEPTH = 50  # what is nested deeper is represented by its parents
_AROUND = 70  # characters of an excerpt on each side of the place


def quote(text: str, limit: int = 60) -> str:
    """Return a text in double quotes, shortened, with control characters escaped."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    escaped = json.dumps(shown, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in escaped)


def json_path(path: JsonPath) -> str:
    """Return a path as `$.personas[3].email`; other keys than identifiers as `$["a b"]`."""
    whole = "$"
    for part in path:
        if isinstance(part, int):
            whole += f"[{part}]"
        else:
            whole += f".{part}" if _IDENTIFIER.fullmatch(part) else f"[{quote(part)}]"
    return whole


class Positions:
    """Finds lines and columns in a JSON text; the text is read once, when the first place is asked for."""

    def __init__(self, text: str = "") -> None:
        self._text = text

    def locate(self, path: JsonPath, *, at_key: bool = False) -> tuple[int, int]:
        """Return line and column of a value, or of its key; of the nearest parent if it is missing."""
        while path and path not in self._offsets:
            path = path[:-1]
        key_at, at = self._offsets.get(path, (0, 0))
        return self.line_and_column(key_at if at_key else at)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return the line and column of an offset."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def excerpt(self, line: int, column: int) -> tuple[str, int]:
        """Return the source around a place, from its line alone, and the place's offset in that excerpt."""
        at = self._line_starts[line - 1] + column - 1
        before = self._text[at - min(column - 1, _AROUND) : at].lstrip()
        after, *_ = self._text[at : at + _AROUND].split("\n")
        return (before + after).rstrip(), len(before)

    def duplicates(self) -> tuple[JsonPath, ...]:
        """Return each key that an object has more than once, but no keys inside the values of such keys."""
        counts = Counter(path for path, _, _ in _walk(self._text))
        return tuple(path for path, count in counts.items() if count > 1 and counts[path[:-1]] == 1)

    @cached_property
    def _offsets(self) -> dict[JsonPath, tuple[int, int]]:
        return {path: (key_at, at) for path, key_at, at in _walk(self._text)}

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self._text))]


def _walk(text: str) -> Iterator[tuple[JsonPath, int, int]]:
    """Yield the path of each value of a valid JSON text, the offsets of its key and itself; parents first."""
    path: list[str | int] = []
    key_at = 0
    expect_key = False
    for match in TOKEN.finditer(text):
        sign, at = match[0], match.start()
        if sign in ("}", "]"):
            path.pop()
        elif sign == ",":
            last = path[-1]
            if isinstance(last, int):
                path[-1] = last + 1
            expect_key = isinstance(last, str)
        elif expect_key:
            path[-1] = json.loads(sign)
            key_at = at
            expect_key = False
        elif sign != ":":
            in_object = bool(path) and isinstance(path[-1], str)
            if len(path) < _MAX_DEPTH:
                yield tuple(path), key_at if in_object else at, at
            if sign in ("{", "["):
                path.append("" if sign == "{" else 0)
                expect_key = sign == "{"
