from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from personas.embedded.schema import members, organizations, users
from personas.embedded.users import make_user

from .conftest import ADA, BO, CY, SECRET, Service, entry, personas, write_catalog


def space(
    slug: str = "flat", owner: str = ADA, members: tuple[Any, ...] = (BO,), **more: Any
) -> dict[str, Any]:
    return {"slug": slug, "name": slug.title(), "type": "family", "owner": owner, "members": members, **more}


def write_with_spaces(*spaces: dict[str, Any], ada: str = "Ada") -> None:
    write_catalog(entry("ada", name=ada), entry("bo"), entry("cy", archetype="solo-dev"), spaces=spaces)


@pytest.fixture
def sharing(seeded: Service) -> Service:
    """A service with three personas and two spaces."""
    write_with_spaces(space(), space("desk", BO, (CY,)))
    result = personas("spaces", *seeded.at)
    assert (result.code, "2 created" in result.out) == (0, True)
    return seeded


def test_spaces_are_compared_pruned_and_deleted(sharing: Service) -> None:
    def spaces(*options: str) -> tuple[int, str]:
        result = personas("spaces", *sharing.at, *options)
        return result.code, result.out + result.err

    code, text = spaces()
    assert (code, text.startswith("✓ 2 spaces in sync")) == (0, True)
    assert spaces("-q") == (0, "")
    # No other command reads spaces.
    assert "8 requests" in personas("seed", *sharing.at).out
    # A slug of another owner is a conflict.
    write_with_spaces(space("flat", CY, (ADA,)))
    for options in ((), ("--dry-run",)):
        code, text = spaces(*options)
        assert (code, "conflict" in text) == (6, True)
    write_with_spaces(
        space(name="New name", members=(BO, {"email": CY, "role": "admin"})), space("desk", BO, ())
    )
    code, text = spaces("--dry-run", "--fail-on-drift")
    assert (code, "New name" in text) == (10, True)
    assert spaces("--fail-on-drift")[0] == 2
    assert spaces()[0] == 0
    code, text = spaces("--prune")
    assert (code, "Add --yes" in text) == (5, True)
    assert spaces("--prune", "--yes")[0] == 0
    assert spaces("--dry-run", "--fail-on-drift")[0] == 0
    assert spaces("--delete")[0] == 5
    assert spaces("--delete", "--only", "desk", "--yes")[0] == 0
    preview = personas("spaces", *sharing.at, "--dry-run", "-o", "json").json["plan"]
    statuses = {change["key"]: change["status"] for change in preview["changes"]}
    assert statuses == {"flat": "in-sync", "desk": "create"}
    assert spaces("--delete", "--prune")[0] == 2
    assert spaces("--only", "nothing")[0] == 2


def test_replace_asks_to_run_spaces_again(sharing: Service) -> None:
    write_with_spaces(space(), space("desk", BO, (CY,)), ada="Another")
    for preview in (("dry-run", "--replace"), ("seed", "--dry-run", "--replace")):
        shown = personas(*preview, *sharing.at).out
        assert "Spaces that they own are deleted first, where they exist: flat." in " ".join(shown.split())
    assert "where they exist: flat, desk." in " ".join(
        personas("cleanup", "--dry-run", *sharing.at).out.split()
    )
    result = personas("seed", *sharing.at, "--replace", "--yes")
    assert (result.code, "personas spaces" in result.out) == (0, True)
    assert personas("spaces", *sharing.at).code == 0
    assert personas("spaces", *sharing.at, "--dry-run", "--fail-on-drift").code == 0


def test_personas_whose_spaces_cannot_be_released_are_kept(sharing: Service) -> None:
    # With another secret, no owner can sign in.
    options = ("cleanup", *sharing.at, "--yes")
    kept = personas(*options, PERSONA_SEED_SECRET="another-secret-0123")
    assert (kept.code, ADA in sharing.emails) == (6, True)
    unset = personas(*options, NODE_ENV="production", PERSONA_SEED_SECRET="")
    assert (unset.code, "Add --force" in unset.err) == (5, True)
    forced = personas(*options, "--force", PERSONA_SEED_SECRET="another-secret-0123")
    assert (forced.code, sharing.emails) == (0, set())
    assert "flat" in forced.out
    assert SECRET not in forced.out


def test_a_space_with_a_human_is_kept_and_reported(sharing: Service) -> None:
    now = datetime.now(UTC)
    human = make_user("human@else.test", "Human", now)
    with sharing.server.service.database.write() as connection:
        connection.execute(sa.insert(users).values(human))
        flat = connection.scalar(sa.select(organizations.c.id).where(organizations.c.slug == "flat"))
        member = {"id": "m1", "organization_id": flat, "user_id": human["id"], "role": "member"}
        connection.execute(sa.insert(members).values(**member, created_at=now))
    for option, word in (("--dry-run", "1 to delete"), ("--yes", "1 deleted")):
        result = personas("spaces", *sharing.at, "--delete", option)
        assert (result.code, word in result.out, "human@else.test" in result.out) == (6, True, True)
    assert personas("spaces", *sharing.at, "--delete", "--yes").code == 6
