"""Spaces on the embedded service: what one run makes of them."""

from __future__ import annotations

from .world import DESK_LIVE, FLAT_LIVE, World


def test_a_run_creates_the_spaces_and_the_next_writes_nothing(world: World) -> None:
    first = world.run()
    assert world.shared() == {"flat": FLAT_LIVE, "desk": DESK_LIVE}
    assert first.seen and set(first.seen) == set(first.outcomes)
    again = world.run()
    assert set(again.statuses.values()) == {"in-sync"}
    assert again.writes == []
    print(first.requests, again.requests)
