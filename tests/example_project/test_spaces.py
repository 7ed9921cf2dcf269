"""What a project that uses the plugin may look like."""

from __future__ import annotations

import httpx
import pytest

from personas import Persona
from personas.testing import PersonasService


def whoami(client: httpx.Client) -> str:
    return str(client.get("/api/auth/get-session").json()["user"]["email"])


def test_without_a_marker_the_first_of_the_catalog_is_signed_in(
    persona: Persona, persona_client: httpx.Client
) -> None:
    assert persona.name == "Ada Okafor"
    assert whoami(persona_client) == persona.email


@pytest.mark.persona("ben")
def test_a_marker_chooses_by_local_part(persona_client: httpx.Client) -> None:
    assert whoami(persona_client) == "persona.ben@mana.test"


@pytest.mark.persona(archetype="freelancer")
def test_a_marker_chooses_by_archetype(persona: Persona) -> None:
    assert persona.name == "Ben Roth"


@pytest.mark.parametrize("persona", ["Ada Okafor", "persona.ben@mana.test"], indirect=True)
def test_a_parameter_chooses_several(persona: Persona, persona_client: httpx.Client) -> None:
    assert whoami(persona_client) == persona.email


def test_the_cookie_and_the_jwt_are_good_for_writing_too(persona_client: httpx.Client) -> None:
    space = {"name": "Herbarium", "slug": "herbarium", "metadata": {"type": "family"}}
    persona_client.post("/api/auth/organization/create", json=space).raise_for_status()
    spaces = persona_client.get("/api/auth/organization/list").json()
    assert "herbarium" in [found["slug"] for found in spaces]


def test_two_personas_meet(personas_service: PersonasService) -> None:
    with personas_service.client("ada") as ada, personas_service.client("ben") as ben:
        assert (whoami(ada), whoami(ben)) == ("persona.ada@mana.test", "persona.ben@mana.test")
