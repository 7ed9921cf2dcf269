"""Ctrl-C and SIGTERM at any moment: what is under way is finished or told as unknown, and reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from .faultserver import Answer, Hold, Stall, when
from .world import (
    ADMIN_PASSWORD,
    LOOK_UP,
    PERSONAS,
    World,
    emails_of,
    entry,
    environment,
    interrupted,
    of_a_process,
)

LOCALS = [f"p{number:02d}" for number in range(24)]
WRITE = f"POST {PERSONAS}"
INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Where a report is to be written, in a folder of its own."""
    (tmp_path / "reports").mkdir()
    return tmp_path / "reports" / "report.json"


def content_of(report: Path) -> Any:
    """The report, whole; and nothing half-written beside it."""
    assert list(report.parent.iterdir()) == [report]
    return json.loads(report.read_text())


@pytest.mark.parametrize(
    ("command", "moment", "number"),
    [
        (("seed",), PERSONAS, TERM),
        (("seed",), LOOK_UP, INT),
        (("dry-run",), PERSONAS, INT),
        (("cleanup", "--yes"), PERSONAS, INT),
        (("list",), PERSONAS, INT),
        (("show", "a"), PERSONAS, TERM),
    ],
)
def test_an_interrupt_before_the_first_write_ends_at_once_and_nothing_was_changed(
    real: World, report: Path, command: tuple[str, ...], moment: str, number: signal.Signals
) -> None:
    real.write_catalog(*LOCALS)
    script = when(moment, then=interrupted(number, then=Stall()))
    ended = real.run(*command, "--report", report, through=script, exits=130)
    assert ended.seen[-1].path == moment
    assert "interrupted before anything was changed" in ended.err
    assert content_of(report)["interrupted"] is True
    assert real.personas == set()


def test_asking_for_a_token_ends_at_once(real: World) -> None:
    admin = {"MANA_ADMIN_EMAIL": "a@b.example", "MANA_ADMIN_PASSWORD": ADMIN_PASSWORD}
    ended = real.run("token", through=when(then=interrupted(INT, then=Stall())), exits=130, env=admin)
    assert len(ended.seen) == 1
    assert "interrupted before anything was changed" in ended.err


@pytest.mark.parametrize(("writes", "number"), [(1, INT), (len(LOCALS), TERM)])
def test_an_interrupt_while_writing_finishes_what_is_under_way_and_reports_what_is_not_done(
    real: World, report: Path, writes: int, number: signal.Signals
) -> None:
    real.write_catalog(*LOCALS)
    go_on = threading.Event()
    script = when(WRITE, first=writes, then=Hold(go_on))
    with real.started("seed", "-o", "json", "--report", report, through=script) as process:
        process.proxy.wait_for(writes, WRITE)
        process.interrupt(number)
        go_on.set()
        ended = process.end(exits=130)
    sent = len(ended.seen.to(WRITE))
    results = ended.results()
    assert results["done"] == sent == len(real.personas)
    assert writes <= sent <= writes + 7
    assert results.get("not-done", 0) == len(LOCALS) - sent
    assert "unknown" not in results
    assert content_of(report)["outcomes"] == ended.document()["outcomes"]
    real.run("seed")
    assert real.personas == emails_of(LOCALS)


def test_a_second_interrupt_stops_now_and_what_was_under_way_is_told_as_unknown(
    real: World, report: Path
) -> None:
    real.write_catalog(*LOCALS)
    args = ("seed", "-o", "json", "--concurrency", "4", "--report", report)
    with real.started(*args, through=when(WRITE, first=5, then=Stall(forward=True))) as process:
        process.proxy.wait_for(8, WRITE)
        process.stop_at_once(TERM)
        ended = process.end(exits=130)
    assert ended.results() == {"done": 4, "unknown": 4, "not-done": len(LOCALS) - 8}
    content_of(report)


def test_an_interrupt_between_the_two_halves_of_a_recreation_says_that_one_half_is_done(real: World) -> None:
    real.add_personas("a")
    real.write_catalog(entry("a", name="Another name"))
    script = when(WRITE, then=interrupted(INT, TERM, then=Stall()))
    ended = real.run("seed", "--recreate", "--yes", "-o", "json", through=script, exits=130)
    result, message = ended.told()["a@mana.test"]
    assert result == "unknown"
    assert "deleted, but not known to be created again; the next seed does it" in message
    real.run("seed")
    assert real.personas == {"a@mana.test"}


def test_an_interrupt_during_a_pause_that_the_service_asked_for_does_not_wait_for_its_end(
    real: World,
) -> None:
    real.write_catalog(*LOCALS)
    busy = when(WRITE, then=Answer(429, {"error": "busy"}, (("Retry-After", "200"),)))
    with real.started("seed", "-o", "json", through=busy) as process:
        process.proxy.wait_for(1, WRITE)
        process.stop_at_once()
        ended = process.end(exits=130, timeout=10)
    assert real.personas == set()
    assert "done" not in ended.results()


@pytest.mark.parametrize(("numbers", "code"), [((TERM,), 0), ((INT, TERM), 130)], ids=["one", "two"])
def test_an_interrupt_while_nobody_reads_the_report_leaves_no_half_a_file_and_two_end_the_command(
    real: World, report: Path, numbers: tuple[signal.Signals, ...], code: int
) -> None:
    # More than a pipe holds: the command stands in the middle of its report until it is read.
    real.write_catalog(*(f"p{number}" for number in range(500)))
    with real.started("dry-run", "-o", "json", "--report", report, env={"PYTHONUNBUFFERED": "1"}) as process:
        assert process.popen.stdout is not None
        first = os.read(process.popen.stdout.fileno(), 1).decode()
        assert process.popen.poll() is None
        for number in numbers:
            process.popen.send_signal(number)
        ended = process.end(exits=code)
    if code == 0:
        assert json.loads(first + ended.out)["exitCode"] == 0
        assert content_of(report)["exitCode"] == 0
    else:
        assert "interrupted" in ended.err
        assert list(report.parent.iterdir()) in ([], [report])


def test_a_ctrl_c_while_the_program_is_still_loading_is_exit_130_and_no_traceback(tmp_path: Path) -> None:
    # Loading is over in a moment; this stands in for a key that was pressed in it.
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    ended = subprocess.run(
        [sys.executable, "-m", "personas", "list"],
        env=of_a_process({**environment(), "PYTHONPATH": str(tmp_path)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")
