"""What is wrong or doubtful in a catalog's document: pydantic's errors in plain words, and our own checks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from personas.catalog import models
from personas.catalog.models import Catalog, Member, Persona, Problem, Scope, Severity, Space
from personas.catalog.positions import JsonPath, Positions, json_path, quote

_MAX_EXCERPTS = 20
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


class Problems:
    """Collects the problems of one file."""

    def __init__(self, file: str, positions: Positions) -> None:
        self._file = file
        self._positions = positions
        self._found: list[Problem] = []

    @property
    def errors(self) -> int:
        """How many of them are errors."""
        return sum(problem.severity == "error" for problem in self._found)

    def add(
        self,
        path: JsonPath,
        message: str,
        severity: Severity = "error",
        *,
        at_key: bool = False,
        offset: int | None = None,
    ) -> None:
        """Add a problem at a value, at its key, or at an offset where the text is not JSON."""
        if offset is None:
            line, column = self._positions.locate(path, at_key=at_key)
        else:
            line, column = self._positions.line_and_column(offset)
        problem = Problem(
            file=self._file,
            line=line,
            column=column,
            path=json_path(path),
            message=message,
            severity=severity,
        )
        self._found.append(problem)

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
            line, _ = self._positions.locate(used)
            self.add(path, f"the {what} {quote(text)} is already used on line {line}", severity)

    def in_order(self) -> tuple[Problem, ...]:
        """Return them in file order, the first ones with their source."""
        ordered = sorted(self._found, key=lambda problem: (problem.line, problem.column))
        for index, problem in enumerate(ordered[:_MAX_EXCERPTS]):
            excerpt, caret = self._positions.excerpt(problem.line, problem.column)
            ordered[index] = problem.model_copy(update={"excerpt": excerpt, "caret": caret})
        return tuple(ordered)


def check(document: object, problems: Problems) -> None:
    """Find what single values do not show: unknown keys, duplicates, emails outside the scope, wrong spaces.

    Values of a wrong type are left to `explain`.
    """
    if not isinstance(document, dict):
        return
    _check_keys(document, Catalog, (), problems)
    names: dict[str, JsonPath] = {}
    emails: dict[str, JsonPath] = {}
    slugs: dict[str, JsonPath] = {}
    personas = _objects(document, "personas")
    for path, persona in personas.items():
        _check_keys(persona, Persona, path, problems)
        problems.check_unique("email", persona.get("email"), (*path, "email"), emails)
        problems.check_unique("name", persona.get("name"), (*path, "name"), names, "warning")
        mix = persona.get("moduleMix")
        if isinstance(mix, dict) and not any(mix.values()):
            message = '"moduleMix" has no weight above 0: the persona uses no module'
            problems.add((*path, "moduleMix"), message, "warning")
    _check_scope(document, personas, problems)
    taken = personal_slugs(emails)
    for path, space in _objects(document, "spaces").items():
        slug = space.get("slug")
        _check_keys(space, Space, path, problems)
        problems.check_unique("slug", slug, (*path, "slug"), slugs)
        if isinstance(slug, str) and slug in taken:
            message = f"{quote(slug)} is the slug of a persona's personal space; choose another one"
            problems.add((*path, "slug"), message)
        _check_people(space, path, emails, problems)


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


def _objects(document: Mapping[str, Any], key: str) -> dict[JsonPath, dict[str, Any]]:
    entries = document.get(key)
    numbered = enumerate(entries if isinstance(entries, list) else ())
    return {(key, index): entry for index, entry in numbered if isinstance(entry, dict)}


def _check_keys(entry: Iterable[str], model: type[BaseModel], path: JsonPath, problems: Problems) -> None:
    known = _known_keys(model)
    for key in entry:
        if key not in known:
            near = get_close_matches(key[:60].lower(), known, n=1)
            suggestion = f"; do you mean {quote(known[near[0]])}?" if near else ""
            message = f"unknown key {quote(key)} is ignored{suggestion}"
            problems.add((*path, key), message, "warning", at_key=True)


@lru_cache
def _known_keys(model: type[BaseModel]) -> dict[str, str]:
    """Return the keys of a part of a catalog, as they are and by their lower-case forms."""
    keys = [str(field.alias) for field in model.model_fields.values()]
    return {key.lower(): key for key in keys} | {key: key for key in keys}


def _check_scope(
    document: Mapping[str, Any], personas: Mapping[JsonPath, Mapping[str, Any]], problems: Problems
) -> None:
    given = document.get("scope", models.DEFAULT_SCOPE)
    try:
        scope = Scope.model_validate({"patterns": [given] if isinstance(given, str) else given})
    except ValidationError:
        return  # `explain` reports it
    if scope.real_domains and document.get("allowRealDomain") is not True:
        domains = ", ".join(domain.removeprefix("@") for domain in scope.real_domains)
        message = f'{domains} is not reserved for tests; writing to it needs "allowRealDomain": true'
        problems.add(("scope",), message, "warning")
    advice = "" if "scope" in document else ' (add a "scope" to the catalog for other emails)'
    for path, persona in personas.items():
        email = persona.get("email")
        if isinstance(email, str) and not models.email_flaw(email) and not scope.contains(email):
            problems.add((*path, "email"), f"{quote(email)} is outside the scope {scope}{advice}")


def _check_people(
    space: Mapping[str, Any], path: JsonPath, emails: Mapping[str, JsonPath], problems: Problems
) -> None:
    owner, entries = space.get("owner"), space.get("members")
    people: list[tuple[JsonPath, object]] = [((*path, "owner"), owner)]
    first: dict[str, JsonPath] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        place: JsonPath = (*path, "members", index)
        if isinstance(entry, dict):
            _check_keys(entry, Member, place, problems)
            people.append(((*place, "email"), entry.get("email")))
        else:
            people.append((place, entry))
    for place, email in people:
        if not isinstance(email, str) or models.email_flaw(email):
            continue
        if email not in emails:
            problems.add(place, f"{quote(email)} is not a persona of this catalog")
        problems.check_unique("email", email, place, first)


def explain(error: ValidationError, document: object, problems: Problems) -> None:
    """Add pydantic's errors."""
    for detail in error.errors(include_url=False, include_input=False):
        kind, context = detail["type"], detail.get("ctx", {})
        path, value = _follow(document, detail["loc"])
        if kind == "missing":
            key = str(detail["loc"][-1])
            problems.add((*path, key), f'"{key}" is missing')
            continue
        if kind == "too_short" and value:
            continue  # pydantic also calls a list too short if all its entries are wrong
        if kind in ("too_short", "string_too_short"):
            complaint = "must not be empty"
        elif kind == "string_unicode":
            complaint = models.text_flaw(str(value))
        elif kind in _EXPECTED or kind in ("enum", "string_pattern_mismatch"):
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
        match value, part:
            case (dict(), _) if part in value:
                value = value[part]
            case list(), int():
                value = value[part]
            case _:
                continue
        path.append(part)
    return tuple(path), value


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
