"""From a document to a `Catalog`: pydantic's errors in plain words, and our own checks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import takewhile
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from personas.catalog import models
from personas.catalog.models import Catalog, Member, Persona, Scope, Space
from personas.catalog.positions import JsonPath, quote
from personas.catalog.problems import Problems

_MAX_PERSONAL_SLUG = 30

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


def read_catalog(document: object, problems: Problems) -> Catalog:
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
        personas, spaces = _objects(document, "personas"), _objects(document, "spaces")
        _check_scope(document, personas, problems)
        _check_spaces(spaces, _check_personas(personas, problems), problems)
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
        if problems.is_full("warning" if kind == "extra_forbidden" else "error"):
            continue
        if kind == "extra_forbidden":
            message = _unknown_key(str(loc[-1]), Member if len(loc) > 1 else model)
            problems.add(path, message, "warning", at_key=True)
            continue
        if kind == "too_short" and value:
            continue  # pydantic also calls a list too short if all its entries are wrong
        if kind == "missing":
            path = (*path, loc[-1])
            complaint = "is missing"
        elif kind in ("too_short", "string_too_short"):
            complaint = "must not be empty"
        elif kind == "string_unicode":
            complaint = models.text_flaw(str(value))
        elif kind in _EXPECTED or kind in ("literal_error", "string_pattern_mismatch"):
            expected = _EXPECTED.get(kind) or context.get("expected") or models.PATTERNS[context["pattern"]]
            complaint = f"must be {expected}, not {_describe(value)}"
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
    taken = personal_slugs(emails)
    for path, space in spaces:
        slug, owner, members = space.get("slug"), space.get("owner"), space.get("members")
        problems.check_unique("slug", slug, (*path, "slug"), slugs)
        if isinstance(slug, str) and slug in taken:
            message = f"{quote(slug)} is the slug of a persona's personal space; choose another one"
            problems.add((*path, "slug"), message)
        people: list[tuple[JsonPath, object]] = [((*path, "owner"), owner)]
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


def personal_slugs(emails: Iterable[str]) -> frozenset[str]:
    """Return the slugs that the service gives to the personal spaces of these accounts.

    Each gets the local part of its email, in words joined by hyphens, and `-2`, `-3` … where that is taken.
    """
    counts: Counter[str] = Counter()
    for email in emails:
        words = re.sub("[^a-z0-9]+", "-", email.rpartition("@")[0].lower()).strip("-")
        counts[words[:_MAX_PERSONAL_SLUG]] += 1
    numbered = {f"{slug}-{number}" for slug, count in counts.items() for number in range(2, count + 1)}
    return frozenset(counts) | numbered
