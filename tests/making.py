"""Catalogs and live states of a few personas; `ada` is short for `persona.ada@mana.test`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from personas import Catalog, LivePersona, LiveState, ManaService, PasswordDeriver, Secret, parse_catalog

PASSWORDS = PasswordDeriver(Secret("the seed secret of the tests"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REMOVED = "<removed>"

FIXED = ManaService.capabilities
# A service that can change name and password, stores little else, and whose list has it all.
FLEXIBLE = replace(
    FIXED, stored=frozenset({"name"}), updatable=frozenset({"name", "password"}), complete_list=True
)


def email_of(who: str) -> str:
    return who if "@" in who else f"persona.{who}@mana.test"


def who_has(email: str) -> str:
    return email.removeprefix("persona.").removesuffix("@mana.test")


def entry(who: str, **changes: Any) -> dict[str, Any]:
    """A persona as a catalog has it; the value REMOVED removes a key."""
    name = who_has(who).title()
    whole = {
        "name": name,
        "email": email_of(who),
        "archetype": "researcher",
        "systemPrompt": f"You are {name} and test things with great care.",
        "moduleMix": {"todo": 0.5, "notes": 1},
        "tickCadence": "daily",
    } | changes
    return {key: value for key, value in whole.items() if value != REMOVED}


def make_text(*personas: str | dict[str, Any], **root: Any) -> str:
    """A catalog with these personas, or with Ida0, Ida1 … and what is different about them."""
    entries = [
        entry(one) if isinstance(one, str) else entry(f"ida{number}", **one)
        for number, one in enumerate(personas or ("ida0",))
    ]
    return json.dumps({"personas": entries} | root, indent=1)


def make_catalog(*personas: str | dict[str, Any], **root: Any) -> Catalog:
    return parse_catalog(make_text(*personas, **root))


def make_live(who: str, **changes: Any) -> LivePersona:
    """The persona as the service has it, equal to the catalog's but for the changes."""
    return LivePersona.model_validate(entry(who) | {"userId": f"id-{who}", "createdAt": NOON} | changes)


def make_state(*live: str | LivePersona, **changes: Any) -> LiveState:
    personas = tuple(make_live(who) if isinstance(who, str) else who for who in live)
    whole: dict[str, Any] = {"taken_at": NOON, "service": "https://auth.example.test", "personas": personas}
    whole |= {"scope": ("*@mana.test",), "capabilities": FIXED} | changes
    if whole["capabilities"]:  # a snapshot has none
        whole["updatable"] = tuple(whole["capabilities"].updatable)
    return LiveState(**whole)
