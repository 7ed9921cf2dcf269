from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import entry, personas, write_catalog


def complete(line: str, shell: str = "bash", **env: str) -> str:
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": line}
    asked["_TYPER_COMPLETE_WORD_TO_COMPLETE"] = words[-1]
    result = personas(
        _PERSONAS_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_FISH_ACTION="get-args", **asked, **env
    )
    assert result.err == ""
    return result.out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("personas show ", ["persona.ada", "persona.bo", "persona.cy"]),
        ("personas password persona.b", ["persona.bo"]),
        ("personas login persona.ada@", ["persona.ada@mana.test"]),
        ("personas show nothing", []),
        ("personas show -c other.json ", ["other"]),
        ("personas show -c missing.json ", []),
        ("personas seed --only s", ["solo-dev"]),
        ("personas seed --only persona.a", ["persona.ada"]),
        ("personas seed --output m", ["markdown"]),
        ("personas login -o s", ["storage-state"]),
        ("personas schema ", ["catalog", "report"]),
        ("personas val", ["validate"]),
        ("personas seed --expect", ["--expect-plan"]),
    ],
)
def test_personas_patterns_and_choices_are_offered(line: str, offered: list[str]) -> None:
    write_catalog(entry("other", email="other@mana.test"), file="other.json")
    assert complete(line).split() == offered


def test_the_catalog_of_the_variable_is_used_and_a_broken_one_offers_nothing() -> None:
    Path("catalog.json").rename("other.json")
    assert complete("personas show persona.b").split() == []
    assert complete("personas show persona.b", PERSONAS_CATALOG="other.json").split() == ["persona.bo"]
    Path("other.json").write_text('{"personas": [', "utf-8")
    assert complete("personas show ", PERSONAS_CATALOG="other.json").split() == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "pwsh"])
def test_only_plain_characters_reach_a_shell(shell: str) -> None:
    evil = "$(touch PWNED) `x` ';|& \\$(y)"
    write_catalog(
        entry("ada", name=evil, archetype=evil),
        entry("bo", archetype="plain"),
        entry("cy", email="o'neil@mana.test"),
    )
    for line in ("personas show ", "personas seed --only ", "personas show o", "personas login o'neil@"):
        out = complete(line, shell)
        assert not any(part in out for part in (*"$`;|&", "PWNED", "neil"))
    assert "persona.ada" in complete("personas show ", shell)
    assert "plain" in complete("personas seed --only p", shell)


def test_the_script_for_bash_completes_a_persona(folder: Path) -> None:
    program = folder / "personas"
    start = "import sys; sys.argv = ['personas']; from personas.cli import main; main()"
    program.write_text(f"#!{sys.executable}\n{start}\n", "utf-8")
    program.chmod(0o755)
    script = (
        'eval "$(_PERSONAS_COMPLETE=source_bash personas)"\n'
        "COMP_WORDS=(personas show persona.a); COMP_CWORD=2; _personas_completion personas\n"
        'echo "${COMPREPLY[@]}"'
    )
    options: dict[str, Any] = {"env": {"PATH": f"{folder}:{os.environ['PATH']}"}, "text": True, "timeout": 60}
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, **options)
    assert done.stdout == "persona.ada\n", done.stderr
