"""Two runs at once: no traceback, an honest report each, and one more run makes everything true."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from original import Original

from personas.settings import DEFAULT_CONCURRENCY

from .faultserver import Hold, Requests, Script, Seen
from .world import PERSONAS, World, both_worlds, emails_of, entry, world

LOCALS = [f"p{number:02d}" for number in range(DEFAULT_CONCURRENCY + 1)]
EVERYBODY = emails_of(LOCALS)
ALL_DONE = {"done": len(LOCALS)}


def held_until(are_together: Callable[[Requests], bool]) -> Script:
    """A script that holds back every write until those that have arrived are such as two runs send."""
    go_on = threading.Event()

    def script(seen: Seen) -> Hold | None:
        if are_together(seen.all.to("POST|DELETE", PERSONAS)):
            go_on.set()
        return Hold(go_on) if seen.matches("POST|DELETE", PERSONAS) else None

    return script


def assert_true_after_one_more(real: World) -> None:
    real.run("seed")
    assert real.personas == EVERYBODY
    assert "in sync" in real.run("dry-run", "--check-login").out


def test_seed_beside_seed_creates_everyone_once_and_both_say_so(real: World) -> None:
    seed_beside_seed(real)


def test_seed_beside_seed_is_done_also_where_two_sign_ups_of_one_moment_make_one_fail(tmp_path: Path) -> None:
    with world(tmp_path, app=partial(Original, races=set(EVERYBODY))) as racing:
        seed_beside_seed(racing)


def seed_beside_seed(real: World) -> None:
    real.write_catalog(*LOCALS)
    # Both have seen that nobody is there before either creates anybody: one alone has no more under way.
    together = held_until(lambda writes: len(writes) > DEFAULT_CONCURRENCY)
    for ended in real.run_beside(("seed",), ("seed",), through=together):
        assert ended.results() == ALL_DONE
    assert real.personas == EVERYBODY
    assert_true_after_one_more(real)


@both_worlds
def test_seed_beside_cleanup_reports_what_each_was_told_and_one_more_run_makes_it_true(real: World) -> None:
    real.add_personas(*LOCALS)
    real.write_catalog(*(entry(local, archetype="changed") for local in LOCALS))
    # Each has read what the other is about to change.
    together = held_until(lambda writes: {one.method for one in writes} == {"POST", "DELETE"})
    seed, cleanup = real.run_beside(("seed",), ("cleanup", "--yes"), through=together)
    assert seed.results() == cleanup.results() == ALL_DONE
    anew = [outcome for outcome in seed.document()["outcomes"] if "created anew" in outcome["message"]]
    # Whoever was deleted before the seed came to it is told to be a new account.
    assert len(real.personas) >= len(anew)
    assert_true_after_one_more(real)


@pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")
def test_cleanup_beside_cleanup_ends_with_nobody_and_no_complaint(real: World) -> None:
    real.add_personas(*LOCALS)
    real.write_catalog(*LOCALS)
    # Both have read the list before either deletes anybody: each begins with the same deletions.
    together = held_until(lambda writes: max(Counter(one.path for one in writes).values(), default=0) > 1)
    ends = real.run_beside(("cleanup", "--yes"), ("cleanup", "--yes"), through=together)
    assert [ended.results() for ended in ends] == [ALL_DONE, ALL_DONE]
    messages = [message for ended in ends for _, message in ended.told().values()]
    assert messages.count("was gone already") == len(LOCALS)
    assert real.personas == set()
