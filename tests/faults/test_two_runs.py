"""Two runs at the same time on one service."""

from __future__ import annotations

import threading

from .conftest import ENDPOINT, World
from .proxy import Fault, Request


def test_two_seeds_at_once_create_each_persona_once(world: World) -> None:
    world.catalog("anna", "bo", "kim", "ada", "eve", "max")
    tokens: set[str] = set()
    both = threading.Event()

    def meet(request: Request) -> Fault | None:
        """Hold creations until both runs have sent one."""
        if request.method != "POST" or request.path != ENDPOINT:
            return None
        tokens.add(request.headers["authorization"])
        if len(tokens) == 2:
            both.set()
        return both

    world.proxy.script = meet
    process = world.start("seed")
    done = world.run("seed", script=meet, MANA_ADMIN_JWT=world.server.admin_token())
    out, err = process.communicate(timeout=30)
    assert (process.returncode, done.code) == (0, 0), (err, done.all)
    assert "6 created" in out
    assert "6 created" in done.out
    assert len(world.live()) == 6
    assert world.run("dry-run", "--fail-on-drift").code == 0
