"""A seed secret that does not match the live personas."""

from __future__ import annotations

import pytest

from .conftest import SECRET, World, results, statuses
from .proxy import Answer, Break, Request, every

ANNA, BO, KIM = (f"persona.{name}@mana.test" for name in ("anna", "bo", "kim"))
OTHER = "another seed secret"


@pytest.mark.parametrize("names", [("anna",), ("anna", "bo"), ("anna", "bo", "kim")])
@pytest.mark.parametrize("command", ["seed", "dry-run"])
def test_another_secret_stops_the_run_before_any_write(
    world: World, names: tuple[str, ...], command: str
) -> None:
    world.catalog(*names)
    assert world.run("seed").code == 0
    world.catalog(*names, "new")
    done = world.run(command, PERSONA_SEED_SECRET=OTHER)
    assert done.code == 5
    assert "The seed secret does not match" in done.err
    assert world.proxy.writes == []
    assert "persona.new@mana.test" not in world.live()


def test_persona_with_another_secret_is_never_in_sync(world: World) -> None:
    """One persona from each secret: neither secret may report that everything is in sync."""
    world.catalog("anna")
    assert world.run("seed", PERSONA_SEED_SECRET="one and only").code == 0
    world.catalog("anna", "bo")
    assert world.run("seed", PERSONA_SEED_SECRET=OTHER).code == 5
    assert set(world.live()) == {ANNA}


def test_some_wrong_passwords_are_status_replace(world: World) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed", "--only", "anna", PERSONA_SEED_SECRET=OTHER).code == 0
    catalog = world.folder / "bo.json"
    catalog.write_text(world.catalog("bo", file="bo.json").read_text())
    assert world.run("seed", "-c", "bo.json").code == 0
    done = world.run("dry-run", "-o", "json")
    assert done.code == 0
    assert statuses(done) == {ANNA: "replace", BO: "in-sync"}
    assert world.run("dry-run", "--fail-on-drift").code == 10
    before = world.live()
    done = world.run("seed", "--replace", "--yes", "-o", "json")
    assert (done.code, results(done)) == (0, ["done"])
    after = world.live()
    assert before[ANNA] != after[ANNA]
    assert before[BO] == after[BO]
    assert world.sign_in(ANNA).status_code == 200
    assert world.run("seed").code == 0


def test_replace_is_the_cure_for_another_secret(world: World) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed", PERSONA_SEED_SECRET=OTHER).code == 0
    assert world.run("seed").code == 5
    done = world.run("seed", "--replace", "--yes")
    assert done.code == 0, done.all
    assert world.sign_in(ANNA).status_code == 200
    assert world.sign_in(BO).status_code == 200


def test_unset_secret_is_named_as_the_cause(world: World) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed").code == 0
    done = world.run("seed", PERSONA_SEED_SECRET=None)
    assert done.code == 5
    assert "development secret is in use" in done.all
    assert SECRET not in done.all


def test_check_passwords_finds_one_in_the_middle(world: World) -> None:
    world.catalog("anna", "bo", "kim")
    assert world.run("seed", "--only", "bo", PERSONA_SEED_SECRET=OTHER).code == 0
    # Bo is the oldest now; with two more, one of the ends is right and one is wrong.
    world.catalog("anna", "kim", file="others.json")
    assert world.run("seed", "-c", "others.json").code == 0
    done = world.run("dry-run", "--check-passwords", "-o", "json")
    assert statuses(done) == {ANNA: "in-sync", BO: "replace", KIM: "in-sync"}


@pytest.mark.parametrize(
    "fault",
    [
        Answer(429, {"message": "Too many requests"}, (("x-retry-after", "400"),)),
        Answer(401, {"error": "unauthorized"}),
        Answer(500, {"message": "oops"}),
        Break("lost"),
    ],
    ids=["rate limit", "401 without a code", "500", "lost"],
)
def test_check_without_a_result_is_a_note_not_a_wrong_password(world: World, fault: Answer) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed").code == 0
    done = world.run("dry-run", "-o", "json", script=every(fault, path="/sign-in/"))
    assert done.code == 0, done.all
    assert statuses(done) == {ANNA: "in-sync", BO: "in-sync"}
    assert "replace" not in done.out.partition('"notes"')[2].lower().split("]")[0]
    assert done.json["notes"] or done.json["plan"]["notes"]


def test_checking_all_passwords_stops_at_the_first_rate_limit(world: World) -> None:
    names = [f"p{number:02}" for number in range(12)]
    world.catalog(*names)
    assert world.run("seed").code == 0
    sign_ins = 0

    def limited_after_three(request: Request) -> Answer | None:
        nonlocal sign_ins
        if "/sign-in/" not in request.path:
            return None
        sign_ins += 1
        return Answer(429, {"message": "Too many"}, (("x-retry-after", "400"),)) if sign_ins > 3 else None

    done = world.run("dry-run", "--check-passwords", "-o", "json", script=limited_after_three)
    assert done.code == 6
    found = list(statuses(done).values())
    assert found.count("unknown") == 9
    assert found.count("in-sync") == 3
    # Eight requests run at once, so some may have been on their way already.
    assert world.proxy.count("POST", "/api/auth/sign-in/") <= 3 + 8


def test_two_live_personas_are_checked_also_with_only(world: World) -> None:
    world.catalog("anna", "bo")
    assert world.run("seed", PERSONA_SEED_SECRET=OTHER).code == 0
    world.catalog("anna", "bo", "kim")
    assert world.run("seed", "--only", "kim").code == 5
    assert KIM not in world.live()
