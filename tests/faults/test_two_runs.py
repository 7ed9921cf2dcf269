"""Two runs at once: no traceback, an honest report each, and one more run makes everything true."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from original import Original

from personas.embedded import schema as tables
from personas.settings import DEFAULT_CONCURRENCY

from .faultserver import Fault, FaultServer, Hold, Seen, fault_server
from .world import (
    Ended,
    World,
    both_worlds,
    email_of,
    entry,
    environment,
    run,
    run_beside,
    world,
    write_catalog,
)

LOCALS = [f"p{number:02d}" for number in range(16)]
EVERYBODY = {email_of(local) for local in LOCALS}


def is_write(seen: Seen) -> bool:
    return seen.method in {"POST", "DELETE"} and "/personas" in seen.path


def both(
    real: World,
    folder: Path,
    *commands: tuple[str | Path, ...],
    script: Callable[[FaultServer, Seen], Fault | None],
) -> list[Ended]:
    """Run two commands at the same time through one proxy; how they ended."""
    with fault_server(upstream=real.url) as proxy:
        proxy.script = lambda seen: script(proxy, seen)
        first, second = ((*command, "-o", "json") for command in commands)
        return run_beside(first, second, env=environment(proxy.url, real.token), cwd=folder)


def assert_true_after_one_more(real: World, catalog: Path) -> None:
    again = run("seed", "-c", catalog, "--check-login", env=environment(real.url, real.token))
    assert again.code == 0, again
    assert real.personas == EVERYBODY
    calm = run("dry-run", "-c", catalog, "--check-login", env=environment(real.url, real.token))
    assert "in sync" in calm.out


def test_seed_beside_seed_creates_everyone_once_and_both_say_so(real: World, tmp_path: Path) -> None:
    seed_beside_seed(real, tmp_path)


def test_seed_beside_seed_is_done_also_where_two_sign_ups_of_one_moment_make_one_fail(tmp_path: Path) -> None:
    with world(tmp_path, app=partial(Original, races=set(EVERYBODY))) as racing:
        seed_beside_seed(racing, tmp_path)


def seed_beside_seed(real: World, folder: Path) -> None:
    catalog = write_catalog(folder, LOCALS)
    go_on = threading.Event()

    def together(proxy: FaultServer, seen: Seen) -> Fault | None:
        # Both have seen an empty service before either of them writes: one alone has no more under way.
        if len(proxy.to("POST", "/personas")) > DEFAULT_CONCURRENCY:
            go_on.set()
        return Hold(go_on) if is_write(seen) else None

    seed = ("seed", "-c", catalog)
    ends = both(real, folder, seed, seed, script=together)
    for ended in ends:
        assert ended.code == 0, ended
        assert ended.results() == {"done": len(LOCALS)}
    assert real.personas == EVERYBODY
    assert_true_after_one_more(real, catalog)


@both_worlds
def test_seed_beside_cleanup_reports_what_each_was_told_and_one_more_run_makes_it_true(
    real: World, tmp_path: Path
) -> None:
    real.add_personas(*LOCALS)
    catalog = write_catalog(tmp_path, [entry(local, archetype="changed") for local in LOCALS])
    go_on = threading.Event()

    def together(proxy: FaultServer, seen: Seen) -> Fault | None:
        # Each has read what the other is about to change.
        methods = Counter(one.method for one in proxy.seen if is_write(one))
        if methods["POST"] and methods["DELETE"]:
            go_on.set()
        return Hold(go_on) if is_write(seen) else None

    ends = both(real, tmp_path, ("seed", "-c", catalog), ("cleanup", "-c", catalog, "--yes"), script=together)
    for ended in ends:
        assert ended.code == 0, ended
        assert ended.results() == {"done": len(LOCALS)}
    anew = [outcome for outcome in ends[0].document()["outcomes"] if "created anew" in outcome["message"]]
    # Whoever was deleted before the seed came to it is told to be a new account.
    assert len(real.personas) >= len(anew)
    assert_true_after_one_more(real, catalog)


def test_a_persona_that_is_deleted_between_the_list_and_its_details_is_created_again(
    real: World, tmp_path: Path
) -> None:
    real.add_personas(*LOCALS)
    catalog = write_catalog(tmp_path, LOCALS)

    def delete(seen: Seen) -> Fault | None:
        if "/personas/" in seen.path and len(real.personas) == len(LOCALS):
            users = tables.users
            real.write(lambda c: c.execute(sa.delete(users).where(users.c.email == "p03@mana.test")))
        return None

    with fault_server(delete, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 0, ended
    assert [outcome["email"] for outcome in ended.document()["outcomes"]] == ["p03@mana.test"]
    assert real.personas == EVERYBODY


@pytest.mark.parametrize("_one_world", ["original"], indirect=True, scope="session")
def test_cleanup_beside_cleanup_ends_with_nobody_and_no_complaint(real: World, tmp_path: Path) -> None:
    real.add_personas(*LOCALS)
    catalog = write_catalog(tmp_path, LOCALS)
    go_on = threading.Event()

    def together(proxy: FaultServer, seen: Seen) -> Fault | None:
        # Both have read the list before either deletes anybody: each begins with the same deletions.
        deletions = Counter(one.target for one in proxy.seen if one.method == "DELETE")
        if any(number > 1 for number in deletions.values()):
            go_on.set()
        return Hold(go_on) if is_write(seen) else None

    cleanup = ("cleanup", "-c", catalog, "--yes")
    ends = both(real, tmp_path, cleanup, cleanup, script=together)
    for ended in ends:
        assert ended.code == 0, ended
        assert ended.results() == {"done": len(LOCALS)}
    gone = [o for ended in ends for o in ended.document()["outcomes"] if o["message"] == "was gone already"]
    assert len(gone) == len(LOCALS)
    assert real.personas == set()
