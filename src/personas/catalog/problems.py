r"""What is wrong or doubtful in a catalog file, and where.

Lines end at a line feed (`\r\n` counts once). Columns count code points. Both start at 1.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from personas.errors import CatalogError

MAX_PROBLEMS = 1000
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+', re.DOTALL)

_MORE = f"there are more problems; only {MAX_PROBLEMS} errors and {MAX_PROBLEMS} warnings are listed"
_MAX_QUOTED = 60  # characters
_MAX_DEPTH = 50  # what is nested deeper is represented by its parents
_IDENTIFIER = re.compile(r'"[A-Za-z_$][A-Za-z0-9_$]*"')

JsonPath = tuple[str | int, ...]
Severity = Literal["error", "warning"]


def quote(text: str) -> str:
    """Return a text in double quotes, shortened, with control characters escaped."""
    shown = text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 1] + "…"
    escaped = json.dumps(shown, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in escaped)


def json_path(path: JsonPath) -> str:
    """Return a path as `$.personas[3].email`; other keys than identifiers as `$["a b"]`."""
    names = (quote(part) if isinstance(part, str) else str(part) for part in path)
    return "$" + "".join(f".{name[1:-1]}" if _IDENTIFIER.fullmatch(name) else f"[{name}]" for name in names)


@dataclass(eq=False, repr=False)
class Positions:
    """Finds lines and columns in a JSON text; the text is read once, when the first place is asked for."""

    text: str = ""

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

    def duplicates(self) -> tuple[JsonPath, ...]:
        """Return each key that an object has more than once, but no keys inside the values of such keys."""
        counts = Counter(path for path, _, _ in _walk(self.text))
        return tuple(path for path, count in counts.items() if count > 1 and counts[path[:-1]] == 1)

    @cached_property
    def _offsets(self) -> dict[JsonPath, tuple[int, int]]:
        return {path: (key_at, at) for path, key_at, at in _walk(self.text)}

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]


class Problem(BaseModel):
    """An error or a warning at a place of a catalog.

    Attributes:
        line: From 1, as `column`, which counts code points.
        path: As in `$.personas[3].email`.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    line: int
    column: int
    path: str
    message: str
    severity: Severity = "error"


@dataclass
class Problems:
    """Collects the problems of one file; lists at most 1,000 errors and 1,000 warnings."""

    file: str = "catalog.json"
    positions: Positions = field(default_factory=Positions, compare=False, repr=False)
    found: list[Problem] = field(default_factory=list)
    counts: Counter[Severity] = field(default_factory=Counter)

    def is_full(self, severity: Severity) -> bool:
        """Whether further problems of this severity are only counted."""
        return self.counts[severity] > MAX_PROBLEMS

    def add(
        self, path: JsonPath, message: str, severity: Severity = "error", *, at_key: bool = False
    ) -> None:
        """Add a problem at a value or at its key."""
        self.counts[severity] += 1
        if not self.is_full(severity):
            line, column = self.positions.locate(path, at_key=at_key)
            place = Problem(file=self.file, line=line, column=column, path=json_path(path), message=message)
            self.found.append(place.model_copy(update={"severity": severity}))

    def check_unique(
        self, what: str, text: object, path: JsonPath, seen: dict[str, JsonPath], severity: Severity = "error"
    ) -> None:
        """Add a problem if this text was used before; `seen` has the paths of the texts so far."""
        if isinstance(text, str) and (used := seen.setdefault(text, path)) != path:
            line, _ = self.positions.locate(used)
            self.add(path, f"the {what} {quote(text)} is already used on line {line}", severity)

    def in_order(self) -> tuple[Problem, ...]:
        """Return them in file order."""
        ordered = sorted(self.found, key=lambda problem: (problem.line, problem.column))
        if self.counts.total() > len(self.found):
            ordered.append(ordered[-1].model_copy(update={"message": _MORE, "severity": "warning"}))
        return tuple(ordered)

    def to_error(self) -> CatalogError:
        """Return the error that carries them."""
        number = f"more than {MAX_PROBLEMS}" if self.is_full("error") else self.counts["error"]
        errors = "1 error" if number == 1 else f"{number} errors"
        return CatalogError(f"{self.file} is invalid: {errors}", problems=self.in_order())

    def to_syntax_error(self, offset: int, message: str) -> CatalogError:
        """Return the error of a text that is not JSON: one problem at an offset."""
        line, column = self.positions.line_and_column(offset)
        self.found.append(Problem(file=self.file, line=line, column=column, path="$", message=message))
        self.counts["error"] += 1
        return self.to_error()


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
