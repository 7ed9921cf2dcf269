"""Whoever is deleted leaves no space behind, also where the catalog of the run tells of none."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import make_catalog, make_persona

from personas.catalog.models import Catalog
from personas.reconcile.plan import Intent

from .faultserver import Answer, Fault, fault_server
from .space_tool import BO, SHARED, SPACES, Tool, assert_all_done, shared, states_of, wanted, write
from .world import World, both_worlds, environment, run

CLEANUP = Intent(purpose="cleanup")
WITHOUT_SPACES = make_catalog("ada", "bo", "cy")
SOMEBODY_ELSE = make_catalog("zed")


def seed_again(real: World) -> None:
    """What was left behind would keep its slug from being used again."""
    assert_all_done(Tool(real).run(SHARED))
    assert shared(real) == wanted(SHARED)


@pytest.mark.parametrize(
    ("_one_world", "content"),
    [
        *(("original", content) for content in ("without spaces", "others", "half a file", "no file")),
        ("embedded", "without spaces"),
    ],
    indirect=["_one_world"],
    scope="session",
)
def test_cleanup_leaves_no_space_behind_whatever_the_catalog_tells(
    real: World, tmp_path: Path, content: str
) -> None:
    Tool(real).run(SHARED)
    catalog = tmp_path / "missing.json"
    match content:
        case "without spaces":
            catalog = write(tmp_path, WITHOUT_SPACES)
        case "others":
            catalog = write(tmp_path, SOMEBODY_ELSE)
        case "half a file":
            catalog = write(tmp_path, SHARED)
            catalog.write_text(catalog.read_text()[:500])
    env = environment(real.url, real.token)
    preview = run("cleanup", "-c", catalog, "--dry-run", "-o", "json", env=env)
    assert {change["step"] for change in preview.document()["plan"]["spaceChanges"]} == {"delete"}
    state = "not-known" if "file" in content else "stray"
    assert states_of(preview) == {"flat": state, "desk": state}
    asked = run("cleanup", "-c", catalog, env=env)
    assert "cleanup would delete 3 personas and 2 spaces" in asked.err
    ended = run("cleanup", "-c", catalog, "--yes", "-o", "json", env=env)
    assert ended.code == 0, ended
    assert (real.personas, shared(real)) == (set(), {})
    assert "not looked for" not in ended.everything
    assert "are not known" not in ended.everything
    seed_again(real)


@both_worlds
@pytest.mark.parametrize(
    ("catalog", "intent"),
    [
        (SOMEBODY_ELSE, Intent(prune=True)),
        (
            make_catalog(make_persona("ada", name="Another"), "bo", make_persona("cy", name="One more")),
            Intent(recreate=True),
        ),
    ],
    ids=["prune", "recreate"],
)
def test_a_seed_that_deletes_leaves_no_space_behind_when_its_catalog_has_none(
    real: World, catalog: Catalog, intent: Intent
) -> None:
    Tool(real).run(SHARED)
    assert_all_done(Tool(real).run(catalog, intent))
    assert shared(real) == {}


@both_worlds
def test_of_many_personas_in_a_catalog_without_spaces_nobody_is_asked_and_it_is_told_before(
    real: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.reconcile.survey.MOST_ASKED", 2)
    Tool(real).run(SHARED)
    env = environment(real.url, real.token)
    preview = run("cleanup", "-c", write(tmp_path, WITHOUT_SPACES), "--dry-run", "-o", "json", env=env)
    [note] = [note for note in preview.document()["plan"]["notes"] if "shared spaces" in note]
    assert note.startswith("The shared spaces of 3 personas who are deleted are not known and stay behind: ")
    assert "for a catalog without spaces no more than" in note
    # Whoever the catalog lacks, or has under another name, is asked all the same.
    tool = Tool(real)
    tool.run(make_catalog("ada", make_persona("bo", name="Another")), CLEANUP)
    asked = [line for line in tool.lines if line == f"GET {SPACES}/list"]
    assert len(asked) == 2
    assert (real.personas, "desk" in shared(real)) == (set(), False)


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
    real: World, tmp_path: Path, fault: Fault, told: str
) -> None:
    Tool(real).run(WITHOUT_SPACES)
    catalog = write(tmp_path, WITHOUT_SPACES)
    with fault_server(lambda seen: fault if seen.path.startswith(SPACES) else None, real.url) as proxy:
        ended = run("cleanup", "-c", catalog, "--yes", env=environment(proxy.url, real.token))
    assert ended.code == 0, ended
    assert real.personas == set()
    assert told in " ".join(ended.everything.split())
    assert ("shared spaces" in ended.everything) == bool(told)


@both_worlds
def test_a_space_of_a_stray_that_cannot_be_looked_at_keeps_it_where_spaces_are_shared(
    real: World, tmp_path: Path
) -> None:
    Tool(real).run(SHARED)
    other = Answer(500, {"error": "broken"})
    with fault_server(
        lambda seen: other if seen.path.endswith("get-full-organization") else None, real.url
    ) as proxy:
        ended = run(
            "cleanup", "-c", write(tmp_path, SOMEBODY_ELSE), "--yes", env=environment(proxy.url, real.token)
        )
    assert ended.code == 6, ended
    assert BO in real.personas
    assert shared(real) == wanted(SHARED)
