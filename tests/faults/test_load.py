"""A service under load: it answers, refuses, drops and stalls in any order."""

from __future__ import annotations

import random
import time
from collections import Counter

from .conftest import ENDPOINT, World, results
from .proxy import Answer, Cut, Fault, Request, every

NAMES = [f"p{number:02}" for number in range(40)]


def test_forty_personas_are_created_once_through_many_faults(world: World) -> None:
    world.catalog(*NAMES)
    draw = random.Random(20)
    faults: list[Fault] = [
        Answer(429, {"message": "Too many requests"}, (("retry-after", "0.02"),)),
        Answer(429, {"message": "Too many requests"}, (("x-retry-after", "0.02"),)),
        Answer(503, {"message": "busy"}),
        Answer(502, "Bad Gateway"),
        Answer(500, {"message": "oops"}),
        *Cut,
    ]
    met: Counter[str] = Counter()

    def overloaded(request: Request) -> Fault | None:
        key = f"{request.method} {request.target} {request.body!r}"
        if "/sign-in/" in request.path or met[key] >= 3 or draw.random() > 0.3:
            return None
        met[key] += 1
        fault = draw.choice(faults)
        # Only one 500 of a write is repeated; reads are not.
        return None if isinstance(fault, Answer) and fault.status == 500 and met[key] > 1 else fault

    done = world.run("seed", "--timeout", "0.6", "-o", "json", script=overloaded)
    assert met.total() > 10
    assert set(results(done)) == {"done"}, done.all
    assert (done.code, len(results(done))) == (0, 40)
    listed = world.admin("GET", ENDPOINT).json()["personas"]
    assert sorted(persona["email"] for persona in listed) == [f"persona.{name}@mana.test" for name in NAMES]
    assert done.json["requests"] == len(world.proxy.requests)
    assert world.run("dry-run", "--fail-on-drift").code == 0


def test_wait_of_the_service_is_respected_by_all_and_announced_once(world: World) -> None:
    world.catalog(*NAMES[:12])
    times: list[float] = []

    def limit(request: Request) -> Fault | None:
        if request.method != "POST":
            return None
        times.append(time.monotonic())
        # All of the first eight are refused, whenever they arrive.
        refused = Answer(429, {"message": "Too many requests"}, (("X-Retry-After", "1"),))
        return refused if len(times) <= 8 else None

    done = world.run("seed", script=limit)
    assert done.code == 0
    assert "12 created" in done.out
    assert done.err.count("Waiting 1 s: ") == 1, done.err
    assert "HTTP 429: Too many requests" in done.err
    assert times[8] - times[0] >= 0.95


def test_service_that_goes_away_ends_the_run_soon(world: World) -> None:
    world.catalog(*NAMES)
    done = world.run("seed", "-o", "json", script=every(Answer(503), method="POST", path=ENDPOINT))
    assert done.code == 4
    found = Counter(results(done))
    assert found["skipped"] >= 20
    assert "done" not in found
    # Calls that were in flight may still use all of their attempts.
    assert len(world.proxy.writes) <= 8 * (3 + 8)
    assert world.live() == {}
