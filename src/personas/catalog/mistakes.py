"""Mistakes in a JSON text, in plain words: looked for when the decoder has refused the text, or doubted it.

The decoder knows where it stopped. A walk over the tokens before that place finds what it has not kept: the
path, what is open there, keys that are there twice, numbers that are not finite.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from personas.catalog.positions import MAX_DEPTH, Positions
from personas.catalog.wording import json_path, quote
from personas.errors import CatalogError, Problem

if TYPE_CHECKING:
    from json.decoder import JSONDecodeError

MAX_PROBLEMS = 100_000  # by then every reader has given up, and memory is not endless

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?P<end>"?)|[\[\]{},:]|[^\s"\[\]{},:]+', re.DOTALL)
_RUN = re.compile(r"[0-9A-Za-z_.+-]+")
_WORD = re.compile(r"[^\W\d][\w$-]*")
_LITERALS = {"true", "false", "null"}
_LIKELY = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_CONSTANT = re.compile("NaN|-?Infinity")  # Python's decoder knows them
_QUOTES = "'`‘’“”„«»"


@dataclass(slots=True)
class _Open:
    """An object or a list whose end has not come yet."""

    at: int
    opener: str
    key: str | int | None
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def closer(self) -> str:
        return "}" if self.opener == "{" else "]"


class Walk:
    """A walk over the tokens of a JSON text that is sound up to its end.

    Args:
        text: The text.
        end: How far to go.
        positions: The lines of the text.
        file: The file's name, for problems.

    Raises:
        CatalogError: Before the end there is nesting that is too deep, or a constant that only Python knows.
    """

    def __init__(self, text: str, end: int, positions: Positions, file: str) -> None:
        self.problems: list[Problem] = []
        self._text = text
        self._positions = positions
        self._file = file
        self._open: list[_Open] = []
        self._last = 0  # where the last token begins
        self._key_next = False
        for token in _TOKEN.finditer(text, 0, end):
            self._last = token.start()
            if token["end"] == "":
                break  # the end is inside of a string
            self._pass(token[0])

    def explain(self, error: JSONDecodeError) -> Problem:
        """Say what the decoder found at the end of this walk."""
        at, kind = error.pos, error.msg
        char = self._text[at : at + 1]
        run = _RUN.match(self._text, self._last)
        if kind.startswith(("Unterminated", "Invalid")):
            return self._explain_string(at, kind)
        if self._open and char == self._open[-1].closer and self._text[self._last] == ",":
            return self._problem(self._last, f"a trailing comma: remove it before the '{char}'")
        if kind.startswith("Illegal trailing comma"):
            closer = self._open[-1].closer
            return self._problem(at, f"a trailing comma: remove it before the '{closer}'")
        if kind.startswith("Expecting value"):
            return self._explain_value(at)
        if kind.startswith("Expecting property name"):
            return self._unexpected(at, "a key in double quotes")
        if kind.startswith("Expecting ':'"):
            return self._unexpected(at, f"':' after the key {quote(str(self._open[-1].key))}")
        if run and run.end() > at:  # the decoder took the beginning of this for a value: 01, truex
            return self._explain_value(self._last)
        if self._open:
            return self._unexpected(at, f"',' or '{self._open[-1].closer}' after a value")
        return self._unexpected(at, "the end of the file")

    def _explain_value(self, at: int) -> Problem:
        if word := _WORD.match(self._text, at):
            if likely := _LIKELY.get(word[0]):
                message = f"{word[0]} is no JSON value; write {likely}"
            else:
                message = f"expected a value, not {quote(word[0])}: text is written in double quotes"
            return self._problem(at, message)
        run = _RUN.match(self._text, at)
        if run and run[0].lstrip("-")[:1].isdigit():
            return self._problem(at, f"{quote(run[0], 30)} is not written as a JSON number")
        return self._unexpected(at, "a value")

    def _explain_string(self, at: int, kind: str) -> Problem:
        if kind.startswith("Unterminated"):
            return self._problem(at, "unterminated string: no closing quote follows")
        if kind.startswith("Invalid control"):
            char = self._text[at]
            message = f"the control character U+{ord(char):04X} in a string is written {json.dumps(char)}"
            if char in "\r\n":
                _, column = self._positions.line_and_column(self._last)
                message = (
                    f'unterminated string, begun in column {column}: close it, or write a line break as "\\n"'
                )
            return self._problem(at, message)
        # A bad escape; the decoder points at the backslash or shortly behind it.
        backslash = self._text.rfind("\\", self._last, at + 1)
        length = 6 if self._text.startswith("\\u", backslash) else 2
        escape = quote(self._text[backslash + 1 : backslash + length])
        message = f"a backslash and {escape} are no JSON escape; a backslash itself is written \\\\"
        return self._problem(backslash, message)

    def _unexpected(self, at: int, expected: str) -> Problem:
        """Say what stands here instead of what was expected, and name the usual mistakes."""
        char = self._text[at : at + 1]
        inner = self._open[-1] if self._open else None
        if not char:
            message = f"the file ends where {expected} should be"
            if inner:
                kind = "an object" if inner.opener == "{" else "a list"
                opened = f"{kind}, opened at line {self._line(inner)}"
                message = f"the file ends in the middle of {opened}; expected {expected}"
        elif char in _QUOTES:
            name = "single quotes" if char == "'" else f"quotes like {char}"
            message = f'JSON knows no {name}: expected {expected}; strings are in double quotes (")'
        elif char == "#" or self._text[at : at + 2] in {"//", "/*"}:
            message = f"a comment: JSON has none; expected {expected}"
        elif char.isspace() or char in "\ufeff\u200b\x00":
            message = f"the character U+{ord(char):04X} is no JSON white space; expected {expected}"
        elif inner and char in "}]" and char != inner.closer:
            message = f"'{char}' closes the '{inner.opener}' of line {self._line(inner)}; expected {expected}"
        else:
            run = _RUN.match(self._text, at)
            message = f"expected {expected}, not {quote(run[0] if run else char, 30)}"
        return self._problem(at, message)

    def _pass(self, token: str) -> None:
        inner = self._open[-1] if self._open else None
        match token:
            case "{" | "[":
                if len(self._open) == MAX_DEPTH:
                    raise self._refusal(f"nested more than {MAX_DEPTH} levels deep")
                self._key_next = opens_object = token.startswith("{")
                self._open.append(_Open(self._last, token, None if opens_object else 0))
            case "}" | "]":
                self._open.pop()
                self._key_next = False
            case "," if inner:
                self._key_next = inner.opener == "{"
                if isinstance(inner.key, int):
                    inner.key += 1
            case _ if inner and self._key_next:
                self._key_next = False
                self._take_key(inner, json.loads(token))
            case _ if token[0] not in '":' and token not in _LITERALS:
                self._take_number(token)

    def _take_key(self, inner: _Open, key: str) -> None:
        inner.key = key
        if key in inner.seen:
            first, _ = self._positions.line_and_column(inner.seen[key])
            self._note(f"the key {quote(key)} is here twice, first on line {first}; remove one of the two")
        else:
            inner.seen[key] = self._last

    def _take_number(self, token: str) -> None:
        if constant := _CONSTANT.match(token):
            raise self._refusal(f"{constant[0]} is no JSON value; write a finite number")
        if not math.isfinite(float(token)):
            shown = token if len(token) <= 30 else f"a number of {len(token)} characters"
            self._note(f"{shown} is too large: its value is not finite")

    def _line(self, inner: _Open) -> int:
        return self._positions.line_and_column(inner.at)[0]

    def _note(self, message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(self._problem(self._last, message))

    def _refusal(self, message: str) -> CatalogError:
        return CatalogError((self._problem(self._last, message),))

    def _problem(self, at: int, message: str) -> Problem:
        path = tuple(inner.key for inner in self._open if inner.key is not None)
        line, column = self._positions.line_and_column(at)
        return Problem(json_path(path), line, column, message, self._file)
