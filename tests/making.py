"""Values that many tests need: personas, catalogs, what is live, tokens."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from personas.catalog.models import Member, Space, SpaceType
from personas.catalog.reading import Cadence, Catalog, Persona, parse_catalog
from personas.reconcile.live import Live
from personas.service.models import LiveMember, LivePersona, LiveSpace

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


def make_space(slug: str, owner: str, *members: str | Member, **changes: Any) -> Space:
    values: dict[str, Any] = {
        "slug": slug,
        "name": slug.title(),
        "type": SpaceType.FAMILY,
        "owner": f"persona.{owner}@mana.test",
        "members": tuple(
            Member(email=f"persona.{member}@mana.test") if isinstance(member, str) else member
            for member in members
        ),
    }
    return Space(**{**values, **changes})


def catalog_json(personas: Iterable[Persona], spaces: Iterable[Space] = ()) -> str:
    whole: dict[str, Any] = {"personas": [write_persona(persona) for persona in personas]}
    if written := [space.model_dump(mode="json", by_alias=True) for space in spaces]:
        whole["spaces"] = written
    return json.dumps(whole, indent=2)


def make_catalog(*personas: Persona | str, spaces: Iterable[Space] = ()) -> Catalog:
    whole = [make_persona(p) if isinstance(p, str) else p for p in personas]
    return parse_catalog(catalog_json(whole, spaces))


def make_live_space(space: Space, roles: Mapping[str, str] | None = None, **changes: Any) -> LiveSpace:
    """A live space as the catalog wants it, or with these members."""
    wanted = {space.owner: "owner", **{member.email: str(member.role) for member in space.members}}
    values: dict[str, Any] = {
        "space_id": f"id-{space.slug}",
        "slug": space.slug,
        "name": space.name,
        "metadata": {"type": str(space.type)},
        "members": tuple(
            LiveMember(member_id=f"member-{email}", user_id=f"id-{email}", email=email, role=role)
            for email, role in (wanted if roles is None else roles).items()
        ),
    }
    return LiveSpace(**{**values, **changes})


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
