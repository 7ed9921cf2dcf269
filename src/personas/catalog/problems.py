"""What is wrong or doubtful in a catalog file, and where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from personas.catalog.positions import JsonPath, Positions, json_path, quote
from personas.errors import CatalogError

MAX_PROBLEMS = 1000
_MAX_EXCERPTS = 20

Severity = Literal["error", "warning"]


class Problem(BaseModel):
    """An error or a warning at a place of a catalog.

    Attributes:
        line: From 1, as `column`, which counts code points.
        path: As in `$.personas[3].email`.
        excerpt: The source around the place; empty after the first 20 problems.
        caret: Where the place is in the excerpt, from 0.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    line: int
    column: int
    path: str
    message: str
    severity: Severity = "error"
    excerpt: str = ""
    caret: int = 0


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
        self._add(self.positions.locate(path, at_key=at_key), path, message, severity)

    def _add(self, at: tuple[int, int], path: JsonPath, message: str, severity: Severity = "error") -> None:
        self.counts[severity] += 1
        if not self.is_full(severity):
            shown, (line, column) = json_path(path), at
            self.found.append(
                Problem(
                    file=self.file, line=line, column=column, path=shown, message=message, severity=severity
                )
            )

    def check_unique(
        self,
        what: str,
        text: object,
        path: JsonPath,
        first: dict[str, JsonPath],
        severity: Severity = "error",
    ) -> None:
        """Add a problem if this text was used before; `first` has the paths of the texts so far."""
        if isinstance(text, str) and (used := first.setdefault(text, path)) != path:
            line, _ = self.positions.locate(used)
            self.add(path, f"the {what} {quote(text)} is already used on line {line}", severity)

    def in_order(self) -> tuple[Problem, ...]:
        """Return them in file order, the first ones with their source."""
        ordered = sorted(self.found, key=lambda problem: (problem.line, problem.column))
        for index, problem in enumerate(ordered[:_MAX_EXCERPTS]):
            excerpt, caret = self.positions.excerpt(problem.line, problem.column)
            ordered[index] = problem.model_copy(update={"excerpt": excerpt, "caret": caret})
        if self.counts.total() > len(self.found):
            message = (
                f"there are more problems; only {MAX_PROBLEMS} errors and {MAX_PROBLEMS} warnings are listed"
            )
            ordered.append(ordered[-1].model_copy(update={"message": message, "severity": "warning"}))
        return tuple(ordered)

    def to_error(self) -> CatalogError:
        """Return the error that carries them."""
        number = f"more than {MAX_PROBLEMS}" if self.is_full("error") else self.counts["error"]
        errors = "1 error" if number == 1 else f"{number} errors"
        return CatalogError(f"{self.file} is invalid: {errors}", problems=self.in_order())

    def to_syntax_error(self, offset: int, message: str) -> CatalogError:
        """Return the error of a text that is not JSON: one problem at an offset."""
        self._add(self.positions.line_and_column(offset), (), message)
        return self.to_error()
