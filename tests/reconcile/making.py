"""Catalogs and live states of a few personas; `ada` is short for `persona.ada@mana.test`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Catalog
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import Change, LiveState, Options, Plan
from personas.reconcile.plan import make_plan
from personas.redact import Secret
from personas.services.mana import ManaService
from personas.services.models import LivePersona, PasswordCheck, Verdict

PASSWORDS = PasswordDeriver(Secret("a-seed-secret-for-tests"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

FIXED = ManaService.capabilities
# A service that can change name and password, stores little else, and whose list has it all.
FLEXIBLE = replace(
    FIXED, stored=frozenset({"name"}), updatable=frozenset({"name", "password"}), complete_list=True
)
RIGHT, WRONG = PasswordCheck(Verdict.RIGHT), PasswordCheck(Verdict.WRONG)
UNTOLD = PasswordCheck(Verdict.UNKNOWN, "a second factor")


def email_of(who: str) -> str:
    return who if "@" in who else f"persona.{who}@mana.test"


def who_has(email: str) -> str:
    return email.removeprefix("persona.").removesuffix("@mana.test")


def entry(who: str, **changes: Any) -> dict[str, Any]:
    """A persona as a catalog has it."""
    return {
        "name": who.title(),
        "email": email_of(who),
        "archetype": "researcher",
        "systemPrompt": f"You are {who.title()} and test things with great care.",
        "moduleMix": {"todo": 0.5, "notes": 1},
        "tickCadence": "daily",
    } | changes


def make_catalog(*personas: str | dict[str, Any], **root: Any) -> Catalog:
    entries = [entry(who) if isinstance(who, str) else who for who in personas]
    return parse_catalog(json.dumps({"personas": entries} | root, indent=2))


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


def plan_for(catalog: Catalog, state: LiveState, **options: Any) -> Plan:
    return make_plan(catalog, state, Options(**options))


def describe(change: Change) -> tuple[str, str, str, str]:
    """Who, the status, the action and the reason."""
    return who_has(change.key), change.status, change.action or "", change.reason
