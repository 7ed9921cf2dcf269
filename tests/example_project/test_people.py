"""How a project may use the plugin."""

from __future__ import annotations

import anyio
import httpx
import pytest

from personas import Persona
from personas.testing import PersonasService


def signed_in_as(client: httpx.Client) -> str:
    return str(client.get("/api/auth/get-session").json()["user"]["email"])


def test_first_persona_is_the_default(persona: Persona, persona_client: httpx.Client) -> None:
    assert persona.name == "Ada Okafor"
    assert signed_in_as(persona_client) == persona.email


@pytest.mark.persona("ben")
def test_marker_with_a_local_part(persona_client: httpx.Client) -> None:
    assert signed_in_as(persona_client) == "persona.ben@mana.test"


@pytest.mark.persona(archetype="freelancer")
def test_marker_with_an_archetype(persona: Persona) -> None:
    assert persona.name == "Ben Roth"


@pytest.mark.parametrize("persona", ["Ada Okafor", "persona.ben@mana.test"], indirect=True)
def test_several_personas(persona: Persona, persona_client: httpx.Client) -> None:
    assert signed_in_as(persona_client) == persona.email


def test_shared_spaces_exist(personas_service: PersonasService) -> None:
    for who in ("ada", "ben"):
        with personas_service.client(who) as client:
            spaces = client.get("/api/auth/organization/list").json()
            assert "garden-books" in [space["slug"] for space in spaces]


def test_client_can_write(persona_client: httpx.Client) -> None:
    space = {"name": "Herbarium", "slug": "herbarium", "metadata": {"type": "family"}}
    persona_client.post("/api/auth/organization/create", json=space).raise_for_status()


def test_two_personas_at_once(personas_service: PersonasService) -> None:
    with personas_service.client("ada") as ada, personas_service.client("ben") as ben:
        assert (signed_in_as(ada), signed_in_as(ben)) == ("persona.ada@mana.test", "persona.ben@mana.test")


@pytest.mark.parametrize("time", ["first", "second"])
def test_sign_out_of_one_test_concerns_no_other(persona_client: httpx.Client, time: str) -> None:
    assert signed_in_as(persona_client) == "persona.ada@mana.test", f"the {time} time"
    persona_client.post("/api/auth/sign-out", json={}).raise_for_status()
    assert persona_client.get("/api/auth/get-session").json() is None


def test_asynchronous_client(personas_service: PersonasService, persona: Persona) -> None:
    async def main() -> str:
        async with personas_service.async_client(persona) as client:
            return str((await client.get("/api/auth/get-session")).json()["user"]["email"])

    assert anyio.run(main) == persona.email
