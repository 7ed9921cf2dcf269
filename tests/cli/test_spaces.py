from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import ADA, BO, CY, SECRET, Service, entry, personas, write_catalog


def space(
    slug: str = "flat", owner: str = ADA, members: tuple[Any, ...] = (BO,), **more: Any
) -> dict[str, Any]:
    return {"slug": slug, "name": slug.title(), "type": "family", "owner": owner, "members": members, **more}


def write_with_spaces(*spaces: dict[str, Any], ada: str = "Ada") -> None:
    write_catalog(entry("ada", name=ada), entry("bo"), entry("cy"), spaces=spaces)


@pytest.fixture
def sharing(service: Service) -> Service:
    """A service with three personas and two spaces."""
    write_with_spaces(space(), space("desk", BO, (CY,)))
    assert personas("seed", *service.at).code == 0
    result = personas("spaces", *service.at)
    assert (result.code, "2 created" in result.out) == (0, True)
    return service


def test_spaces_are_in_sync_or_in_conflict_with_another_owner(sharing: Service) -> None:
    again = personas("spaces", *sharing.at)
    assert (again.code, again.out.startswith("✓ 2 spaces in sync")) == (0, True)
    assert personas("spaces", *sharing.at, "-q").out == ""
    # No other command reads spaces.
    assert "8 requests" in personas("seed", *sharing.at).out
    # A slug of another owner is a conflict.
    write_with_spaces(space("flat", CY, (ADA,)))
    for options in ((), ("--dry-run",)):
        result = personas("spaces", *sharing.at, *options)
        assert (result.code, "conflict" in result.out) == (6, True)


def test_drift_of_spaces(sharing: Service) -> None:
    write_with_spaces(
        space(name="New name", members=(BO, {"email": CY, "role": "admin"})), space("desk", BO, ())
    )
    preview = personas("spaces", *sharing.at, "--dry-run", "--fail-on-drift")
    assert (preview.code, "New name" in preview.out) == (10, True)
    assert personas("spaces", *sharing.at, "--fail-on-drift").code == 2
    assert personas("spaces", *sharing.at).code == 0
    refused = personas("spaces", *sharing.at, "--prune")
    assert (refused.code, "Add --yes" in refused.err) == (5, True)
    assert personas("spaces", *sharing.at, "--prune", "--yes").code == 0
    assert personas("spaces", *sharing.at, "--dry-run", "--fail-on-drift").code == 0


def test_spaces_can_be_deleted(sharing: Service) -> None:
    assert personas("spaces", *sharing.at, "--delete").code == 5
    assert personas("spaces", *sharing.at, "--delete", "--only", "desk", "--yes").code == 0
    preview = personas("spaces", *sharing.at, "--dry-run", "-o", "json").json["plan"]
    statuses = {change["key"]: change["status"] for change in preview["changes"]}
    assert statuses == {"flat": "in-sync", "desk": "create"}
    assert personas("spaces", *sharing.at, "--delete", "--prune").code == 2
    assert personas("spaces", *sharing.at, "--only", "nothing").code == 2


def test_replace_asks_to_run_spaces_again(sharing: Service) -> None:
    write_with_spaces(space(), space("desk", BO, (CY,)), ada="Another")
    result = personas("seed", *sharing.at, "--replace", "--yes")
    assert (result.code, "personas spaces" in result.out) == (0, True)
    assert personas("spaces", *sharing.at).code == 0
    assert personas("spaces", *sharing.at, "--dry-run", "--fail-on-drift").code == 0


def test_personas_whose_spaces_cannot_be_released_are_kept(sharing: Service) -> None:
    # With another secret, no owner can sign in.
    options = ("cleanup", *sharing.at, "--yes")
    result = personas(*options, "-o", "json", PERSONA_SEED_SECRET="another-secret-0123")
    assert (result.code, json.loads(result.out)["exitCode"]) == (6, 6)
    assert ADA in sharing.emails
    unset = personas(*options, NODE_ENV="production", PERSONA_SEED_SECRET="")
    assert (unset.code, "Add --force" in unset.err) == (5, True)
    forced = personas(*options, "--force", PERSONA_SEED_SECRET="another-secret-0123")
    assert (forced.code, sharing.emails) == (0, set())
    assert "flat" in forced.out
    assert SECRET not in forced.out
