"""Whoever is deleted leaves no space behind, also where the catalog of the run tells of none."""

from __future__ import annotations

import pytest
from making import make_catalog, make_persona

from personas.catalog.models import Catalog

from .faultserver import Answer, Fault, nothing, when
from .spaces import ALONE, BO, PRUNE, RECREATE, SHARED, SPACES, have, shared, wanted
from .world import World, both_worlds

SOMEBODY_ELSE = make_catalog("zed")
OTHER_NAMES = make_catalog(make_persona("ada", name="Another"), "bo", make_persona("cy", name="One more"))


@pytest.mark.parametrize(
    ("_one_world", "content"),
    [
        *(("original", content) for content in ("without spaces", "others", "half a file", "no file")),
        ("embedded", "without spaces"),
    ],
    indirect=["_one_world"],
    scope="session",
)
def test_cleanup_leaves_no_space_behind_whatever_the_catalog_tells(sharing: World, content: str) -> None:
    match content:
        case "without spaces":
            sharing.write_spaces(ALONE)
        case "others":
            sharing.write_spaces(SOMEBODY_ELSE)
        case "half a file":
            sharing.catalog.write_text(sharing.catalog.read_text()[:500])
        case "no file":
            sharing.catalog.unlink()
    preview = sharing.run("cleanup", "--dry-run", "-o", "json")
    assert {change["step"] for change in preview.plan()["spaceChanges"]} == {"delete"}
    state = "not-known" if "file" in content else "stray"
    assert preview.space_states() == {"flat": state, "desk": state}
    asked = sharing.run("cleanup", exits=5)
    assert "cleanup would delete 3 personas and 2 spaces" in asked.err
    ended = sharing.run("cleanup", "--yes", "-o", "json")
    assert (sharing.personas, shared(sharing)) == (set(), {})
    assert (
        "The personal spaces of 3 personas who were deleted may stay behind on the service, "
        "which has no call to delete them." in ended.document()["notes"]
    )
    assert "not looked for" not in ended.everything
    assert "are not known" not in ended.everything
    # What was left behind would keep its slug from being used again.
    sharing.write_spaces(SHARED)
    sharing.run("seed")
    assert shared(sharing) == wanted(SHARED)


@both_worlds
@pytest.mark.parametrize(
    ("catalog", "command"), [(SOMEBODY_ELSE, PRUNE), (OTHER_NAMES, RECREATE)], ids=["prune", "recreate"]
)
def test_a_seed_that_deletes_leaves_no_space_behind_when_its_catalog_has_none(
    sharing: World, catalog: Catalog, command: tuple[str, ...]
) -> None:
    sharing.write_spaces(catalog)
    sharing.run(*command)
    assert shared(sharing) == {}


@both_worlds
def test_of_many_personas_in_a_catalog_without_spaces_nobody_is_asked_and_it_is_told_before(
    sharing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.reconcile.survey.MOST_ASKED", 2)
    sharing.write_spaces(ALONE)
    preview = sharing.run("cleanup", "--dry-run", "-o", "json")
    [note] = [note for note in preview.plan()["notes"] if "shared spaces" in note]
    assert note.startswith("The shared spaces of 3 personas who are deleted are not known and stay behind: ")
    assert "for a catalog without spaces no more than" in note
    # Whoever the catalog lacks, or has under another name, is asked all the same.
    sharing.write_spaces(make_catalog("ada", make_persona("bo", name="Another")))
    ended = sharing.run("cleanup", "--yes", through=nothing)
    assert len(ended.seen.to(f"GET {SPACES}/list")) == 2
    assert (sharing.personas, "desk" in shared(sharing)) == (set(), False)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Answer(404, b"404 Not Found"), ""),
        (Answer(500, {"error": "broken"}), "not known and stay behind"),
        (Answer(503, {"error": "busy"}, (("Retry-After", "0"),)), "not known and stay behind"),
    ],
    ids=["no-spaces", "broken", "busy"],
)
def test_a_service_that_does_not_tell_spaces_is_cleaned_up_all_the_same(
    real: World, fault: Fault, told: str
) -> None:
    have(real, ALONE)
    ended = real.run("cleanup", "--yes", through=when(SPACES, then=fault))
    assert real.personas == set()
    assert told in " ".join(ended.everything.split())
    assert ("shared spaces" in ended.everything) == bool(told)


@both_worlds
def test_a_space_of_a_stray_that_cannot_be_looked_at_keeps_it_where_spaces_are_shared(sharing: World) -> None:
    sharing.write_spaces(SOMEBODY_ELSE)
    broken = when("get-full-organization", then=Answer(500, {"error": "broken"}))
    sharing.run("cleanup", "--yes", through=broken, exits=6)
    assert BO in sharing.personas
    assert shared(sharing) == wanted(SHARED)
