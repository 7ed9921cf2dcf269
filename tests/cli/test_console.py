"""Standard output and standard error: colour, width, encoding, and that nothing in them acts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from making import make_persona
from rich.text import Text

from personas.cli import console, output
from personas.cli.asked import Asked
from personas.errors import UsageError
from personas.reconcile.live import Live
from personas.reconcile.plan import plan
from personas.report import make_report
from personas.service.models import LivePersona
from personas.settings import Settings

from .conftest import Personas, write_catalog

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b]0;title\x07\n::error::x ##[error]y \u202e\u2028\ud800"


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": ""}, False),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
        ({"FORCE_COLOR": "1", "CI": "true"}, True),
        ({"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}, False),
    ],
)
def test_a_pipe_has_colours_only_where_they_are_forced(
    personas: Personas, env: dict[str, str], coloured: bool
) -> None:
    said = personas("validate", env=env)
    assert bool(COLOUR.search(said.out)) is coloured
    assert "\x1b" not in COLOUR.sub("", said.out + said.err)


def test_standard_output_of_another_encoding_gets_escapes_and_no_error(folder: Path) -> None:
    write_catalog(folder, make_persona("ada", name="Ada Žižek"))
    program = [sys.executable, "-m", "personas", "dry-run", "--offline"]
    env = {"PATH": "", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.isascii()
    assert "Ada \\u017di\\u017eek" in done.stdout


def test_narration_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    console.say(HOSTILE)
    said = capsys.readouterr().err
    assert said == "\\x1b]0;title\\x07\\n::error::x #\\[error]y \\u202e\\u2028\\ud800\n"
    console.say("::error::x")
    assert capsys.readouterr().err == "\\:error::x\n"


def test_a_catalog_cannot_act_through_the_error_that_names_its_text(personas: Personas, folder: Path) -> None:
    (folder / "catalog.json").write_text('{"personas": [], "\\u001b[31m##[error]x\\n::error::y": 1}', "utf-8")
    for command in ("validate", "dry-run"):
        for form in ("text", "json", "markdown", "junit"):
            said = personas(command, "-o", form)
            for line in (said.out + said.err).splitlines():
                assert "##[" not in line
                assert "\x1b" not in line
                assert not line.lstrip().startswith("::")


def listed(number: int) -> object:
    live = Live(
        personas=tuple(
            LivePersona(user_id=f"u{n}", email=f"persona.p{n:03}@mana.test", name=f"P{n}")
            for n in range(number)
        )
    )
    return make_report("list", version="1", plan=plan(None, live))


@pytest.mark.parametrize(
    ("terminal", "full", "rows"), [(True, False, 50), (True, True, 300), (False, False, 300)]
)
def test_a_long_list_is_cut_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    full: bool,
    rows: int,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    output.write(listed(300), Asked(command="list", full=full), Settings(no_color=True))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert len(re.findall(r"P\d+ ", shown)) == rows
    assert ("and 250 more live personas" in shown) is (rows == 50)


def test_a_page_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(UsageError, match="standard output cannot be written: no space left"):
            console.Terminal().show(Text("x"))
