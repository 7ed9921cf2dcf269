"""Several catalogs on one service."""

from __future__ import annotations

import pytest

from .conftest import World, statuses

A, B = "books.a@acme.test", "books.b@acme.test"
GAMES = {"games.a@acme.test", "x@games.example"}
BOOKS = ("-c", "books.json")
SCOPED = {"file": "books.json", "scope": "books.*@acme.test"}


@pytest.fixture
def two(world: World) -> World:
    """Books and games, both seeded."""
    world.catalog(A, B, **SCOPED)
    world.catalog(*sorted(GAMES), file="games.json", scope=["games.*@acme.test", "*@games.example"])
    for file in ("books.json", "games.json"):
        assert world.run("seed", "-c", file).code == 0
    return world


def test_each_catalog_sees_only_its_scope(two: World) -> None:
    for file in ("books.json", "games.json"):
        done = two.run("dry-run", "-c", file, "--fail-on-drift", "-o", "json")
        assert (done.code, set(statuses(done).values())) == (0, {"in-sync"})
    live = two.run("list", *BOOKS, "-o", "json").json["live"]
    assert ({persona["email"] for persona in live["personas"]}, live["others"]) == ({A, B}, 2)
    assert two.run("show", "games.a", *BOOKS).code == 2
    two.edit("short notes", "long notes", file="books.json")
    assert two.run("dry-run", *BOOKS, "--fail-on-drift").code == 10
    assert two.run("dry-run", "-c", "games.json", "--fail-on-drift").code == 0


def test_prune_leaves_the_other_catalog_alone(two: World) -> None:
    two.catalog(A, **SCOPED)
    assert statuses(two.run("dry-run", *BOOKS, "-o", "json")) == {A: "in-sync", B: "extra"}
    done = two.run("dry-run", *BOOKS, "--only", "books.*")
    assert "--prune" in done.out
    assert "personas seed" not in done.all  # which would prune another catalog
    assert two.run("seed", *BOOKS, "--prune", "--yes").code == 0
    assert set(two.live()) == {A, *GAMES}


def test_cleanup_leaves_the_other_catalog_and_says_so(two: World) -> None:
    done = two.run("cleanup", *BOOKS, "--yes")
    assert done.code == 0
    assert "2 deleted" in done.out
    assert "outside the scope" in done.all.lower()
    assert set(two.live()) == GAMES


def test_overlapping_scope_reports_the_other_persona_as_extra(two: World) -> None:
    two.catalog(A, file="all.json", scope="*@acme.test")
    done = two.run("dry-run", "-c", "all.json", "-o", "json")
    assert statuses(done) == {A: "in-sync", B: "extra", "games.a@acme.test": "extra"}
    assert two.proxy.writes == []
