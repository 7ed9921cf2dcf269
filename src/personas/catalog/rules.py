"""What each field of a catalog must be: as checks that say what is wrong, and as JSON Schema for editors.

A check takes the value and returns what is wrong with it, to be read after the field's name, or nothing.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from personas.catalog.jsonsource import quote

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

PERSONA_DOMAIN = "@mana.test"
MISSING = object()
ROOT_KEYS = frozenset({"$schema", "description", "personas"})

_PROMPT_LENGTH = 20  # in UTF-16 units, as every program that reads the catalog counts
_ARCHETYPES = (
    "adhd-student",
    "ceo-busy",
    "creative-parent",
    "solo-dev",
    "researcher",
    "freelancer",
    "overwhelmed-newbie",
)
# What stands before the domain, by the rule of zod's .email(); that the rest is a good domain is known.
_LOCAL_PART = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+.-]*[A-Za-z0-9_+-]")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Cadence(StrEnum):
    """How often a persona uses the app."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"
    HOURLY = "hourly"


_CADENCES = frozenset(map(str, Cadence))


def describe(value: object) -> str:
    """Name a value in a message, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {quote(value)}"
    if isinstance(value, float):
        return f"the number {value:.17g}"
    return {dict: "an object", list: "a list", type(None): "null"}[type(value)]


def judge_unknown_key(key: str, known: AbstractSet[str]) -> str:
    """Say that a key is not known, and which known one is nearest."""
    nearest = _find_nearest(key, frozenset(known))
    return f"the key {quote(key)} is not known and has no effect" + (
        f'; do you mean "{nearest}"?' if nearest else ""
    )


@lru_cache(maxsize=256)
def _find_nearest(key: str, known: frozenset[str]) -> str:
    same = [name for name in known if name.lower() == key.lower()]
    return (same or get_close_matches(key[:60], sorted(known), n=1) or [""])[0]


def find_misspelt(key: str, value: dict[str, Any]) -> str:
    """For a key that is missing, name the unknown key that may have been meant."""
    likely = [
        other
        for other in value
        if other not in PERSONA_RULES and _find_nearest(other, frozenset(PERSONA_RULES)) == key
    ]
    return f"; is it the key {quote(likely[0])}?" if likely else ""


def _judge_text(value: Any) -> str:
    if type(value) is not str:
        return "is missing" if value is MISSING else f"must be a string, not {describe(value)}"
    if not value:
        return "must not be empty"
    if not value.isascii() or "\0" in value:
        return _judge_character(value)
    return ""


def _judge_character(value: str) -> str:
    if found := _UNSTORABLE.search(value):
        return f"holds the character U+{ord(found[0]):04X}, which cannot be stored"
    return ""


def _judge_prompt(value: Any) -> str:
    if type(value) is str and len(value) < _PROMPT_LENGTH:
        units = len(value.encode("utf-16-le", "surrogatepass")) // 2
        if units < _PROMPT_LENGTH:
            return f"must have at least {_PROMPT_LENGTH} characters, not {units}"
    return _judge_text(value)


def _judge_email(value: Any) -> str:
    if type(value) is not str:
        return _judge_text(value)
    if not value.endswith(PERSONA_DOMAIN):
        return f'must end in "{PERSONA_DOMAIN}", unlike {quote(value)}'
    if not _LOCAL_PART.fullmatch(value, 0, len(value) - len(PERSONA_DOMAIN)):
        return f"{quote(value)} is not an email address: before the @ stand letters, digits and single dots"
    if value != value.lower():
        return f"must be in lower case, as the service stores it: {quote(value.lower())}"
    return ""


def _judge_cadence(value: Any) -> str:
    if value is MISSING or (type(value) is str and value in _CADENCES):
        return ""
    return f'must be "daily", "weekdays" or "hourly", not {describe(value)}'


def _judge_mix(value: Any) -> str:
    if type(value) is dict:
        return ""
    if value is MISSING:
        return "is missing"
    return f'must be an object with the weights of modules, such as {{"todo": 0.6}}, not {describe(value)}'


def judge_weight(module: str, weight: Any) -> str:
    """Check one module of a module mix; the answer names the module."""
    if type(weight) is not float:
        return f"the weight of {quote(module)} must be a number, not {describe(weight)}"
    if weight < 0:
        return f"the weight of {quote(module)} must be 0 or more, not {weight:.17g}"
    if not module.isascii() or "\0" in module:
        return f"the name of a module {why}" if (why := _judge_character(module)) else ""
    return ""


PERSONA_RULES: dict[str, Callable[[Any], str]] = {
    "name": _judge_text,
    "email": _judge_email,
    "archetype": _judge_text,
    "systemPrompt": _judge_prompt,
    "moduleMix": _judge_mix,
    "tickCadence": _judge_cadence,
}


def catalog_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a catalog, for completion and help in editors."""
    persona = {
        "title": "Persona",
        "description": "One test user of the auth service.",
        "type": "object",
        "required": ["name", "email", "archetype", "systemPrompt", "moduleMix"],
        "properties": {
            "name": {
                "title": "Name",
                "description": "What the user is called. The service never changes it after the creation.",
                "type": "string",
                "minLength": 1,
                "examples": ["Anna"],
            },
            "email": {
                "title": "Email",
                "description": "Identifies the persona: lower case, unique here, ends in @mana.test.",
                "type": "string",
                "pattern": r"^(?!\.)(?!.*\.\.)[a-z0-9_'+.-]*[a-z0-9_+-]@mana\.test$",
                "examples": ["persona.anna@mana.test"],
            },
            "archetype": {
                "title": "Archetype",
                "description": "The kind of person, by which personas are chosen and counted.",
                "type": "string",
                "minLength": 1,
                "examples": list(_ARCHETYPES),
            },
            "systemPrompt": {
                "title": "System prompt",
                "description": "Whom a model plays: age, life, habits with the app, tone, mistakes.",
                "type": "string",
                "minLength": _PROMPT_LENGTH,
                "examples": ["You are Anna, 24. You plan everything on Sunday and forget it by Tuesday."],
            },
            "moduleMix": {
                "title": "Module mix",
                "description": "How much each module is used; the weights need not sum to 1.",
                "type": "object",
                "additionalProperties": {"type": "number", "minimum": 0},
                "examples": [{"todo": 0.5, "calendar": 0.3, "notes": 0.2}],
            },
            "tickCadence": {
                "title": "Tick cadence",
                "description": "How often the persona uses the app.",
                "enum": [str(cadence) for cadence in Cadence],
                "default": str(Cadence.DAILY),
            },
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Catalog of personas",
        "description": "The test users of an auth service, kept true on the service by the command personas.",
        "type": "object",
        "required": ["personas"],
        "properties": {
            "$schema": {
                "title": "Schema",
                "description": "Where editors find this schema.",
                "type": "string",
                "examples": ["./catalog.schema.json"],
            },
            "description": {
                "title": "Description",
                "description": "What this catalog is for; read by people only.",
                "type": "string",
            },
            "personas": {
                "title": "Personas",
                "description": "The personas, in any order.",
                "type": "array",
                "minItems": 1,
                "items": persona,
            },
        },
    }
