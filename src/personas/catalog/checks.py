"""What is wrong or doubtful in a catalog's document, in plain words: pydantic's errors and our own checks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from personas.catalog.models import (
    DEFAULT_SCOPE,
    Catalog,
    Member,
    Persona,
    Scope,
    Space,
    email_flaw,
    text_flaw,
)
from personas.catalog.positions import JsonPath, Positions, quote

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MAX_PERSONAL_SLUG = 30
_MAX_COMPARED = 1000  # emails that are searched for the nearest one

_ENTRIES = {
    "personas": "a persona must be an object",
    "spaces": "a space must be an object",
    "members": "a member must be an email, or an object with email and role",
}
_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "float_type": "a number",
    "finite_number": "a finite number",
    "dict_type": 'an object with weights, such as {"todo": 0.6}',
    "tuple_type": "a list",
}


class Finding(NamedTuple):
    """A problem without its position."""

    path: JsonPath
    message: str
    severity: Literal["error", "warning"] = "error"
    at_key: bool = False


def _warn(path: JsonPath, message: str, *, at_key: bool = False) -> Finding:
    return Finding(path, message, "warning", at_key)


def personal_slugs(emails: Iterable[str]) -> frozenset[str]:
    """Return the slugs that the service gives to the personal spaces of these accounts.

    Each gets the local part of its email, in words joined by hyphens, and `-2`, `-3` … where that is taken.
    """
    counts: Counter[str] = Counter()
    for email in emails:
        words = re.sub("[^a-z0-9]+", "-", email.lower().rpartition("@")[0]).strip("-")
        counts[words[:_MAX_PERSONAL_SLUG]] += 1
    numbered = {f"{slug}-{number}" for slug, count in counts.items() for number in range(2, count + 1)}
    return frozenset(counts) | numbered


def check(document: object, positions: Positions) -> Iterator[Finding]:
    """Find what single values do not show: unknown keys, duplicates, emails outside the scope, wrong spaces.

    Args:
        document: The decoded JSON; parts of the wrong type are left to `explain`.
        positions: For the lines that messages mention.
    """
    if not isinstance(document, dict):
        return
    yield from _check_keys(document, Catalog, ())
    personas = dict(_objects(document, "personas", ()))
    emails: dict[str, JsonPath] = {}
    for path, persona in personas.items():
        yield from _check_keys(persona, Persona, path)
        yield from _check_email(persona.get("email"), (*path, "email"), emails, positions)
        yield from _check_doubts(persona, path)
    yield from _check_names(personas)
    yield from _check_scope(document, personas)
    slugs: dict[str, JsonPath] = {}
    taken = personal_slugs(emails)
    for path, space in _objects(document, "spaces", ()):
        yield from _check_keys(space, Space, path)
        yield from _check_blank_around(space, path, "name")
        yield from _check_slug(space.get("slug"), (*path, "slug"), slugs, taken, positions)
        yield from _check_members(space, path, emails, positions)


def _objects(
    parent: Mapping[str, Any], key: str, path: JsonPath
) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    entries = parent.get(key)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield (*path, key, index), entry


def _check_keys(entry: Mapping[str, Any], model: type[BaseModel], path: JsonPath) -> Iterator[Finding]:
    for key in entry:
        if key not in _known_keys(model):
            nearest = _nearest_key(key, model)
            suggestion = f"; do you mean {quote(nearest)}?" if nearest else ""
            yield _warn((*path, key), f"unknown key {quote(key)}, ignored{suggestion}", at_key=True)


@lru_cache
def _known_keys(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(str(field.alias) for field in model.model_fields.values())


@lru_cache(maxsize=256)
def _nearest_key(key: str, model: type[BaseModel]) -> str:
    known = {name.lower(): name for name in sorted(_known_keys(model))}
    near = get_close_matches(key[:60].lower(), known, n=1)
    return known[near[0]] if near else ""


def _check_email(
    email: object, path: JsonPath, first: dict[str, JsonPath], positions: Positions
) -> Iterator[Finding]:
    # The service stores emails in lower case, so two that differ in case are one account.
    if isinstance(email, str) and (used := first.setdefault(email.lower(), path)) != path:
        yield Finding(path, f"the email {quote(email)} is already used on line {positions.locate(used)[0]}")


def _check_doubts(persona: Mapping[str, Any], path: JsonPath) -> Iterator[Finding]:
    yield from _check_blank_around(persona, path, "name")
    yield from _check_blank_around(persona, path, "archetype")
    prompt, mix = persona.get("systemPrompt"), persona.get("moduleMix")
    if isinstance(prompt, str) and prompt.isspace():
        yield _warn((*path, "systemPrompt"), '"systemPrompt" is blank')
    if isinstance(mix, dict) and not any(mix.values()):
        what = "has only weights of 0" if mix else "is empty"
        yield _warn((*path, "moduleMix"), f'"moduleMix" {what}: the persona uses no module')


def _check_blank_around(entry: Mapping[str, Any], path: JsonPath, key: str) -> Iterator[Finding]:
    text = entry.get(key)
    if isinstance(text, str) and text != text.strip():
        yield _warn((*path, key), f'"{key}" has white space around it: {quote(text)}')


def _check_names(personas: Mapping[JsonPath, Mapping[str, Any]]) -> Iterator[Finding]:
    by_name: dict[str, list[JsonPath]] = {}
    for path, persona in personas.items():
        if isinstance(name := persona.get("name"), str):
            by_name.setdefault(name, []).append((*path, "name"))
    for name, paths in by_name.items():
        if len(paths) > 1:
            yield _warn(paths[1], f"{len(paths)} personas have the name {quote(name)}")


def _check_scope(
    document: Mapping[str, Any], personas: Mapping[JsonPath, Mapping[str, Any]]
) -> Iterator[Finding]:
    given = document.get("scope", DEFAULT_SCOPE)
    try:
        scope = Scope.model_validate({"patterns": [given] if isinstance(given, str) else given})
    except ValidationError:
        return  # `explain` reports it
    if scope.real_domains and document.get("allowRealDomain") is not True:
        domains = ", ".join(domain.removeprefix("@") for domain in scope.real_domains)
        message = f'{domains} is not reserved for tests; writing to it needs "allowRealDomain": true'
        yield _warn(("scope",), message)
    advice = "" if "scope" in document else '; another "scope" can be set at the top of the catalog'
    for path, persona in personas.items():
        email = persona.get("email")
        if isinstance(email, str) and not email_flaw(email) and not scope.contains(email):
            yield Finding((*path, "email"), f"{quote(email)} is outside the scope {scope}{advice}")


def _check_slug(
    slug: object, path: JsonPath, first: dict[str, JsonPath], taken: frozenset[str], positions: Positions
) -> Iterator[Finding]:
    if not isinstance(slug, str):
        return
    if (used := first.setdefault(slug, path)) != path:
        yield Finding(path, f"the slug {quote(slug)} is already used on line {positions.locate(used)[0]}")
    if slug in taken:
        message = f"{quote(slug)} is the slug of a persona's personal space, which the service makes"
        yield Finding(path, f"{message}; choose another one")


def _check_members(
    space: Mapping[str, Any], path: JsonPath, emails: Mapping[str, JsonPath], positions: Positions
) -> Iterator[Finding]:
    owner = space.get("owner")
    yield from _check_known(owner, (*path, "owner"), emails)
    members = space.get("members")
    first: dict[str, JsonPath] = {}
    for index, member in enumerate(members if isinstance(members, list) else ()):
        place: JsonPath = (*path, "members", index)
        email = member
        if isinstance(member, dict):
            yield from _check_keys(member, Member, place)
            email, place = member.get("email"), (*place, "email")
        if not isinstance(email, str):
            continue
        yield from _check_known(email, place, emails)
        if email == owner:
            yield Finding(place, f"{quote(email)} owns this space; remove it from the members")
        elif (used := first.setdefault(email, place)) != place:
            message = f"{quote(email)} is already a member, on line {positions.locate(used)[0]}"
            yield Finding(place, message)


def _check_known(email: object, path: JsonPath, emails: Mapping[str, JsonPath]) -> Iterator[Finding]:
    if not isinstance(email, str) or email in emails or email_flaw(email):
        return
    by_local = {known.partition("@")[0]: known for known in emails} if len(emails) <= _MAX_COMPARED else {}
    near = get_close_matches(email.partition("@")[0], by_local, n=1)
    suggestion = f"; do you mean {quote(by_local[near[0]])}?" if near else ""
    yield Finding(path, f"{quote(email)} is not a persona of this catalog{suggestion}")


def explain(error: ValidationError, document: object) -> Iterator[Finding]:
    """Translate pydantic's errors, with the paths that the document has."""
    for detail in error.errors(include_url=False, include_input=False):
        path, value = _follow(document, detail["loc"])
        if detail["type"] == "missing":
            key = str(detail["loc"][-1])
            yield Finding((*path, key), f'"{key}" is missing')
        elif detail["type"] != "too_short" or value == []:
            # pydantic also calls a list too short if all its entries are wrong.
            yield Finding(path, _message(detail, path, value))


