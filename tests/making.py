"""Values that many tests need: personas, catalogs, what is live, tokens."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable
from typing import Any

from personas.catalog.reading import Cadence, Catalog, Persona, parse_catalog
from personas.reconcile.live import Live
from personas.service.models import LivePersona

SECRET = "a-seed-secret-for-tests"
PROMPT = "You are somebody who tests things with great care."


def make_persona(who: str, **changes: Any) -> Persona:
    values: dict[str, Any] = {
        "name": who.title(),
        "email": f"persona.{who}@mana.test",
        "archetype": "researcher",
        "system_prompt": f"{PROMPT} Your name is {who.title()}.",
        "module_mix": {"todo": 0.5, "notes": 1},
        "tick_cadence": Cadence.DAILY,
    }
    return Persona(**{**values, **changes})


def write_persona(persona: Persona) -> dict[str, Any]:
    return persona.model_dump(mode="json", by_alias=True)


def catalog_json(personas: Iterable[Persona]) -> str:
    return json.dumps({"personas": [write_persona(persona) for persona in personas]}, indent=2)


def make_catalog(*personas: Persona | str) -> Catalog:
    whole = [make_persona(p) if isinstance(p, str) else p for p in personas]
    return parse_catalog(catalog_json(whole))


def make_live_persona(persona: Persona | str, **changes: Any) -> LivePersona:
    persona = make_persona(persona) if isinstance(persona, str) else persona
    values: dict[str, Any] = {
        "user_id": f"id-{persona.email}",
        "email": persona.email,
        "name": persona.name,
        "archetype": persona.archetype,
        "system_prompt": persona.system_prompt,
        "module_mix": dict(persona.module_mix),
        "tick_cadence": str(persona.tick_cadence),
    }
    return LivePersona(**{**values, **changes})


def make_live(*personas: Persona | LivePersona | str, **parts: Any) -> Live:
    whole = tuple(p if isinstance(p, LivePersona) else make_live_persona(p) for p in personas)
    return Live(personas=whole, **parts)


def make_jwt(**claims: Any) -> str:
    """A token as far as a client can read it; its signature is of no worth."""
    payload = {"sub": "admin", "role": "admin", "exp": int(time.time()) + 900, **claims}
    payload = {key: value for key, value in payload.items() if value is not None}
    parts = [{"alg": "EdDSA", "kid": "k"}, payload]
    return ".".join([*(_base64url(json.dumps(part).encode()) for part in parts), _base64url(b"signature")])


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
