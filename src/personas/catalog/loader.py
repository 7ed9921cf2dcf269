"""Reading a catalog: from a file to a `Catalog`, or to all its problems with their places."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from personas.catalog.checks import Finding, check, explain
from personas.catalog.models import Catalog, Problem, Source
from personas.catalog.positions import Positions, json_path, quote
from personas.errors import CatalogError

MAX_BYTES = 10_000_000

_MAX_EXCERPTS = 20
_NEXT_STEP = "Name the catalog with --catalog FILE, or create one with: personas init"


def load_catalog(file: str | os.PathLike[str]) -> Catalog:
    """Read and check a catalog file.

    Args:
        file: JSON in UTF-8, at most 10 MB; `-` is standard input.

    Raises:
        CatalogError: It cannot be read or is invalid; carries every problem.
    """
    name = os.fspath(file)
    if name == "-":
        return parse_catalog(_decode(sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>"), file="<stdin>")
    try:
        with Path(name).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise CatalogError(f"{name} does not exist.", hint=_NEXT_STEP) from None
    except IsADirectoryError:
        raise CatalogError(f"{name} is a directory, not a catalog file.", hint=_NEXT_STEP) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CatalogError(f"{quote(name)} cannot be read: {reason}", hint=_NEXT_STEP) from None
    return parse_catalog(_decode(data, name), file=name)


def parse_catalog(text: str, *, file: str = "catalog.json") -> Catalog:
    """Check the text of a catalog.

    Args:
        text: The JSON.
        file: The name for problems.

    Raises:
        CatalogError: It is invalid; carries every problem, warnings included, in file order.
    """
    text = text.removeprefix("\ufeff")
    positions = Positions(text)
    document, has_duplicates = _decode_json(text, file, positions)
    findings = list(check(document, positions))
    if has_duplicates:
        findings += (
            Finding(path, f"the key {quote(str(path[-1]))} appears twice, first on line {line}", at_key=True)
            for path, line in positions.duplicates()
        )
    catalog = None
    try:
        warnings = _to_problems(findings, file, positions)
        source = Source(file, warnings, positions)
        catalog = Catalog.model_validate(document, by_alias=True, by_name=False, context=source)
    except ValidationError as error:
        findings += explain(error, document)
    if catalog is None or any(finding.severity == "error" for finding in findings):
        raise _invalid(file, _to_problems(findings, file, positions))
    return catalog


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise CatalogError(f"{file} is larger than {MAX_BYTES // 1_000_000} MB, too large for a catalog.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        valid = error.object[: error.start].decode()
        line, column = valid.count("\n") + 1, len(valid) - valid.rfind("\n")
        message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise _invalid_at(file, line, column, message) from None


class _Constant(Exception):
    """A constant that only Python's decoder accepts, such as NaN."""


def _decode_json(text: str, file: str, positions: Positions) -> tuple[object, bool]:
    """Return the document, and whether an object in it has a key twice."""
    has_duplicates = False

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal has_duplicates
        members = dict(pairs)
        has_duplicates |= len(members) != len(pairs)
        return members

    def refuse(constant: str) -> object:
        raise _Constant(constant)

    if not text.strip():
        raise _invalid_at(file, 1, 1, "the file is empty")
    try:
        # Numbers are doubles, as in JavaScript; int() refuses those of more than 4,300 digits.
        document = json.loads(text, object_pairs_hook=to_object, parse_int=float, parse_constant=refuse)
    except json.JSONDecodeError as error:
        message = f"{error.msg}{_hint(error)}"
        raise _invalid_at(file, error.lineno, error.colno, message, positions) from None
    except _Constant as error:
        line, column = positions.line_and_column(positions.constant())
        raise _invalid_at(file, line, column, f"{error} is not a JSON value", positions) from None
    except RecursionError:
        raise _invalid_at(file, 1, 1, "the JSON is nested too deeply") from None
    return document, has_duplicates


def _hint(error: json.JSONDecodeError) -> str:
    """Return a hint for the three usual mistakes."""
    before = error.doc[max(error.pos - 100, 0) : error.pos].rstrip()
    ahead = error.doc[error.pos : error.pos + 100].lstrip()
    if error.msg.startswith("Illegal trailing comma") or (before.endswith(",") and ahead[:1] in ("}", "]")):
        return ": remove the comma before the closing bracket"
    if ahead.startswith(("//", "/*", "#")):
        return ": JSON has no comments"
    if ahead.startswith("'"):
        return ": JSON uses double quotes, not single quotes"
    return ""


def _to_problems(findings: Iterable[Finding], file: str, positions: Positions) -> tuple[Problem, ...]:
    located = sorted(
        ((*positions.locate(finding.path, at_key=finding.at_key), finding) for finding in findings),
        key=lambda item: item[:2],
    )
    problems = []
    for number, (line, column, finding) in enumerate(located):
        excerpt, caret = positions.excerpt(line, column) if number < _MAX_EXCERPTS else ("", 0)
        problems.append(
            Problem(
                file=file,
                line=line,
                column=column,
                path=json_path(finding.path),
                message=finding.message,
                severity=finding.severity,
                excerpt=excerpt,
                caret=caret,
            )
        )
    return tuple(problems)


def _invalid_at(
    file: str, line: int, column: int, message: str, positions: Positions | None = None
) -> CatalogError:
    excerpt, caret = positions.excerpt(line, column) if positions else ("", 0)
    problem = Problem(
        file=file, line=line, column=column, path="$", message=message, excerpt=excerpt, caret=caret
    )
    return _invalid(file, (problem,))


def _invalid(file: str, problems: tuple[Problem, ...]) -> CatalogError:
    errors = sum(problem.severity == "error" for problem in problems)
    count = "1 error" if errors == 1 else f"{errors} errors"
    return CatalogError(f"{file} is invalid: {count}", problems=problems)
