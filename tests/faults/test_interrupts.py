"""Ctrl-C and SIGTERM at any moment: what is under way is finished or told as unknown, and reported."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from .faultserver import Answer, Fault, Hold, Seen, Stall, fault_server
from .world import (
    World,
    email_of,
    end_of,
    entry,
    environment,
    run,
    started,
    stop_at_once,
    wait_until_said,
    write_catalog,
)

LOCALS = [f"p{number:02d}" for number in range(24)]
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])


def report_in(folder: Path) -> Any:
    """The report, whole; and nothing half-written beside it."""
    assert [path.name for path in folder.iterdir()] == ["report.json"]
    return json.loads((folder / "report.json").read_text())


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("moment", "number"),
    [("GET /api/v1/admin/personas", signal.SIGTERM), ("GET /api/v1/admin/users", signal.SIGINT)],
)
def test_an_interrupt_before_the_first_write_ends_at_once_and_nothing_was_changed(
    real: World, tmp_path: Path, reports: Path, moment: str, number: signal.Signals
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    arrived = threading.Event()

    def script(seen: Seen) -> Fault | None:
        if seen.target != moment:
            return None
        arrived.set()
        return Stall()

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, real.token)
        args = ("seed", "-c", catalog, "--report", reports / "report.json")
        with started(*args, env=env, cwd=tmp_path) as process:
            assert arrived.wait(20)
            process.send_signal(number)
            ended = end_of(process, 10)
        assert proxy.to("POST") == []
    assert ended.code == 130, ended
    assert "interrupted before anything was changed" in ended.err
    assert report_in(reports)["interrupted"] is True
    assert real.personas == set()


@pytest.mark.parametrize(
    ("writes", "number"), [(1, signal.SIGINT), (10, signal.SIGTERM), (len(LOCALS), signal.SIGINT)]
)
def test_an_interrupt_while_writing_finishes_what_is_under_way_and_reports_what_is_not_done(
    real: World, tmp_path: Path, reports: Path, writes: int, number: signal.Signals
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    arrived, go_on = threading.Event(), threading.Event()

    def script(seen: Seen) -> Fault | None:
        if seen.method != "POST" or len(proxy.to("POST")) < writes:
            return None
        arrived.set()
        return Hold(go_on)

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, real.token)
        args = ("seed", "-c", catalog, "-o", "json", "--report", reports / "report.json")
        with started(*args, env=env, cwd=tmp_path) as process:
            assert arrived.wait(20)
            process.send_signal(number)
            wait_until_said(process, "finishing what is in flight; once more to stop now")
            go_on.set()
            ended = end_of(process, 10)
        sent = len(proxy.to("POST"))
    assert ended.code == 130, ended
    results = ended.results()
    assert results["done"] == sent == len(real.personas)
    assert writes <= sent <= writes + 7
    assert results.get("not-done", 0) == len(LOCALS) - sent
    assert "unknown" not in results
    assert report_in(reports)["outcomes"] == ended.document()["outcomes"]
    again = run("seed", "-c", catalog, env=environment(real.url, real.token))
    assert again.code == 0
    assert real.personas == {email_of(local) for local in LOCALS}


def test_a_second_interrupt_stops_now_and_what_was_under_way_is_told_as_unknown(
    real: World, tmp_path: Path, reports: Path
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)

    def script(seen: Seen) -> Fault | None:
        return Stall(forward=True) if seen.method == "POST" and len(proxy.to("POST")) > 4 else None

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, real.token)
        args = (
            "seed",
            "-c",
            catalog,
            "-o",
            "json",
            "--concurrency",
            "4",
            "--report",
            reports / "report.json",
        )
        with started(*args, env=env, cwd=tmp_path) as process:
            proxy.wait_for(2 + 8)
            stop_at_once(process, signal.SIGTERM)
            ended = end_of(process, 5)
    assert ended.code == 130, ended
    assert ended.results() == {"done": 4, "unknown": 4, "not-done": len(LOCALS) - 8}
    report_in(reports)


def test_an_interrupt_between_the_two_halves_of_a_recreation_says_that_one_half_is_done(
    real: World, tmp_path: Path
) -> None:
    real.add_personas("a")
    catalog = write_catalog(tmp_path, [entry("a", name="Another name")])
    arrived = threading.Event()

    def script(seen: Seen) -> Fault | None:
        if seen.method != "POST" or "/personas" not in seen.path:
            return None
        arrived.set()
        return Stall()

    with fault_server(script, real.url) as proxy:
        env = environment(proxy.url, real.token)
        with started(
            "seed", "-c", catalog, "--recreate", "--yes", "-o", "json", env=env, cwd=tmp_path
        ) as process:
            assert arrived.wait(20)
            stop_at_once(process)
            ended = end_of(process, 5)
    assert ended.code == 130, ended
    [outcome] = ended.document()["outcomes"]
    assert outcome["result"] == "unknown"
    assert "deleted, but not known to be created again; the next seed does it" in outcome["message"]
    assert run("seed", "-c", catalog, env=environment(real.url, real.token)).code == 0
    assert real.personas == {"a@mana.test"}


@pytest.mark.parametrize("command", ["list", "show", "dry-run", "token", "cleanup"])
def test_every_command_that_reads_ends_at_once(real: World, tmp_path: Path, command: str) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    more: dict[str, tuple[str, ...]] = {"show": ("a",), "cleanup": ("--yes",)}
    own = () if command == "token" else ("-c", str(catalog))

    def interrupt(_: Seen) -> Fault:
        os.kill(os.getpid(), signal.SIGINT)  # in this process the command runs as well
        return Stall()

    with fault_server(interrupt) as server:
        if command == "token":
            env = environment(server.url, MANA_ADMIN_EMAIL="a@b.example", MANA_ADMIN_PASSWORD="admins-own-9")
        else:
            env = environment(server.url, real.token)
        ended = run(command, *more.get(command, ()), *own, env=env)
        assert len(server.seen) == 1
    assert ended.code == 130, ended
    assert "interrupted before anything was changed" in ended.err


@BOTH
def test_an_interrupt_while_the_report_is_written_leaves_it_whole(
    real: World, tmp_path: Path, reports: Path, number: signal.Signals
) -> None:
    # More than a pipe holds: the command stands in the middle of its report until it is read.
    catalog = write_catalog(tmp_path, [f"p{number}" for number in range(1_000)])
    env = environment(real.url, real.token, PYTHONUNBUFFERED="1")
    args = ("dry-run", "-c", catalog, "-o", "json", "--report", reports / "report.json")
    with started(*args, env=env, cwd=tmp_path) as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 1).decode()
        assert process.poll() is None
        process.send_signal(number)
        ended = end_of(process, 10)
    assert ended.code == 0, ended.err
    assert json.loads(first + ended.out)["exitCode"] == 0
    assert report_in(reports)["exitCode"] == 0


def test_two_interrupts_while_nobody_reads_the_report_end_the_command_without_half_a_file(
    real: World, tmp_path: Path, reports: Path
) -> None:
    catalog = write_catalog(tmp_path, [f"p{number}" for number in range(1_000)])
    env = environment(real.url, real.token)
    args = ("dry-run", "-c", catalog, "-o", "json", "--report", reports / "report.json")
    with started(*args, env=env, cwd=tmp_path) as process:
        assert process.stdout is not None
        os.read(process.stdout.fileno(), 1)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        ended = end_of(process, 10)
    assert ended.code == 130, ended.err
    assert "interrupted" in ended.err
    assert [path.name for path in reports.iterdir()] in ([], ["report.json"])


def test_a_ctrl_c_while_the_program_is_still_loading_is_exit_130_and_no_traceback(tmp_path: Path) -> None:
    # Loading is over in a moment; this stands in for a key that was pressed in it.
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    env = {**environment(), "PYTHONPATH": str(tmp_path)}
    with started("list", env=env, cwd=tmp_path) as process:
        ended = end_of(process, 10)
    assert (ended.code, ended.err) == (130, "interrupted\n")


def test_an_interrupt_during_a_pause_that_the_service_asked_for_does_not_wait_for_its_end(
    real: World, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    busy = Answer(429, {"error": "busy"}, (("Retry-After", "200"),))
    with fault_server(lambda s: busy if s.method == "POST" else None, real.url) as proxy:
        env = environment(proxy.url, real.token)
        with started("seed", "-c", catalog, "-o", "json", env=env, cwd=tmp_path) as process:
            proxy.wait_for(3)
            stop_at_once(process)
            ended = end_of(process, 5)
    assert ended.code == 130, ended
    assert real.personas == set()
    assert "done" not in ended.results()
