"""Reading a catalog: from a file to a `Catalog`, or to all its problems with their places."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from personas.catalog.checks import Problems, check, explain
from personas.catalog.models import Catalog, Source
from personas.catalog.positions import CONSTANTS, Positions, quote, walk
from personas.errors import CatalogError

MAX_BYTES = 10_000_000


def load_catalog(file: str | os.PathLike[str]) -> Catalog:
    """Read and check a catalog file.

    Args:
        file: JSON in UTF-8, at most 10 MB; `-` is standard input.

    Raises:
        CatalogError: It cannot be read or is invalid; carries every problem.
    """
    name = os.fspath(file)
    try:
        if name == "-":
            name = "<stdin>"
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "Name the catalog with --catalog FILE, or create one with: personas init"
        raise CatalogError(f"{name} cannot be read: {reason}.", hint=hint) from None
    if len(data) > MAX_BYTES:
        raise CatalogError(f"{name} is larger than {MAX_BYTES // 1_000_000} MB, too large for a catalog.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        valid = error.object[: error.start].decode()
        message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise _invalid_at(len(valid), message, name, Positions(valid)) from None
    return parse_catalog(text, file=name)


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
    problems = Problems(file, positions)
    for path in positions.duplicates() if has_duplicates else ():
        problems.add(path, f"the key {quote(str(path[-1]))} appears twice; remove one", at_key=True)
    check(document, problems)
    catalog = None
    try:
        source = Source(file, problems.in_order(), positions)
        catalog = Catalog.model_validate(document, by_alias=True, by_name=False, context=source)
    except ValidationError as error:
        explain(error, document, problems)
    if catalog is None or problems.errors:
        raise _invalid(file, problems)
    return catalog


def _decode_json(text: str, file: str, positions: Positions) -> tuple[object, bool]:
    """Return the document, and whether an object in it has a key twice."""
    has_duplicates = False

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal has_duplicates
        members = dict(pairs)
        has_duplicates |= len(members) != len(pairs)
        return members

    def refuse(constant: str) -> object:
        raise ValueError(constant)

    if not text.strip():
        raise _invalid_at(0, "the file is empty", file, positions)
    try:
        # Numbers are doubles, as in JavaScript; int() refuses those of more than 4,300 digits.
        document = json.loads(text, object_pairs_hook=to_object, parse_int=float, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise _invalid_at(error.pos, error.msg + _hint(error), file, positions) from None
    except ValueError as error:
        at = next((value.at for value in walk(text) if value.sign.startswith(CONSTANTS)), 0)
        raise _invalid_at(at, f"{error} is not a JSON value", file, positions) from None
    except RecursionError:
        raise _invalid_at(0, "the JSON is nested too deeply", file, positions) from None
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


def _invalid_at(offset: int, message: str, file: str, positions: Positions) -> CatalogError:
    problems = Problems(file, positions)
    problems.add((), message, offset=offset)
    return _invalid(file, problems)


def _invalid(file: str, problems: Problems) -> CatalogError:
    errors = "1 error" if problems.errors == 1 else f"{problems.errors} errors"
    return CatalogError(f"{file} is invalid: {errors}", problems=problems.in_order())