def _follow(document: object, loc: Iterable[str | int]) -> tuple[JsonPath, object]:
    """Return what a location of pydantic means: it also names parts that the short forms do not have."""
    path: list[str | int] = []
    value = document
    for part in loc:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            value = value[part]  # type: ignore[index]  # mypy joins the two kinds of keys
            path.append(part)
    return tuple(path), value


def _message(detail: ErrorDetails, path: JsonPath, value: object) -> str:
    kind = detail["type"]
    *around, key = path or ("",)
    parent = str(around[-1]) if around else ""
    if kind == "model_type":
        return f"{_ENTRIES.get(parent, 'a catalog must be an object')}, not {describe(value)}"
    if parent == "moduleMix":
        subject = f"the {'module name' if kind == 'flaw' else 'weight of'} {quote(str(key))}"
    elif parent == "scope":
        subject = "a pattern"
    elif parent == "members":
        subject = "the email of a member"
    else:
        subject = f'"{key}"'
    return f"{subject} {_complaint(detail, value)}"


def _complaint(detail: ErrorDetails, value: object) -> str:
    kind = detail["type"]
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "string_unicode":
        return text_flaw(str(value))
    if kind == "greater_than_equal":
        return f"must be 0 or more, not {describe(value)}"
    if kind == "enum":
        expected = detail["ctx"]["expected"].replace("'", '"')
        return f"must be {expected}, not {describe(value)}"
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {describe(value)}"
    return detail["msg"]


def describe(value: object) -> str:
    """Name a JSON value in a message, shortened."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return quote(value)
        case float():
            return f"{value:.17g}"
        case list():
            return "a list"
    return "an object"
