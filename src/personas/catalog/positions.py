r"""Where in a JSON text its values stand: the standard library's decoder, moved from value to value.

Lines end at a line feed: `\r\n` counts once, a lone carriage return is an ordinary character. Columns count
code points from 1. Numbers are doubles, as in JavaScript.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from functools import cached_property, lru_cache
from itertools import count
from json.decoder import JSONDecodeError, JSONDecoder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from personas.catalog.wording import JsonPath

MAX_DEPTH = 200

_BLOCK = 4096
_AROUND = 70  # characters of an excerpt on each side of a place
_BLANK = re.compile(r"[ \t\n\r]*")
_CLOSERS = {"{": "}", "[": "]"}


class Cursor:
    """A place in a JSON text, moved over its values; each is decoded when it is asked for, and then let go.

    Attributes:
        text: The whole text.
        at: The place, as an offset.
        doubtful: Something was passed that a catalog may not hold: a key twice, a number that is not
            finite, perhaps nesting that is too deep.
    """

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at
        self.doubtful = False
        self._depth = 0  # how many objects and lists are entered and not left
        self._decode = JSONDecoder(
            object_pairs_hook=self._members,
            parse_float=self._number,
            parse_int=self._number,
            parse_constant=self._constant,
        ).raw_decode

    def peek(self) -> str:
        """Skip white space; return the next character, or nothing at the end."""
        self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches nothing, too
        return self.text[self.at : self.at + 1]

    def value(self) -> object:
        """Decode the value ahead.

        Raises:
            JSONDecodeError: It is no JSON, or nested too deeply for the decoder.
        """
        self.peek()
        start = self.at
        try:
            value, self.at = self._decode(self.text, start)
        except RecursionError:
            raise JSONDecodeError("Nested too deeply", self.text, len(self.text)) from None
        # As many brackets need not be nested, so this is no more than a doubt.
        brackets = self.text.count("[", start, self.at) + self.text.count("{", start, self.at)
        self.doubtful |= brackets + self._depth > MAX_DEPTH
        return value

    def children(self) -> Iterator[tuple[str | int, int]]:
        """Move into the object or list ahead: each key or index and where it begins, with its value ahead.

        Whoever iterates passes each value, by `value` or by iterating deeper, before asking for the next.

        Raises:
            JSONDecodeError: The text is no JSON.
        """
        opener = self.peek()
        seen: set[str] = set()
        self.at += 1
        self._depth += 1
        if self.peek() != _CLOSERS[opener]:
            for index in count():
                begin = self.at
                key = self._key(seen) if opener == "{" else index
                self.peek()
                yield key, begin
                if self.peek() == _CLOSERS[opener]:
                    break
                self._expect(",", "Expecting ',' delimiter")
        self.at += 1
        self._depth -= 1

    def finish(self) -> None:
        """Make sure that nothing follows.

        Raises:
            JSONDecodeError: Something does.
        """
        if self.peek():
            raise JSONDecodeError("Extra data", self.text, self.at)

    def _key(self, seen: set[str]) -> str:
        if self.peek() != '"':
            raise JSONDecodeError("Expecting property name enclosed in double quotes", self.text, self.at)
        key = str(self.value())
        self._expect(":", "Expecting ':' delimiter")
        self.doubtful |= key in seen
        seen.add(key)
        return key

    def _expect(self, sign: str, otherwise: str) -> None:
        if self.peek() != sign:
            raise JSONDecodeError(otherwise, self.text, self.at)
        self.at += 1
        self.peek()

    def _members(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        self.doubtful |= len(members) != len(pairs)
        return members

    def _number(self, text: str) -> float:
        number = float(text)
        self.doubtful |= math.isinf(number)
        return number

    def _constant(self, name: str) -> object:
        # The decoder does not say where: whoever explains the error finds it.
        raise JSONDecodeError(f"Expecting a finite number, not {name}", self.text, len(self.text))


class _Lines:
    """Lines and columns of offsets; a block's worth of text is counted for each that is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._counts = array("Q")  # line feeds before each block
        self._starts = array("Q")  # where the line begins that the block begins in
        count = start = 0
        for block in range(0, len(text) + 1, _BLOCK):
            self._counts.append(count)
            self._starts.append(start)
            count += text.count("\n", block, block + _BLOCK)
            start = text.rfind("\n", block, block + _BLOCK) + 1 or start

    def position(self, offset: int) -> tuple[int, int]:
        block = offset // _BLOCK
        begin = block * _BLOCK
        line = self._counts[block] + self._text.count("\n", begin, offset) + 1
        line_start = self._text.rfind("\n", begin, offset) + 1 or self._starts[block]
        return line, offset - line_start + 1

    def offset(self, line: int) -> int:
        """Where a line begins."""
        block = bisect_left(self._counts, line - 1)
        if not block:
            return 0
        begin = (block - 1) * _BLOCK
        for _ in range(line - 1 - self._counts[block - 1]):
            begin = self._text.index("\n", begin) + 1
        return begin


class Positions:
    """Finds the line and column of any value of a catalog; keeps no more than an offset for each persona.

    Attributes:
        root: Where the document begins.
        members: Where the key and the value of each of its members begin.
        personas: Where each persona begins.
    """

    def __init__(self, text: str = "") -> None:
        self._text = text
        self.root = 0
        self.members: dict[str | int, tuple[int, int]] = {}
        self.personas = array("Q")
        # The last few that were asked for: one persona may have thousands of problems.
        self._children = lru_cache(maxsize=8)(self._find_children)

    def locate(self, path: JsonPath, *, at_key: bool = False) -> tuple[int, int]:
        """Return line and column of a value, or of its key; of the nearest parent when it is missing."""
        key_at = value_at = self.root
        rest: JsonPath = path
        if path and path[0] in self.members:
            (key_at, value_at), rest = self.members[path[0]], path[1:]
        match path:
            case ("personas", int(index), *_) if 0 <= index < len(self.personas):
                key_at, value_at, rest = self.personas[index], self.personas[index], path[2:]
        for part in rest:
            child = self._children(value_at).get(part)
            if child is None:
                break
            key_at, value_at = child
        return self.line_and_column(key_at if at_key else value_at)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, of an offset."""
        return self._lines.position(offset)

    def excerpt(self, line: int, column: int) -> tuple[str, int]:
        """Return the text around a place, of its line alone, and where in that the place is."""
        begin = self._lines.offset(line)
        at = min(begin + column - 1, len(self._text))
        start = max(begin, at - _AROUND)
        end = self._text.find("\n", at, at + _AROUND)
        text = self._text[start : at + _AROUND if end < 0 else end].rstrip()
        shown = text.lstrip()
        return shown, max(at - start - (len(text) - len(shown)), 0)

    @cached_property
    def _lines(self) -> _Lines:
        return _Lines(self._text)

    def _find_children(self, at: int) -> dict[str | int, tuple[int, int]]:
        cursor = Cursor(self._text, at)
        children: dict[str | int, tuple[int, int]] = {}
        if cursor.peek() in _CLOSERS:
            for key, begin in cursor.children():
                children[key] = begin, cursor.at
                cursor.value()
        return children
