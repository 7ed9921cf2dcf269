"""The words of problems: texts, values and paths as they are shown, and pydantic's errors said plainly."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic_core import ErrorDetails

JsonPath = tuple[str | int, ...]

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_MANY_EMAILS = 1000  # comparing with more would take longer than reading them
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_KINDS = {dict: "an object", list: "a list", type(None): "null"}

# What a value must be, by the kind of pydantic's error.
_EXPECTED = {
    "string_type": "a string",
    "float_type": "a number",
    "dict_type": 'an object with the weights of modules, such as {"todo": 0.6}',
}
_ENTRIES = {
    "personas": "a persona is an object",
    "spaces": "a space is an object",
    "members": "a member is an email, or an object with email and role",
}


def quote(text: str, limit: int = 60) -> str:
    """Show a text in a message: in quotes, shortened, without a character that could harm a terminal."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    escaped = json.dumps(shown, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in escaped)


def json_path(path: JsonPath) -> str:
    """Write a path as `$.personas[3].email`, and keys that are no identifiers as `$["a b"]`."""
    parts = ["$"]
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif _IDENTIFIER.fullmatch(part) and len(part) <= 60:
            parts.append(f".{part}")
        else:
            parts.append(f"[{quote(part)}]")
    return "".join(parts)


def describe(value: object) -> str:
    """Name a value of a JSON text in a message, shortened."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f"the string {quote(value)}"
        case float():
            return f"the number {value:.17g}"
    return _KINDS[type(value)]


def find_unstorable(text: str) -> str:
    """Say which character of a text no database takes, or nothing."""
    found = None if text.isascii() and "\0" not in text else _UNSTORABLE.search(text)
    return f"holds the character U+{ord(found[0]):04X}, which cannot be stored" if found else ""


def tell_unknown_key(key: str, known: frozenset[str]) -> str:
    """Say that a key is not known, and which known one is nearest."""
    nearest = _find_nearest(key, known)
    return f"the key {quote(key)} is not known and has no effect" + (
        f'; do you mean "{nearest}"?' if nearest else ""
    )


def tell_missing(key: str, around: Mapping[str, object], known: frozenset[str]) -> str:
    """Say that a key is missing, and which unknown one may have been meant."""
    likely = [other for other in around if other not in known and _find_nearest(other, known) == key]
    what = ": the list of personas" if key == "personas" else ""
    return f'"{key}" is missing{what}' + (f"; is it the key {quote(likely[0])}?" if likely else "")


def tell_unknown_email(email: str, known: Collection[str]) -> str:
    """Say that an email is not one of this catalog, and which of its emails is nearest."""
    few = {_short(other): other for other in known} if len(known) <= _MANY_EMAILS else {}
    nearest = get_close_matches(_short(email), few, n=1)
    what = f"{quote(email)} is not the email of a persona of this catalog"
    return what + (f"; do you mean {quote(few[nearest[0]])}?" if nearest else "")


def _short(email: str) -> str:
    """What tells an email from others: all of one catalog end alike, and many begin alike."""
    return email[:60].partition("@")[0].removeprefix("persona.")


@lru_cache(maxsize=256)
def _find_nearest(key: str, known: frozenset[str]) -> str:
    same = [name for name in known if name.lower() == key.lower()]
    return (same or get_close_matches(key[:60], sorted(known), n=1) or [""])[0]


def tell(error: ErrorDetails, path: JsonPath, value: object) -> str:
    """Say one of pydantic's errors: what is wrong, and what would be right.

    Args:
        error: The error, of a kind that the catalog's models can have; `missing` has words of its own.
        path: Where it is in the catalog.
        value: What stands there.
    """
    *around, name = path or ("",)
    match error["type"]:
        case "model_type":
            whole = _ENTRIES[str(around[-1])] if around else 'a catalog is an object, {"personas": [ … ]}'
            return f"{whole}, not {describe(value)}"
        case "too_short":
            return "there must be at least one persona"
        case "string_too_short":
            what = "must not be empty"
        case "string_unicode":
            what = find_unstorable(str(value))
        case "greater_than_equal":
            what = f"must be 0 or more, not {value:.17g}"
        case "enum":
            choice = error["ctx"]["expected"].replace("'", '"')
            what = f"must be {choice}, not {describe(value)}"
            if value == "personal":
                what += ": the service itself makes everybody's personal space"
        case "tuple_type":
            what = f"must be a list of {name}, not {describe(value)}"
        case kind if kind in _EXPECTED:
            what = f"must be {_EXPECTED[kind]}, not {describe(value)}"
        case _:
            what = error["msg"]
    if around[-1:] == ["moduleMix"]:
        return f"the weight of {quote(str(name))} {what}"
    return f'"{name}" {what}' if isinstance(name, str) else f"the email of a member {what}"
