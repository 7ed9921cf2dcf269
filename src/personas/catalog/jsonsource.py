r"""JSON texts, read with positions and as strictly as JavaScript reads them.

Values come from the fast scanner of the standard library. Whatever that refuses, and whatever looks doubtful
(a key twice, a number that is not finite, deep nesting), is read again by a careful scanner that says what is
wrong and where. Lines end at a line feed: `\r\n` counts once, a lone carriage return is an ordinary
character. Columns count code points from 1. Numbers are doubles, as in JavaScript.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from dataclasses import dataclass, field
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import TYPE_CHECKING

from personas.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 200
MAX_PROBLEMS = 100_000  # by then every reader has given up, and memory is not endless

JsonPath = tuple[str | int, ...]

_BLOCK = 4096
_BLANK = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_LIKE = re.compile(r"[0-9A-Za-z_.+-]+")
_WORD = re.compile(r"[^\W\d][\w$-]*")
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_QUOTES = "'`‘’“”„«»"


class Malformed(Exception):
    """The text is no JSON; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Doubt(Exception):
    """Something that only the careful scanner can report."""


def quote(text: str, limit: int = 60) -> str:
    """Show a text in a message: in quotes, shortened, without a character that could harm a terminal."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    escaped = json.dumps(shown, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in escaped)


def json_path(path: JsonPath) -> str:
    """Write a path as `$.personas[3].email`, and keys that are no identifiers as `$["a b"]`."""
    parts = ["$"]
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif _IDENTIFIER.fullmatch(part) and len(part) <= 60:
            parts.append(f".{part}")
        else:
            parts.append(f"[{quote(part)}]")
    return "".join(parts)


class Lines:
    """Lines and columns of offsets in a text; made once, small, and quick from then on."""

    __slots__ = ("_counts", "_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._counts = array("Q")  # line feeds before each block
        self._starts = array("Q")  # where the line begins that the block begins in
        count = start = 0
        for block in range(0, len(text) + 1, _BLOCK):
            self._counts.append(count)
            self._starts.append(start)
            end = block + _BLOCK
            count += text.count("\n", block, end)
            start = text.rfind("\n", block, end) + 1 or start

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, of an offset."""
        block = offset // _BLOCK
        begin = block * _BLOCK
        line = self._counts[block] + self._text.count("\n", begin, offset) + 1
        line_start = self._text.rfind("\n", begin, offset) + 1 or self._starts[block]
        return line, offset - line_start + 1


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Doubt
    return number


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Doubt
    return members


def _no_constant(name: str) -> object:
    raise _Doubt(name)


_read_fast = json.JSONDecoder(
    object_pairs_hook=_without_twins, parse_float=_finite, parse_int=_finite, parse_constant=_no_constant
).raw_decode


@dataclass(slots=True)
class _Open:
    """An object or a list that is being read."""

    at: int
    closer: str
    value: dict[str, object] | list[object]
    key: str | int | None = None
    key_at: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def put(self, value: object) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        else:
            self.value[str(self.key)] = value


