"""What goes where in a process of its own: pipes, encodings, terminals and the question."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from personas import __version__
from tests.faults.proxy import every, open_proxy

from .conftest import SECRET, Service, entry, write_catalog

pty = pytest.importorskip("pty")  # Windows has none

NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
PROGRAM = [sys.executable, "-m", "personas"]


def start(*args: str, program: list[str] = PROGRAM, **options: Any) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PERSONA_SEED_SECRET": SECRET, **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", **options}
    return subprocess.run([*program, *args], env=env, timeout=120, check=False, **options)


def test_a_reader_that_has_gone_is_not_an_error(seeded: Service) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        for command in (["list", *seeded.at, "--report", "r.json"], ["seed", "--help"]):
            done = start(*command, stdout=pipe)
            assert (done.returncode, done.stderr) == (0, "")
        assert start("cleanup", "--only", "missing", stdout=pipe, stderr=pipe).returncode == 4
    assert Path("r.json").exists()


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("validate >&-", 0, ""),
        ("validate 2>&- <&-", 0, ""),
        pytest.param("validate >/dev/full", 2, "No space left on device", marks=NEEDS_FULL),
        pytest.param("password ada >/dev/full", 2, "No space left on device", marks=NEEDS_FULL),
    ],
)
def test_closed_streams_break_nothing_and_a_full_disk_is_reported(
    command: str, code: int, error: str
) -> None:
    done = start(program=["sh", "-c", f'"{sys.executable}" -m personas {command}'])
    assert (done.returncode, bool(done.stderr)) == (code, bool(error))
    assert error in done.stderr


def test_machine_formats_are_utf_8_and_text_falls_back() -> None:
    write_catalog(entry("ada", größe="→"))
    document = start("validate", "-o", "json", env={"PYTHONIOENCODING": "cp1252"})
    assert "größe" in json.loads(document.stdout)["problems"][0]["message"]
    text = start("validate", env={"PYTHONIOENCODING": "ascii"})
    assert (text.returncode, "gr?" in text.stdout) == (0, True)


def test_an_unusable_width_is_ignored() -> None:
    wrong = start("seed", "--no-such-option", env={"COLUMNS": "0", "TERMINAL_WIDTH": "wide"})
    assert (wrong.returncode, "--no-such-option" in wrong.stderr) == (2, True)


def test_a_profiler_can_run_the_program() -> None:
    done = start("--version", program=[sys.executable, "-m", "cProfile", "-m", "personas"])
    assert done.stdout.startswith(f"personas {__version__}\n")
    assert "function calls" in done.stdout


class Terminal:
    """A program on a terminal of its own; `screen` is all that it wrote there."""

    def __init__(self, *args: str, stdout: Any = None, **env: str) -> None:
        self.screen = ""
        self._terminal, theirs = pty.openpty()
        variables = {"PATH": os.environ["PATH"], "PERSONA_SEED_SECRET": SECRET, "TERM": "xterm", **env}
        self.process = subprocess.Popen(
            [*PROGRAM, *args], env=variables, stdin=theirs, stdout=stdout or theirs, stderr=theirs
        )
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        while text not in self.screen:
            assert self._read(), self.screen

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._terminal)
        return self.process.wait()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], 60)
        assert ready, self.screen
        try:
            part = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.screen += part.decode(errors="replace")
        return bool(part)


def test_a_terminal_shows_progress_and_a_question(seeded: Service) -> None:
    with Path("out.json").open("w") as out:
        terminal = Terminal("cleanup", *seeded.at, "-o", "json", stdout=out)
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
    seeded: Service, answer: str, env: dict[str, str], text: str
) -> None:
    terminal = Terminal("cleanup", *seeded.at, **env)
    if answer:
        terminal.wait_for("[y/N]")
        terminal.type(answer)
    assert (terminal.end(), len(seeded.emails)) == (5, 3)
    assert text in terminal.screen
    assert terminal.screen.count("persona.ada@mana.test") == 1
    # A dumb terminal gets no bar.
    assert ("\x1b" in terminal.screen) == ("TERM" not in env)


def test_init_asks_for_the_scope() -> None:
    terminal = Terminal("init", "new.json")
    terminal.wait_for("Which emails")
    terminal.type("books.*@acme.test\n")
    assert terminal.end() == 0
    assert json.loads(Path("new.json").read_text("utf-8"))["scope"] == "books.*@acme.test"
    terminal = Terminal("init", "other.json")
    terminal.wait_for("Which emails")
    terminal.type("\x04")
    assert (terminal.end(), Path("other.json").exists()) == (130, False)


def test_a_signal_that_nohup_ignores_stays_ignored(seeded: Service) -> None:
    go_on = threading.Event()
    with open_proxy(seeded.url) as proxy:
        proxy.script = every(go_on, method="GET", path="/api/v1/admin/personas")
        command = [*PROGRAM, "list", "--auth", proxy.url, "--jwt", seeded.at[3]]
        with subprocess.Popen(
            ["nohup", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            proxy.wait_for(lambda: proxy.count("GET") > 0)
            process.send_signal(signal.SIGHUP)
            go_on.set()
            out, _ = process.communicate(timeout=20)
    assert (process.returncode, "3 personas" in out) == (0, True)


def test_ctrl_c_while_the_program_loads_is_no_traceback(folder: Path) -> None:
    # Loading is over in a moment; this stands in for a key that is pressed in it.
    (folder / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "utf-8")
    done = start("list", env={"PYTHONPATH": str(folder)})
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
