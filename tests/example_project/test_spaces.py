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


@pytest.mark.parametrize(("persona", "role"), [("ada", "owner"), ("ben", "member")], indirect=["persona"])
def test_the_spaces_of_the_catalog_are_there(
    persona: Persona, persona_client: httpx.Client, role: str
) -> None:
    (space,) = persona.spaces
    assert (space.slug, space.role_of(persona)) == ("garden-books", role)
    found = persona_client.get(
        "/api/auth/organization/get-full-organization", params={"organizationSlug": space.slug}
    ).json()
    roles = {member["user"]["email"]: member["role"] for member in found["members"]}
    assert roles[persona.email] == role
    assert len(roles) == 2


def test_the_cookie_and_the_jwt_are_good_for_writing_too(persona_client: httpx.Client) -> None:
    space = {"name": "Herbarium", "slug": "herbarium", "metadata": {"type": "family"}}
    persona_client.post("/api/auth/organization/create", json=space).raise_for_status()
    spaces = persona_client.get("/api/auth/organization/list").json()
    assert "herbarium" in [found["slug"] for found in spaces]


def test_two_personas_meet(personas_service: PersonasService) -> None:
    with personas_service.client("ada") as ada, personas_service.client("ben") as ben:
        assert (whoami(ada), whoami(ben)) == ("persona.ada@mana.test", "persona.ben@mana.test")
