"""Reading a catalog: from a file to a `Catalog`, or to all its problems with their places."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from personas.catalog import models
from personas.catalog.models import Catalog, Member, Persona, Scope, Space
from personas.catalog.problems import TOKEN, JsonPath, Positions, Problems, quote
from personas.errors import CatalogError

MAX_BYTES = 10_000_000

# What a value must be, by the type of pydantic's error.
_EXPECTED = {
    "model_type": "an object",
    "string_type": "a string",
    "string_too_long": f"at most {models.MAX_SLUG} characters",
    "bool_type": "true or false",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than_equal": "0 or more",
    "dict_type": 'an object with weights, such as {"todo": 0.6}',
    "tuple_type": "a list",
}

_ENTRIES: dict[str, type[BaseModel]] = {"personas": Persona, "spaces": Space}

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[JsonPath, dict[str, Any]]


def load_catalog(file: str | os.PathLike[str]) -> Catalog:
    """Read and check a catalog file: JSON in UTF-8, at most 10 MB; `-` is standard input.

    Raises CatalogError with every problem if it cannot be read or is invalid.
    """
    source = os.fspath(file)
    name = "<stdin>" if source == "-" else source
    try:
        with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "Name an existing catalog, or create one with: personas init"
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

    Raises CatalogError with every problem, warnings included, in file order.
    """
    text = text.removeprefix("\ufeff")
    problems = Problems(file, Positions(text))
    catalog = _read_catalog(_decode_json(text, problems), problems)
    if problems.counts["error"]:
        raise problems.to_error()
    return catalog


def _decode_json(text: str, problems: Problems) -> object:
    """Return the document; keys that an object has twice are problems, other faults are raised."""
    with_duplicates: list[dict[str, Any]] = []

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            with_duplicates.append(members)
        return members

    def refuse(constant: str) -> object:  # NaN and Infinity, which Python's decoder accepts
        at = next(token.start() for token in TOKEN.finditer(text) if token[0].startswith(constant))
        raise problems.to_syntax_error(at, f"{constant} is not a JSON value")

    if not text.strip():
        raise problems.to_syntax_error(0, "the file is empty")
    try:
        # Numbers are doubles, as in JavaScript; int() refuses those of more than 4,300 digits.
        document = json.loads(text, object_pairs_hook=to_object, parse_int=float, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise problems.to_syntax_error(
            error.pos, error.msg.removesuffix(" starting at") + _hint(error)
        ) from None
    except RecursionError:
        raise problems.to_syntax_error(0, "the JSON is nested too deeply") from None
    for path in problems.positions.duplicates() if with_duplicates else ():
        message = f"the key {quote(str(path[-1]))} appears more than once; keep one"
        problems.add(path, message, at_key=True)
    return document


def _hint(error: json.JSONDecodeError) -> str:
    """Return a hint for the usual mistakes."""
    before = error.doc[max(error.pos - 100, 0) : error.pos].rstrip()
    ahead = error.doc[error.pos : error.pos + 100].lstrip()
    if error.msg.startswith("Illegal trailing comma") or (before.endswith(",") and ahead[:1] in ("}", "]")):
        return ": remove the comma before the closing bracket"
    if ahead.startswith(("//", "/*", "#")):
        return ": JSON has no comments"
    if ahead.startswith("'"):
        return ": JSON uses double quotes, not single quotes"
    if error.msg.startswith("Unterminated string"):
        return ": the closing quote is missing"
    return "" if ahead else ": the file ends too early"


def _read_catalog(document: object, problems: Problems) -> Catalog:
    """Return the catalog of a document, and add its problems; after an error, it must not be used."""
    if not isinstance(document, dict):
        return _read(Catalog, document, (), problems)
    lists: dict[str, list[BaseModel]] = {}
    for key, model in _ENTRIES.items():
        if isinstance(entries := document.get(key), list):
            wanted = takewhile(lambda _: not problems.is_full("error"), enumerate(entries))
            lists[key] = [_read(model, entry, (key, index), problems) for index, entry in wanted]
    catalog = _read(Catalog, document | lists, (), problems)
    if not problems.is_full("error"):
        personas = _objects(document, "personas")
        _check_scope(document, personas, problems)
        emails = _check_personas(personas, problems)
        if spaces := _objects(document, "spaces"):
            _check_spaces(spaces, emails, problems)
    return catalog


def _read(model: type[Model], value: object, path: JsonPath, problems: Problems) -> Model:
    """Return the model of a value; if that has an error, an empty one in its place."""
    for extra in ("forbid", "ignore"):
        try:
            return model.model_validate(value, extra=extra, by_alias=True, by_name=False, context=problems)
        except ValidationError as error:
            # Unknown keys alone are warnings: the value is read again without them.
            before = problems.counts["error"]
            _explain(error, model, value, path, problems)
            if problems.counts["error"] > before:
                break
    return model.model_construct()


def _explain(
    error: ValidationError, model: type[BaseModel], document: object, base: JsonPath, problems: Problems
) -> None:
    """Add pydantic's errors."""
    for detail in error.errors(include_url=False, include_input=False):
        kind, loc, context = detail["type"], detail["loc"], detail.get("ctx", {})
        inside, value = _follow(document, loc)
        path = (*base, *inside)
        if kind == "too_short" and value:
            continue  # pydantic also calls a list too short if all its entries are wrong
        if kind == "extra_forbidden":
            if not problems.is_full("warning"):
                message = _unknown_key(str(loc[-1]), Member if len(loc) > 1 else model)
                problems.add(path, message, "warning", at_key=True)
            continue
        if kind == "missing":
            path = (*path, loc[-1])
            complaint = "is missing"
        elif kind in ("too_short", "string_too_short"):
            complaint = "must not be empty"
        elif kind == "string_unicode":
            complaint = models.text_flaw(str(value))
        elif kind in _EXPECTED or kind in ("literal_error", "string_pattern_mismatch"):
            expected = _EXPECTED.get(kind) or context.get("expected") or models.PATTERNS[context["pattern"]]
            also = "an email or " if kind == "model_type" and loc else ""  # a member of a space
            complaint = f"must be {also}{expected}, not {_describe(value)}"
        else:
            complaint = detail["msg"]
        problems.add(path, f"{_subject(path)} {complaint}")


def _follow(document: object, loc: Iterable[str | int]) -> tuple[JsonPath, object]:
    """Return the path and value that a location of pydantic means; it has parts that short forms lack."""
    path: list[str | int] = []
    value: Any = document
    for part in loc:
        if part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int):
            value = value[part]
            path.append(part)
    return tuple(path), value


