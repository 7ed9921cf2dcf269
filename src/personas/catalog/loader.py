"""Reading a catalog: from a file to a `Catalog`, or to all its problems with their places."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from personas.catalog.checks import read_catalog
from personas.catalog.models import Catalog
from personas.catalog.positions import TOKEN, Positions, quote
from personas.catalog.problems import Problems
from personas.errors import CatalogError

MAX_BYTES = 10_000_000

_CONSTANTS = ("NaN", "Infinity", "-Infinity")  # Python's decoder accepts them, JSON does not


def load_catalog(file: str | os.PathLike[str]) -> Catalog:
    """Read and check a catalog file: JSON in UTF-8, at most 10 MB; `-` is standard input.

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
        raise Problems(name, Positions(valid)).to_syntax_error(len(valid), message) from None
    return parse_catalog(text, file=name)


def parse_catalog(text: str, *, file: str = "catalog.json") -> Catalog:
    """Read and check the text of a catalog; `file` is its name for messages.

    Raises:
        CatalogError: It is invalid; carries every problem, warnings included, in file order.
    """
    text = text.removeprefix("\ufeff")
    problems = Problems(file, Positions(text))
    catalog = read_catalog(_decode_json(text, problems), problems)
    if problems.counts["error"]:
        raise problems.to_error()
    return catalog


def _decode_json(text: str, problems: Problems) -> object:
    """Return the document; keys that an object has twice are problems, other faults are raised."""
    has_duplicates = False

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal has_duplicates
        members = dict(pairs)
        has_duplicates |= len(members) != len(pairs)
        return members

    def refuse(constant: str) -> object:
        raise ValueError(constant)

    if not text.strip():
        raise problems.to_syntax_error(0, "the file is empty")
    try:
        # Numbers are doubles, as in JavaScript; int() refuses those of more than 4,300 digits.
        document = json.loads(text, object_pairs_hook=to_object, parse_int=float, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise problems.to_syntax_error(error.pos, error.msg + _hint(error)) from None
    except ValueError as constant:
        at = next(token.start() for token in TOKEN.finditer(text) if token[0].startswith(_CONSTANTS))
        raise problems.to_syntax_error(at, f"{constant} is not a JSON value") from None
    except RecursionError:
        raise problems.to_syntax_error(0, "the JSON is nested too deeply") from None
    for path in problems.positions.duplicates() if has_duplicates else ():
        message = f"the key {quote(str(path[-1]))} appears more than once; keep one"
        problems.add(path, message, at_key=True)
    return document


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
