"""Commands that read tell the shared spaces, and sign in for them where that is worth it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Served, both_forms
from making import catalog_json, make_space

from personas.catalog.models import Member, Role

from .conftest import THREE, Personas

CY = "persona.cy@mana.test"
SPACES = (
    make_space("flat", "ada", "bo", Member(email=CY, role=Role.ADMIN), name="The flat"),
    make_space("desk", "cy", "bo"),
)
SIGN_IN = "/api/auth/sign-in/email"


@pytest.fixture
def shared(personas: Personas, folder: Path) -> None:
    """A catalog of three with two spaces."""
    del personas  # which writes a catalog of its own
    (folder / "catalog.json").write_text(catalog_json(THREE, SPACES), "utf-8")


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.usefixtures("shared")
def test_the_list_alone_signs_nobody_in_and_says_that_spaces_were_not_looked_at(
    personas: Personas, at: tuple[str, ...], served: Served
) -> None:
    personas("seed", *at)
    served.lines.clear()
    said = personas("list", *at)
    assert (said.code, served.count("POST", SIGN_IN)) == (0, 0)
    assert "3 live personas, all in sync" in said.out
    assert "2 spaces of the catalog not looked at (--full does)" in flat(said.out)
    assert json.loads(personas("list", *at, "-o", "json").out)["plan"]["spaceChanges"] == []


@both_forms("served")
@pytest.mark.usefixtures("shared")
def test_the_full_list_tells_the_spaces_and_is_planned_against_without_credentials(
    personas: Personas, folder: Path, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    said = personas("list", *at, "--full")
    assert "Spaces: 2 live, all in sync" in said.out
    assert "✓ in sync The flat flat family persona.ada@mana.test 3" in flat(said.out)
    snapshot = json.loads(personas("list", *at, "--full", "-o", "json").out)
    assert [space["slug"] for space in snapshot["live"]["spaces"]] == ["desk", "flat"]
    (folder / "live.json").write_text(json.dumps(snapshot), "utf-8")
    renamed = (SPACES[0].model_copy(update={"name": "The old flat"}), SPACES[1])
    (folder / "catalog.json").write_text(catalog_json(THREE, renamed), "utf-8")
    against = json.loads(personas("dry-run", "--against", "live.json", "-o", "json").out)
    live = json.loads(personas("dry-run", *at, "-o", "json").out)
    assert [(c["slug"], c["state"]) for c in against["plan"]["spaceChanges"]] == [
        ("flat", "update"),
        ("desk", "in-sync"),
    ]
    assert against["plan"]["checksum"] == live["plan"]["checksum"]
    assert against["requests"] == 0


@pytest.mark.usefixtures("shared")
def test_one_persona_is_shown_with_its_spaces_and_signs_in_their_owners_alone(
    personas: Personas, at: tuple[str, ...], served: Served
) -> None:
    personas("seed", *at)
    served.lines.clear()
    said = personas("show", "cy", *at)
    assert said.code == 0
    assert "Spaces state space slug type role" in flat(said.out)
    assert "✓ in sync The flat flat family admin" in flat(said.out)
    assert "✓ in sync Desk desk family owner" in flat(said.out)
    assert served.count("POST", SIGN_IN) == 2
    assert "Note:" not in said.out
    told = json.loads(personas("show", "ada", *at, "-o", "json").out)["plan"]
    assert [change["slug"] for change in told["spaceChanges"]] == ["flat"]
    assert [change["email"] for change in told["changes"]] == ["persona.ada@mana.test"]


@pytest.mark.usefixtures("shared")
def test_without_a_seed_secret_the_role_of_the_catalog_is_told_and_the_state_is_not_known(
    personas: Personas, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    said = personas("show", "cy", *at, env={"PERSONAS_ENV": "production", "PERSONA_SEED_SECRET": ""})
    assert said.code == 0
    assert "? not known The flat flat family admin" in flat(said.out)


@pytest.mark.usefixtures("shared")
def test_a_run_that_wrote_spaces_alone_is_not_silent_with_quiet(
    personas: Personas, folder: Path, at: tuple[str, ...]
) -> None:
    personas("seed", *at)
    again = (*SPACES, make_space("shed", "bo", "ada"))
    (folder / "catalog.json").write_text(catalog_json(THREE, again), "utf-8")
    said = personas("seed", *at, "--quiet")
    assert "3 personas in sync Spaces: 1 created, 2 in sync" in flat(said.out)
    assert personas("seed", *at, "--quiet").out == ""


@pytest.mark.usefixtures("shared")
def test_validate_and_an_offline_preview_tell_how_many_spaces_there_are(personas: Personas) -> None:
    assert "3 personas, 2 archetypes, 2 spaces" in personas("validate").out
    assert "3 personas, 2 spaces, compared with nothing" in personas("dry-run", "--offline").out
