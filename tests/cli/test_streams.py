"""What goes where, and what it looks like there: pipes, terminals, files, colours, widths."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest
from conftest import Served

from .conftest import Personas

PROGRAM = [sys.executable, "-m", "personas"]


@pytest.fixture
def seeded(personas: Personas, at: tuple[str, ...]) -> tuple[str, ...]:
    """The options that lead to a service with the catalog's personas."""
    assert personas("seed", *at).code == 0
    return at


def environment(**more: str) -> dict[str, str]:
    path = os.environ.get("PATH", "")
    return {"PATH": path, "PERSONA_SEED_SECRET": "the-secret-of-these-tests", **more}


def start(
    *args: str, env: Mapping[str, str] | None = None, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *args],
        env=environment(**(env or {})),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_reader_who_has_gone_is_no_error(seeded: tuple[str, ...], folder: Path) -> None:
    for command in (["list", *seeded, "--report", "r.json"], ["schema"]):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            done = start(*command, stdout=pipe)
        assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "r.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to try")
@pytest.mark.parametrize("command", [["validate"], ["password", "ada"]], ids=" ".join)
def test_a_full_disk_is_told(personas: Personas, command: list[str]) -> None:
    del personas
    with Path("/dev/full").open("w") as full:
        done = start(*command, stdout=full)
    assert done.returncode == 2
    assert done.stderr == "error: standard output cannot be written: no space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to try")
def test_a_full_disk_after_a_seed_is_told_with_what_was_done(
    personas: Personas, served: Served, at: tuple[str, ...]
) -> None:
    del personas
    with Path("/dev/full").open("w") as full:
        done = start("seed", *at, "-o", "json", stdout=full)
    assert done.returncode == 2
    assert "error: standard output cannot be written: no space left on device\n" in done.stderr
    assert "All the same, this is done: 3 created (exit code 0)." in done.stderr
    assert served.writes == 3


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_closed_streams_break_nothing(personas: Personas, closed: str) -> None:
    del personas
    command = f'"{sys.executable}" -m personas validate {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("columns", [80, 120])
def test_text_keeps_to_the_width_of_the_terminal(
    personas: Personas, seeded: tuple[str, ...], columns: int
) -> None:
    for command in (["seed"], ["dry-run", "--offline"], ["list"], ["show", "ada"], ["validate"]):
        options = () if "--offline" in command or "validate" in command else seeded
        out = personas(*command, *options, env={"COLUMNS": str(columns)}).out
        assert max(cells(line) for line in out.splitlines()) <= columns, out


def cells(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(ch) in "WF" else 1 for ch in line)


# Reports beside the output


def test_a_report_is_written_in_the_format_of_its_ending_also_when_the_run_fails(
    personas: Personas, folder: Path, unused_port: int
) -> None:
    names = ["r.json", "r.md", "r.xml", "r.txt"]
    options = [option for name in names for option in ("--report", name)]
    for code, command in [
        (0, ["dry-run", "--offline"]),
        (4, ["list", "--auth", f"http://localhost:{unused_port}", "--jwt", "a.b.c"]),
        (3, ["validate", "-c", "nowhere.json"]),
    ]:
        assert personas(*command, *options).code == code
        starts = [(folder / name).read_text("utf-8").lstrip()[:1] for name in names]
        assert starts[0] == "{"
        assert starts[2] == "<"
        assert all(starts)
        for name in names:
            (folder / name).unlink()


def test_github_gets_its_summary_and_outputs(personas: Personas, folder: Path, at: tuple[str, ...]) -> None:
    env = {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_OUTPUT": str(folder / "outputs")}
    assert personas("dry-run", *at, "-o", "github", env=env).code == 0
    assert "create=3\n" in (folder / "outputs").read_text("utf-8")
    assert "3 to create" in (folder / "summary").read_text("utf-8")


# On a terminal


class Terminal:
    """A program on a terminal of its own; `screen` is all that it wrote there."""

    def __init__(self, *args: str, env: Mapping[str, str] | None = None) -> None:
        self.screen = ""
        self._terminal, theirs = pty.openpty()
        variables = environment(**{"TERM": "xterm", **(env or {})})
        self._program = subprocess.Popen(
            [*PROGRAM, *args], env=variables, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        """Read on until this text is on the screen."""
        end = time.monotonic() + 90
        while text not in self.screen:
            assert time.monotonic() < end, self.screen
            assert self._read(), self.screen

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def interrupt(self) -> None:
        self._program.send_signal(signal.SIGINT)

    def end(self) -> int:
        """The exit code."""
        end = time.monotonic() + 90
        while self._read():
            assert time.monotonic() < end, self.screen
        os.close(self._terminal)
        return self._program.wait()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], 60)
        assert ready, self.screen
        try:
            part = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.screen += part.decode(errors="replace")
        return bool(part)


def test_on_a_terminal_there_is_a_bar_colour_and_a_question(seeded: tuple[str, ...], served: Served) -> None:
    terminal = Terminal("cleanup", *seeded)
    terminal.wait_for("[y/N]")
    assert f"cleanup would delete 3 personas at {served.url}; their actions" in terminal.screen
    assert "feedback and spaces are lost. Go on? [y/N]" in terminal.screen
    assert "reading the list" in terminal.screen
    assert "\x1b[31m" in terminal.screen
    assert served.count("DELETE") == 0
    terminal.type("y\n")
    assert terminal.end() == 0
    assert served.count("DELETE") == 3


@pytest.mark.parametrize("answer", ["yesno\n", "\x04"])
def test_anything_but_a_yes_is_a_no(seeded: tuple[str, ...], served: Served, answer: str) -> None:
    terminal = Terminal("cleanup", *seeded)
    terminal.wait_for("[y/N]")
    terminal.type(answer)
    assert terminal.end() == 5
    assert "not confirmed; nothing was changed" in terminal.screen
    assert terminal.screen.count("Cleanup  ") <= 1
    assert served.count("DELETE") == 0


def test_an_interrupted_question_ends_the_run_at_once(seeded: tuple[str, ...], served: Served) -> None:
    terminal = Terminal("cleanup", *seeded)
    terminal.wait_for("[y/N]")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "interrupted before anything was changed" in terminal.screen
    assert served.count("DELETE") == 0


def test_a_terminal_that_knows_no_colour_gets_none_and_no_bar(seeded: tuple[str, ...]) -> None:
    terminal = Terminal("seed", *seeded, env={"TERM": "dumb"})
    assert terminal.end() == 0
    assert "in sync" in terminal.screen
    assert "\x1b" not in terminal.screen


def test_in_ci_a_terminal_gets_plain_lines_and_no_question(seeded: tuple[str, ...], served: Served) -> None:
    terminal = Terminal("cleanup", *seeded, env={"CI": "true"})
    assert terminal.end() == 5
    assert "nobody can be asked here" in terminal.screen
    assert "\x1b[?25l" not in terminal.screen
    assert served.count("DELETE") == 0
