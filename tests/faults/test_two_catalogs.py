"""Several catalogs on one service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import World, statuses


def write(folder: Path, file: str, scope: str | list[str], *emails: str) -> str:
    personas = [
        {
            "name": email.partition("@")[0].title(),
            "email": email,
            "archetype": "solo-dev",
            "systemPrompt": "You keep short notes of everything you do.",
            "moduleMix": {"notes": 1},
        }
        for email in emails
    ]
    (folder / file).write_text(json.dumps({"scope": scope, "personas": personas}))
    return file


@pytest.fixture
def two(world: World) -> World:
    """Books and games, seeded, plus one persona of no catalog in each scope."""
    write(world.folder, "books.json", "books.*@acme.test", "books.a@acme.test", "books.b@acme.test")
    write(
        world.folder,
        "games.json",
        ["games.*@acme.test", "*@games.example"],
        "games.a@acme.test",
        "x@games.example",
    )
    for file in ("books.json", "games.json"):
        assert world.run("seed", "-c", file).code == 0
    return world


def test_each_catalog_is_in_sync_with_its_own_scope(two: World) -> None:
    for file in ("books.json", "games.json"):
        done = two.run("dry-run", "-c", file, "--fail-on-drift", "-o", "json")
        assert done.code == 0
        assert set(statuses(done).values()) == {"in-sync"}


def test_prune_leaves_the_other_catalog_alone(two: World) -> None:
    write(two.folder, "books.json", "books.*@acme.test", "books.a@acme.test")
    done = two.run("dry-run", "-c", "books.json", "-o", "json")
    assert statuses(done) == {"books.a@acme.test": "in-sync", "books.b@acme.test": "extra"}
    assert two.run("seed", "-c", "books.json", "--prune", "--yes").code == 0
    assert set(two.live()) == {"books.a@acme.test", "games.a@acme.test", "x@games.example"}


def test_cleanup_leaves_the_other_catalog_and_says_so(two: World) -> None:
    done = two.run("cleanup", "-c", "books.json", "--yes")
    assert done.code == 0
    assert "2" in done.out
    assert "outside the scope" in done.all.lower()
    assert set(two.live()) == {"games.a@acme.test", "x@games.example"}


def test_list_and_show_see_only_the_scope(two: World) -> None:
    done = two.run("list", "-c", "books.json", "-o", "json")
    assert {persona["email"] for persona in done.json["live"]["personas"]} == {
        "books.a@acme.test",
        "books.b@acme.test",
    }
    assert done.json["live"]["others"] == 2
    assert two.run("show", "games.a", "-c", "books.json").code == 2


def test_drift_of_one_catalog_does_not_show_in_the_other(two: World) -> None:
    text = (two.folder / "books.json").read_text().replace("short notes", "long notes")
    (two.folder / "books.json").write_text(text)
    assert two.run("dry-run", "-c", "books.json", "--fail-on-drift").code == 10
    assert two.run("dry-run", "-c", "games.json", "--fail-on-drift").code == 0


def test_overlapping_scopes_report_the_other_persona_as_extra(two: World) -> None:
    write(two.folder, "all.json", "*@acme.test", "books.a@acme.test")
    done = two.run("dry-run", "-c", "all.json", "-o", "json")
    assert statuses(done) == {
        "books.a@acme.test": "in-sync",
        "books.b@acme.test": "extra",
        "games.a@acme.test": "extra",
    }


def test_hints_name_an_option_not_a_command_without_options(two: World) -> None:
    write(two.folder, "books.json", "books.*@acme.test", "books.a@acme.test")
    done = two.run("dry-run", "-c", "books.json", "--only", "books.*")
    assert "--prune" in done.out
    assert "personas seed" not in done.all


def test_human_in_the_scope_is_a_conflict(two: World) -> None:
    two.sign_up("books.c@acme.test")
    write(
        two.folder,
        "books.json",
        "books.*@acme.test",
        "books.a@acme.test",
        "books.b@acme.test",
        "books.c@acme.test",
    )
    assert two.run("seed", "-c", "books.json").code == 5


def test_new_persona_of_several_domains_needs_one_count_each(two: World) -> None:
    write(
        two.folder,
        "games.json",
        ["games.*@acme.test", "*@games.example"],
        "games.a@acme.test",
        "x@games.example",
        "y@games.example",
    )
    assert two.run("seed", "-c", "games.json").code == 0
    assert two.proxy.count("GET", "/api/v1/admin/users") <= 2
    assert "y@games.example" in two.live()
