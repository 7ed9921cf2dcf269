"""A seed secret that does not match the live personas."""

from __future__ import annotations

import pytest

from .conftest import ANNA, BO, KIM, RATE_LIMIT, SECRET, World, results, statuses
from .proxy import Answer, Break, every

OTHER = "another seed secret"


@pytest.mark.parametrize("names", [("anna",), ("anna", "bo")], ids=["one", "two"])
def test_another_secret_stops_the_run_before_any_write(world: World, names: tuple[str, ...]) -> None:
    world.seed(*names, secret=OTHER)
    world.catalog(*names, "kim")
    for command in (("seed",), ("dry-run",), ("seed", "--only", "kim")):
        done = world.run(*command)
        assert done.code == 5
        assert "The seed secret does not match" in done.err
        assert world.proxy.writes == []
    assert KIM not in world.live()
    assert world.run("seed", "--replace", "--yes").code == 0
    assert [world.sign_in(email).status_code for email in world.live()] == [200] * (len(names) + 1)


def test_unset_secret_is_named_as_the_cause(world: World) -> None:
    world.seed("anna", "bo")
    done = world.run("seed", PERSONA_SEED_SECRET=None)
    assert done.code == 5
    assert "development secret is in use" in done.all
    assert SECRET not in done.all


def test_some_wrong_passwords_are_status_replace(world: World) -> None:
    world.seed("anna", secret=OTHER)
    world.seed("bo")
    before = world.live()
    world.catalog("anna", "bo")
    done = world.run("dry-run", "-o", "json")
    assert (done.code, statuses(done)) == (0, {ANNA: "replace", BO: "in-sync"})
    assert world.run("dry-run", "--fail-on-drift").code == 10
    done = world.run("seed", "--replace", "--yes", "-o", "json")
    assert (done.code, results(done)) == (0, ["done"])
    after = world.live()
    assert (after[ANNA] != before[ANNA], after[BO]) == (True, before[BO])
    assert world.sign_in(ANNA).status_code == 200
    assert world.run("dry-run", "--fail-on-drift").code == 0


def test_check_passwords_finds_one_in_the_middle(world: World) -> None:
    world.seed("anna")
    world.seed("bo", secret=OTHER)
    world.seed("kim")
    world.catalog("anna", "bo", "kim")
    done = world.run("dry-run", "-o", "json")
    assert statuses(done) == {ANNA: "in-sync", BO: "in-sync", KIM: "in-sync"}
    done = world.run("dry-run", "--check-passwords", "-o", "json")
    assert statuses(done) == {ANNA: "in-sync", BO: "replace", KIM: "in-sync"}


def test_check_without_a_result_is_a_note_not_a_wrong_password(world: World) -> None:
    world.seed("anna", "bo")
    for fault in (
        RATE_LIMIT,
        Answer(401, {"error": "unauthorized"}),  # without the code of a wrong password
        Answer(500, {"message": "oops"}),
        Break("lost"),
    ):
        done = world.run("dry-run", "-o", "json", script=every(fault, path="/sign-in/"))
        assert (done.code, statuses(done)) == (0, {ANNA: "in-sync", BO: "in-sync"})
        notes = done.json["notes"] + done.json["plan"]["notes"]
        assert notes
        assert "replace" not in str(notes)
