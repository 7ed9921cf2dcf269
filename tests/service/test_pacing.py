from __future__ import annotations

import time

import anyio
import pytest

from personas.service.pacing import Gate, spread

pytestmark = pytest.mark.anyio


async def test_every_item_is_done_once_in_order_of_starting() -> None:
    started: list[int] = []

    async def work(item: int) -> None:
        started.append(item)
        await anyio.lowlevel.checkpoint()

    await spread(range(100), work, workers=7)
    assert started == list(range(100))


async def test_no_more_run_at_once_than_there_are_workers() -> None:
    running = most = 0

    async def work(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1

    await spread(range(50), work, workers=4)
    assert most == 4


async def test_nothing_more_is_started_once_it_should_not_go_on() -> None:
    started: list[int] = []

    async def work(item: int) -> None:
        started.append(item)

    await spread(range(100), work, workers=1, go_on=lambda: len(started) < 3)
    assert started == [0, 1, 2]


async def test_the_first_error_cancels_the_others_and_comes_out_as_it_is() -> None:
    cancelled: list[int] = []

    async def work(item: int) -> None:
        if item == 1:
            raise ZeroDivisionError
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.append(item)
            raise

    with pytest.raises(ZeroDivisionError):
        await spread(range(3), work, workers=3)
    assert sorted(cancelled) == [0, 2]


async def test_a_gate_lets_so_many_through_at_once_and_no_more() -> None:
    gate, full = Gate(3), anyio.Event()
    inside = most = 0

    async def call(_: int) -> None:
        nonlocal inside, most
        async with gate:
            inside += 1
            most = max(most, inside)
            if inside == 3:
                full.set()
            await full.wait()
            inside -= 1

    with anyio.fail_after(5):
        await spread(range(30), call, workers=10)
    assert most == 3


async def test_a_pause_holds_back_everybody_and_ends() -> None:
    gate = Gate(4)
    gate.pause(0.1)
    start = time.monotonic()
    waited: list[float] = []

    async def call(_: int) -> None:
        async with gate:
            waited.append(time.monotonic() - start)

    await spread(range(4), call, workers=4)
    assert all(seconds >= 0.1 for seconds in waited)


async def test_one_refusal_of_many_calls_halves_the_number_once() -> None:
    gate = Gate(8)
    for _ in range(8):
        gate.pause(30)
    assert gate.allowed == 4


async def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    gate = Gate(8)
    gate.pause(30)
    gate.pause(0.01)
    assert gate.paused_for > 20


async def test_the_number_never_falls_below_one_and_comes_back_with_calls_that_go_well() -> None:
    gate = Gate(8)
    for _ in range(10):
        gate.pause(0)
    assert gate.allowed == 1
    for _ in range(100):
        gate.went_well()
    assert gate.allowed == 8


async def test_a_cancelled_call_gives_its_place_back() -> None:
    gate = Gate(1)
    with anyio.move_on_after(0.01):
        async with gate:
            await anyio.sleep_forever()
    with anyio.fail_after(1):
        async with gate:
            pass


async def test_a_call_cancelled_while_it_waits_takes_no_place() -> None:
    gate = Gate(1)
    async with gate:
        with anyio.move_on_after(0.01):
            async with gate:
                pytest.fail("there was no place")
    with anyio.fail_after(1):
        async with gate:
            pass
