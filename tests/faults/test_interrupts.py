"""Ctrl-C and other signals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
from collections import Counter
from typing import Any

import pytest

from .conftest import ENDPOINT, TEAM, World
from .proxy import every

NAMES = [f"p{number:02}" for number in range(12)]


def start_seed(world: World) -> subprocess.Popen[str]:
    """Start a seed; return when four writes are in flight."""
    world.catalog(*NAMES)
    world.proxy.script = every(world.release, method="POST", path=ENDPOINT)
    process = world.start("seed", "--concurrency", "4", "--report", "report.json")
    world.proxy.wait_for(lambda: len(world.proxy.writes) == 4)
    return process


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read stderr until a line has this text."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr)


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end; every interrupted run exits with 130 and without a traceback."""
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "bug" not in err
    return out, err


def read_report(world: World) -> Any:
    """Return the report of a run that was interrupted."""
    report = json.loads((world.folder / "report.json").read_text(encoding="utf-8"))
    assert (report["interrupted"], report["exitCode"]) == (True, 130)
    return report


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_signal_lets_running_requests_finish(world: World, number: signal.Signals) -> None:
    process = start_seed(world)
    process.send_signal(number)
    wait_for_line(process, "Interrupted. Finishing running requests; press Ctrl-C again to abort.")
    world.release.set()
    out, _ = finish(process)
    assert "4 created" in out
    assert "8 skipped" in out
    assert "Run again" in out
    outcomes = read_report(world)["outcomes"]
    assert Counter((outcome["result"], outcome["message"]) for outcome in outcomes) == {
        ("done", ""): 4,
        ("skipped", "not started: the run was interrupted"): 8,
    }
    assert set(world.live()) == {outcome["key"] for outcome in outcomes if outcome["result"] == "done"}
    assert world.run("seed").code == 0
    assert len(world.proxy.writes) == 8


def test_second_signal_aborts_and_running_writes_are_unknown(world: World) -> None:
    process = start_seed(world)
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "Interrupted.")
    process.send_signal(signal.SIGINT)
    out, _ = finish(process)
    assert "4 unknown" in out
    outcomes = read_report(world)["outcomes"]
    assert Counter(outcome["result"] for outcome in outcomes) == {"unknown": 4, "skipped": 8}


def test_second_signal_does_not_hide_which_spaces_are_gone(world: World) -> None:
    world.seed("anna", "bo", spaces=[TEAM, {**TEAM, "slug": "other-friends"}])
    assert world.run("spaces").code == 0
    world.proxy.requests.clear()
    deleted = "/api/auth/organization/delete"
    world.proxy.script = lambda _: world.release if world.proxy.count("POST", deleted) == 2 else None
    process = world.start("cleanup", "--yes", "--concurrency", "1", "--report", "report.json")
    world.proxy.wait_for(lambda: world.proxy.count("POST", deleted) == 2)
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "Interrupted.")
    process.send_signal(signal.SIGINT)
    finish(process)
    notes = " ".join(read_report(world)["notes"])
    first, second = sorted(notes.replace(".", "").split(" Spaces "))
    assert first.startswith("Spaces deleted or left first: ")
    assert second.startswith("perhaps deleted first: ")
    assert {text.split()[-1] for text in (first, second)} == {"two-friends", "other-friends"}


@pytest.mark.parametrize("command", ["cleanup", "spaces"])
def test_signal_while_reading_changes_nothing(world: World, command: str) -> None:
    world.catalog("anna", "bo", spaces=[TEAM])
    world.proxy.script = lambda _: world.release
    process = world.start(command, "--report", "report.json")
    world.proxy.wait_for(lambda: bool(world.proxy.requests))
    process.send_signal(signal.SIGINT)
    _, err = finish(process)
    assert "Interrupted. Nothing was changed." in err
    read_report(world)
    assert world.proxy.writes == []


def test_ctrl_c_at_the_question_changes_nothing(world: World) -> None:
    world.seed("anna")
    main, terminal = pty.openpty()
    streams = {"stdin": terminal, "stdout": subprocess.DEVNULL, "stderr": terminal}
    process = world.start("cleanup", "--report", "report.json", **streams)
    os.close(terminal)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(main, 4096)
    # Python loses a signal that comes just before it waits for input; a user presses the key again.
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
    with contextlib.suppress(OSError):  # the end of a terminal
        while data := os.read(main, 4096):
            shown += data
    os.close(main)
    assert process.returncode == 130, shown
    assert b"1 persona will be deleted" in shown
    assert b"Interrupted. Nothing was changed." in shown
    assert b"Traceback" not in shown
    read_report(world)
    assert len(world.live()) == 1