def _unknown_key(key: str, model: type[BaseModel]) -> str:
    known = {str(field.alias).lower(): str(field.alias) for field in model.model_fields.values()}
    near = get_close_matches(key[:60].lower(), known, n=1)
    suggestion = f"; do you mean {quote(known[near[0]])}?" if near else ""
    return f"unknown key {quote(key)} is ignored{suggestion}"


def _subject(path: JsonPath) -> str:
    if not path:
        return "a catalog"
    return f"{path[-2]}[{path[-1]}]" if isinstance(path[-1], int) else quote(path[-1])


def _describe(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return f"{value:.15g}" if isinstance(value, float) else json.dumps(value)


def _objects(document: Mapping[str, Any], key: str) -> list[Place]:
    """Return the entries of a list and their paths; those of a wrong type are reported elsewhere."""
    entries = document.get(key)
    numbered = enumerate(entries if isinstance(entries, list) else ())
    return [((key, index), entry) for index, entry in numbered if isinstance(entry, dict)]


def _check_scope(document: Mapping[str, Any], personas: Iterable[Place], problems: Problems) -> None:
    given = document.get("scope", models.DEFAULT_SCOPE)
    try:
        scope = Scope.model_validate({"patterns": [given] if isinstance(given, str) else given})
    except ValidationError:
        return  # already reported
    if scope.real_domains and document.get("allowRealDomain") is not True:
        domains = ", ".join(scope.real_domains)
        message = f'{domains} is not reserved for tests; writing to it needs "allowRealDomain": true'
        problems.add(("scope",), message, "warning")
    advice = "" if "scope" in document else ' (add a "scope" to the catalog for other emails)'
    for path, persona in personas:
        email = persona.get("email")
        if isinstance(email, str) and not models.email_flaw(email) and not scope.contains(email):
            problems.add((*path, "email"), f"{quote(email)} is outside the scope {scope}{advice}")


def _check_personas(personas: Iterable[Place], problems: Problems) -> Mapping[str, JsonPath]:
    """Return the emails with their paths."""
    names: dict[str, JsonPath] = {}
    emails: dict[str, JsonPath] = {}
    for path, persona in personas:
        problems.check_unique("email", persona.get("email"), (*path, "email"), emails)
        problems.check_unique("name", persona.get("name"), (*path, "name"), names, "warning")
        mix = persona.get("moduleMix")
        if isinstance(mix, dict) and not any(mix.values()):
            message = '"moduleMix" has no weight above 0: the persona uses no module'
            problems.add((*path, "moduleMix"), message, "warning")
    return emails


def _check_spaces(spaces: Iterable[Place], emails: Mapping[str, JsonPath], problems: Problems) -> None:
    slugs: dict[str, JsonPath] = {}
    for path, space in spaces:
        members = space.get("members")
        problems.check_unique("slug", space.get("slug"), (*path, "slug"), slugs)
        people: list[tuple[JsonPath, object]] = [((*path, "owner"), space.get("owner"))]
        for index, member in enumerate(members if isinstance(members, list) else ()):
            place: JsonPath = (*path, "members", index)
            is_object = isinstance(member, dict)
            people.append(((*place, "email"), member.get("email")) if is_object else (place, member))
        first: dict[str, JsonPath] = {}
        for place, email in people:
            if not isinstance(email, str) or models.email_flaw(email):
                continue
            if email not in emails:
                problems.add(place, f"{quote(email)} is not a persona of this catalog")
            problems.check_unique("email", email, place, first)
