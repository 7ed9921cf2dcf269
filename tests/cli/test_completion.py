"""What a shell completes, asked for as the shell asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Personas

# bash asks like this: the words of the line, and which of them is being typed.
ASKED = {"_PERSONAS_COMPLETE": "complete_bash"}
PROGRAM = "import sys; sys.argv = ['personas']; from personas.cli import main; main()"


def complete(personas: Personas, line: str, **variables: str) -> list[str]:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    said = personas(env={**ASKED, **words, **variables})
    assert said.err == ""
    return said.out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("personas show ", ["persona.ada", "persona.bo", "persona.cy"]),
        ("personas show persona.b", ["persona.bo"]),
        ("personas password persona.ada@", ["persona.ada@mana.test"]),
        ("personas login persona.c", ["persona.cy"]),
        ("personas show nobody", []),
        ("personas show -c other.json ", []),
        ("personas seed --only s", ["solo-dev"]),
        ("personas seed --only persona.a", ["persona.ada"]),
        ("personas seed --output m", ["markdown"]),
        ("personas login --as s", ["storage-state"]),
        ("personas schema --of ", ["catalog", "report"]),
        ("personas val", ["validate"]),
        ("personas seed --expect", ["--expect-plan"]),
    ],
)
def test_what_stands_in_the_catalog_and_what_an_option_takes_is_completed(
    personas: Personas, line: str, offered: list[str]
) -> None:
    assert complete(personas, line) == offered


def test_a_catalog_named_by_its_variable_is_completed_from(personas: Personas, folder: Path) -> None:
    (folder / "catalog.json").rename(folder / "other.json")
    assert complete(personas, "personas show persona.b") == []
    assert complete(personas, "personas show persona.b", PERSONAS_CATALOG="other.json") == ["persona.bo"]


def test_a_broken_catalog_offers_nothing_and_says_nothing(personas: Personas, folder: Path) -> None:
    (folder / "catalog.json").write_text('{"personas": [', "utf-8")
    assert complete(personas, "personas show ") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_takes_the_script_and_completes_files_where_nothing_else_is_offered(
    personas: Personas, folder: Path
) -> None:
    del personas
    program = folder / "personas"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}\n", "utf-8")
    program.chmod(0o755)
    script = f"""
        PATH="{folder}:$PATH"
        eval "$(_PERSONAS_COMPLETE=source_bash personas)"
        complete -p personas
        COMP_WORDS=(personas show persona.a); COMP_CWORD=2
        _personas_completion personas
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert "-o default" in done.stdout
    assert done.stdout.splitlines()[-1] == "persona.ada"
