"""A seed secret that does not match the live personas."""

from __future__ import annotations

from .conftest import ANNA, BO, KIM, World, statuses

OTHER = "another seed secret"


def test_another_secret_stops_the_run_before_any_write(world: World) -> None:
    world.seed("anna", "bo", secret=OTHER)
    world.catalog("anna", "bo", "kim")
    for command in (("seed",), ("dry-run",), ("seed", "--only", "kim")):
        done = world.run(*command)
        assert done.code == 5
        assert "The seed secret does not match" in done.err
        assert world.proxy.writes == []
    assert KIM not in world.live()
    assert world.run("seed", "--replace", "--yes").code == 0
    assert [world.sign_in(email).status_code for email in world.live()] == [200] * 3


def test_check_passwords_finds_one_in_the_middle(world: World) -> None:
    world.seed("anna")
    world.seed("bo", secret=OTHER)
    world.seed("kim")
    world.catalog("anna", "bo", "kim")
    done = world.run("dry-run", "-o", "json")
    assert statuses(done) == {ANNA: "in-sync", BO: "in-sync", KIM: "in-sync"}
    done = world.run("dry-run", "--check-passwords", "-o", "json")
    assert statuses(done) == {ANNA: "in-sync", BO: "replace", KIM: "in-sync"}