class Scanner:
    """Pulls values out of one JSON text.

    Whoever iterates over `members` or `items` reads each value, with `value` or by iterating deeper, before
    it asks for the next. Problems that leave the text readable are collected in `problems`; the rest raises
    Malformed.

    Args:
        text: The whole text.
        at: Where to begin.
        lines: The lines of the text, when they are known already.
        file: The file's name, for problems.
    """

    def __init__(self, text: str, at: int = 0, *, lines: Lines | None = None, file: str = "") -> None:
        self.text = text
        self.at = at
        self.file = file
        self.lines = lines or Lines(text)
        self.problems: list[Problem] = []
        self._open: list[_Open] = []

    @property
    def key_at(self) -> int:
        """Where the key of the member begins that is being read."""
        return self._open[-1].key_at

    def peek(self) -> str:
        """Skip white space; return the next character, or nothing at the end."""
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def members(self) -> Iterator[str]:
        """Read the object that begins here: yields each key, with its value ahead."""
        return (str(frame.key) for frame in self._inside())

    def items(self) -> Iterator[int]:
        """Read the list that begins here: yields each index, with its value ahead."""
        return (int(frame.key or 0) for frame in self._inside())

    def value(self) -> object:
        """Read the value ahead, of any kind.

        Raises:
            Malformed: It is not JSON, or nested too deeply.
        """
        self.peek()
        try:
            value, end = _read_fast(self.text, self.at)
        except (JSONDecodeError, RecursionError, _Doubt):
            return self._read_carefully()
        # More brackets than levels left: perhaps nested too deeply. A number that goes on is no number.
        brackets = self.text.count("[", self.at, end) + self.text.count("{", self.at, end)
        if brackets + len(self._open) > MAX_DEPTH or _NUMBER_LIKE.match(self.text, end):
            return self._read_carefully()
        self.at = end
        return value

    def finish(self) -> None:
        """Make sure that nothing follows.

        Raises:
            Malformed: Something does.
        """
        if self.peek():
            raise self._unexpected("the end of the file")

    def _inside(self) -> Iterator[_Open]:
        self.peek()
        frame = self._enter()
        while self._next():
            yield frame

    def _read_carefully(self) -> object:
        floor = len(self._open)
        while True:
            if self.peek() in {"{", "["}:
                self._enter()
            else:
                value = self._read_scalar()
                if len(self._open) == floor:
                    return value
                self._open[-1].put(value)
            frame = self._open[-1]
            while not self._next():
                if len(self._open) == floor:
                    return frame.value
                self._open[-1].put(frame.value)
                frame = self._open[-1]

    def _enter(self) -> _Open:
        if len(self._open) == MAX_DEPTH:
            raise self._malformed(self.at, f"nested more than {MAX_DEPTH} levels deep")
        frame = _Open(self.at, "}", {}) if self.text[self.at] == "{" else _Open(self.at, "]", [])
        self._open.append(frame)
        self.at += 1
        return frame

    def _next(self) -> bool:
        """Move to the next value of the innermost object or list; at its end leave it and return False."""
        frame = self._open[-1]
        char = self.peek()
        if char == frame.closer:
            self.at += 1
            self._open.pop()
            return False
        if frame.key is not None:
            if char != ",":
                raise self._unexpected(f"',' or '{frame.closer}' after a value")
            comma = self.at
            self.at += 1
            if self.peek() == frame.closer:
                raise self._malformed(comma, f"a trailing comma: remove it before the '{frame.closer}'")
        if isinstance(frame.value, list):
            frame.key = int(frame.key) + 1 if frame.key is not None else 0
        else:
            self._read_key(frame)
        return True

    def _read_key(self, frame: _Open) -> None:
        if self.peek() != '"':
            raise self._unexpected("a key in double quotes")
        frame.key_at = self.at
        frame.key = key = self._read_string()
        if self.peek() != ":":
            raise self._unexpected(f"':' after the key {quote(key)}")
        self.at += 1
        if key in frame.seen:
            first, _ = self.lines.position(frame.seen[key])
            message = f"the key {quote(key)} is here twice, first on line {first}; remove one of the two"
            self._complain(frame.key_at, message)
        else:
            frame.seen[key] = frame.key_at

    def _read_scalar(self) -> object:
        if self.text.startswith('"', self.at):
            return self._read_string()
        if number := _NUMBER.match(self.text, self.at):
            return self._read_number(number.end())
        word = _WORD.match(self.text, self.at)
        if word is None:
            raise self._unexpected("a value")
        if word[0] not in _LITERALS:
            likely = {"True": "true", "False": "false", "None": "null", "undefined": "null"}.get(word[0])
            if word[0] in {"NaN", "Infinity"}:
                message = f"{word[0]} is no JSON value; write a finite number"
            elif likely:
                message = f"{word[0]} is no JSON value; write {likely}"
            else:
                message = f"expected a value, not {quote(word[0])}: text is written in double quotes"
            raise self._malformed(self.at, message)
        self.at = word.end()
        return _LITERALS[word[0]]

    def _read_number(self, end: int) -> float:
        start = self.at
        like = _NUMBER_LIKE.match(self.text, start)
        if like and like.end() > end:
            raise self._malformed(start, f"{quote(like[0], 30)} is not written as a JSON number")
        number = float(self.text[start:end])
        if not math.isfinite(number):
            size = f"a number of {end - start} characters" if end - start > 30 else self.text[start:end]
            self._complain(start, f"{size} is too large: its value is not finite")
        self.at = end
        return number

    def _read_string(self) -> str:
        start = self.at
        text: str
        try:
            text, self.at = scanstring(self.text, start + 1)
        except JSONDecodeError as error:
            raise self._bad_string(start, error) from None
        return text

    def _bad_string(self, start: int, error: JSONDecodeError) -> Malformed:
        if error.msg.startswith("Unterminated"):
            return self._malformed(start, "unterminated string: no closing quote follows")
        if error.msg.startswith("Invalid control"):
            char = self.text[error.pos]
            if char in "\r\n":
                _, column = self.lines.position(start)
                message = (
                    f'unterminated string, begun in column {column}: close it, or write a line break as "\\n"'
                )
            else:
                message = f"the control character U+{ord(char):04X} in a string is written {json.dumps(char)}"
            return self._malformed(error.pos, message)
        # A bad escape; the library points at the backslash or shortly behind it.
        backslash = self.text.rfind("\\", start, error.pos + 1)
        unicode = self.text.startswith("\\u", backslash)
        escape = self.text[backslash + 1 : backslash + (6 if unicode else 2)]
        message = f"a backslash and {quote(escape)} are no JSON escape; a backslash itself is written \\\\"
        return self._malformed(backslash, message)

    def _unexpected(self, expected: str) -> Malformed:
        """Say what stands here instead of what was expected, and name the usual mistakes."""
        char = self.text[self.at : self.at + 1]
        frame = self._open[-1] if self._open else None
        if not char:
            message = f"the file ends where {expected} should be"
            if frame:
                kind = "an object" if frame.closer == "}" else "a list"
                line, _ = self.lines.position(frame.at)
                message = f"the file ends in the middle of {kind}, opened at line {line}; expected {expected}"
        elif char in _QUOTES:
            name = "single quotes" if char == "'" else f"quotes like {char}"
            message = f'JSON knows no {name}: expected {expected}; strings are in double quotes (")'
        elif char == "#" or self.text[self.at : self.at + 2] in {"//", "/*"}:
            message = f"a comment: JSON has none; expected {expected}"
        elif char.isspace() or char in "\ufeff\u200b\x00":
            message = f"the character U+{ord(char):04X} is no JSON white space; expected {expected}"
        elif frame and char in "}]" and char != frame.closer:
            line, _ = self.lines.position(frame.at)
            opener = "{" if frame.closer == "}" else "["
            message = f"'{char}' closes the '{opener}' of line {line}; expected {expected}"
        else:
            like = _NUMBER_LIKE.match(self.text, self.at)
            message = f"expected {expected}, not {quote(like[0] if like else char, 30)}"
        return self._malformed(self.at, message)

    def _complain(self, offset: int, message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(self._problem(offset, message))

    def _malformed(self, offset: int, message: str) -> Malformed:
        return Malformed(self._problem(offset, message))

    def _problem(self, offset: int, message: str) -> Problem:
        path = tuple(frame.key for frame in self._open if frame.key is not None)
        line, column = self.lines.position(offset)
        return Problem(json_path(path), line, column, message, self.file)


def find_children(text: str, at: int, lines: Lines) -> dict[str | int, tuple[int, int]]:
    """Find what is directly inside an object or a list, in a text that has been read before.

    Args:
        text: The whole text.
        at: Where the object or list begins; inside any other value there is nothing.
        lines: The lines of the text.

    Returns:
        For each key or index, where its value begins and where its key begins (a list's item: the same).
    """
    scanner = Scanner(text, at, lines=lines)
    children: dict[str | int, tuple[int, int]] = {}
    opener = scanner.peek()
    if opener == "{":
        for key in scanner.members():
            scanner.peek()
            children[key] = scanner.at, scanner.key_at
            scanner.value()
    elif opener == "[":
        for index in scanner.items():
            scanner.peek()
            children[index] = scanner.at, scanner.at
            scanner.value()
    return children
