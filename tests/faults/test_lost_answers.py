"""Writes whose answer is lost, late, or not what it seems."""

from __future__ import annotations

import pytest

from .conftest import ANNA, ENDPOINT, World, results, statuses
from .proxy import Answer, Cut, Fault, Request, Script, every

ACTIONS = ("create", "update", "delete", "replace")


def prepare(world: World, action: str) -> tuple[str, ...]:
    """Seed what `action` needs; return the command that does it to Anna and nothing else."""
    if action == "create":
        world.catalog("anna")
        return ("seed",)
    world.seed("anna", "bo")
    if action == "delete":
        world.catalog("bo")
        return ("seed", "--prune", "--yes")
    if action == "update":
        world.edit("keep short", "keep long")
        return ("seed",)
    world.edit('"Anna"', '"Anna Lind"')
    return ("seed", "--replace", "--yes")


def is_write(request: Request) -> bool:
    return request.method != "GET" and request.path.startswith(ENDPOINT)


def faulty(fault: Fault, times: int | None = None) -> Script:
    """Return a script with this fault for writes."""
    script = every(fault, path=ENDPOINT, times=times)
    return lambda request: script(request) if is_write(request) else None


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "fault",
    [Cut.RESET, Cut.LOST, Cut.LATE, Answer(500, {"message": "oops"})],
    ids=["reset before", "answer lost", "late", "500"],
)
def test_one_fault_is_repeated_and_counted_once(world: World, action: str, fault: Fault) -> None:
    command = prepare(world, action)
    timeout = ("--timeout", "0.5") if fault is Cut.LATE else ()
    done = world.run(*command, *timeout, "-o", "json", script=faulty(fault, times=1))
    assert (done.code, results(done)) == (0, ["done"]), done.all
    assert len(world.proxy.writes) == (4 if action == "replace" else 2)
    assert (ANNA in world.live()) is (action != "delete")
    assert world.run("dry-run", "--fail-on-drift").code == 0


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        *((action, Cut.LOST) for action in ACTIONS),
        ("create", Cut.RESET),
        ("update", Cut.RESET),
        ("create", Cut.LATE),
    ],
)
def test_write_without_any_answer_is_unknown(world: World, action: str, fault: Fault) -> None:
    command = prepare(world, action)
    before = world.live().get(ANNA)
    timeout = ("--timeout", "0.3") if fault is Cut.LATE else ()
    done = world.run(*command, *timeout, "-o", "json", script=faulty(fault))
    assert (done.code, results(done)) == (6, ["unknown"]), done.all
    assert ("no complete answer" in done.out) is (fault is Cut.LATE)
    if fault is Cut.RESET:
        assert world.live().get(ANNA) == before
    assert world.run(*command).code == 0
    assert world.run("dry-run", "--fail-on-drift").code == 0


def test_service_that_dies_stops_the_run(world: World) -> None:
    world.catalog("anna", "bo", "kim")

    def die(request: Request) -> Fault | None:
        if not is_write(request):
            return None
        world.proxy.refuse()
        return Cut.LOST

    done = world.run("seed", "--concurrency", "1", "-o", "json", script=die)
    assert (done.code, results(done)) == (4, ["unknown", "skipped", "skipped"])
    assert "Cannot connect" in done.json["error"]["message"]
    assert set(world.live()) == {ANNA}
    done = world.run("seed", "-o", "json", MANA_AUTH_URL=world.server.url)
    assert (done.code, results(done), statuses(done)[ANNA]) == (0, ["done", "done"], "in-sync")
