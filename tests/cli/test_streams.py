"""What goes where in a process of its own: pipes, encodings, terminals and the question."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from personas.cli.app import app
from tests import commands
from tests.faults.proxy import Request, open_proxy

from .conftest import SECRET, Service, entry, limited, personas, write_catalog

pty = pytest.importorskip("pty")  # Windows has none

NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
UNSET = "unset PERSONA_SEED_SECRET"  # then a line on stderr says so
CTRL_C = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
PROGRAM = [sys.executable, "-m", "personas"]


def start(*args: str, program: list[str] = PROGRAM, **options: Any) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PERSONA_SEED_SECRET": SECRET, **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", **options}
    return subprocess.run([*program, *args], env=env, timeout=120, check=False, **options)


def test_a_reader_that_has_gone_is_not_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        for command in (["validate", "--report", "r.json"], ["seed", "--help"]):
            done = start(*command, stdout=pipe)
            assert (done.returncode, done.stderr) == (0, "")
        assert start("validate", "missing.json", stdout=pipe, stderr=pipe).returncode == 3
    assert Path("r.json").exists()


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("personas validate >&-", 0, ""),
        ("personas validate 2>&- <&-", 0, ""),
        pytest.param("personas validate >/dev/full", 2, "No space left on device", marks=NEEDS_FULL),
        pytest.param("personas --help >/dev/full", 2, "No space left on device", marks=NEEDS_FULL),
        pytest.param("personas password ada >/dev/full", 2, "No space left on device", marks=NEEDS_FULL),
        pytest.param(f"{UNSET}; personas password ada 2>/dev/full", 0, "", marks=NEEDS_FULL),
        ("export COLUMNS=0 TERMINAL_WIDTH=wide; personas seed --no-such-option", 2, "--no-such-option"),
        ("python -m cProfile -m personas --version >&2", 0, "function calls"),
        # Loading is over in a moment; this stands in for a key that is pressed in it.
        (f"echo '{CTRL_C}' >typer.py; export PYTHONPATH=.; personas list", 130, "Interrupted."),
    ],
)
def test_program_in_unusual_surroundings(command: str, code: int, error: str) -> None:
    functions = f'python() {{ "{sys.executable}" "$@"; }}; personas() {{ python -m personas "$@"; }}'
    done = start(program=["sh", "-c", f"{functions}; {command}"])
    assert (done.returncode, bool(done.stderr)) == (code, bool(error))
    assert error in done.stderr
    assert "Traceback (most" not in done.stderr


def test_machine_formats_are_utf_8_and_text_falls_back() -> None:
    write_catalog(entry("ada", größe="→"))
    ascii_alone = CliRunner(charset="ascii")
    document = ascii_alone.invoke(app, ["validate", "-o", "json"])
    assert "größe" in json.loads(document.stdout_bytes)["problems"][0]["message"]
    text = ascii_alone.invoke(app, ["validate"])
    assert (text.exit_code, "gr??e" in text.stdout) == (0, True)


class Terminal:
    """A program on a terminal of its own; `screen` is all that it wrote there."""

    def __init__(self, limits: ExitStack, *args: str, stdout: Any = None, **env: str) -> None:
        self.screen = ""
        self._terminal, theirs = pty.openpty()
        env = {"PERSONA_SEED_SECRET": SECRET, "TERM": "xterm", **env}
        streams = {"stdin": theirs, "stdout": stdout or theirs, "stderr": theirs}
        process = commands.start(*args, folder=Path(), env=env, **streams)
        os.close(theirs)
        self._process = limits.enter_context(limited(process))

    def wait_for(self, text: str) -> None:
        while text not in self.screen:
            assert self._read(), self.screen

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._terminal)
        return self._process.wait()

    def _read(self) -> bool:
        """Read what there is, or return False after the end of the program."""
        try:
            part = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.screen += part.decode(errors="replace")
        return bool(part)


Start = Callable[..., Terminal]


@pytest.fixture
def start_terminal() -> Iterator[Start]:
    """Start a program on a terminal; it ends with the test."""
    with ExitStack() as limits:
        yield lambda *args, **options: Terminal(limits, *args, **options)


def test_a_terminal_shows_progress_and_a_question(seeded: Service, start_terminal: Start) -> None:
    with Path("out.json").open("w") as out:
        terminal = start_terminal("cleanup", *seeded.at, "-o", "json", stdout=out)
        terminal.wait_for("[y/N]")
        assert "3 personas will be deleted, with all data" in terminal.screen
        assert "Reading" in terminal.screen
        assert len(seeded.emails) == 3
        terminal.type("y\n")
        assert (terminal.end(), seeded.emails) == (0, set())
    # The question leaves no trace in the document.
    assert Path("out.json").read_text("utf-8").startswith("{")


@pytest.mark.parametrize(
    ("answer", "env", "text"),
    [
        ("no\n", {"TERM": "dumb"}, "Not confirmed. Nothing was changed."),
        ("\x04", {}, "Not confirmed. Nothing was changed."),
        ("", {"TERM": "dumb", "CI": "true"}, "Add --yes"),
    ],
)
def test_anything_but_yes_changes_nothing(
    seeded: Service, start_terminal: Start, answer: str, env: dict[str, str], text: str
) -> None:
    terminal = start_terminal("cleanup", *seeded.at, **env)
    if answer:
        terminal.wait_for("[y/N]")
        terminal.type(answer)
    assert (terminal.end(), len(seeded.emails)) == (5, 3)
    assert text in terminal.screen
    assert terminal.screen.count("persona.ada@mana.test") == 1
    # A dumb terminal gets no bar.
    assert ("\x1b" in terminal.screen) == ("TERM" not in env)


def test_init_asks_for_the_scope(start_terminal: Start) -> None:
    terminal = start_terminal("init", "new.json")
    terminal.wait_for("Which emails")
    terminal.type("books.*@acme.test\n")
    assert terminal.end() == 0
    assert json.loads(Path("new.json").read_text("utf-8"))["scope"] == "books.*@acme.test"
    terminal = start_terminal("init", "other.json")
    terminal.wait_for("Which emails")
    terminal.type("\x04")
    assert (terminal.end(), Path("other.json").exists()) == (130, False)


def test_a_signal_that_nohup_ignores_stays_ignored(seeded: Service) -> None:
    def hang_up(_: Request) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with open_proxy(seeded.url) as proxy:
            proxy.script = hang_up
            result = personas("list", "--auth", proxy.url, "--jwt", seeded.at[3])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (result.code, "3 personas" in result.out, len(proxy.requests)) == (0, True, 1)
