"""Make the documentation that comes from the program itself, or with --check fail when it is stale.

- docs/commands.md: the help of every command
- docs/tour.md, docs/spaces.md: the output of each command in a `console` block, run for real, in turn
- catalog.schema.json: what `personas schema` prints
- docs/*.svg: pictures of what commands show on a terminal, run for real
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pictures import picture

from personas.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TOURS = (ROOT / "docs" / "tour.md", ROOT / "docs" / "spaces.md")
COMMANDS = ROOT / "docs" / "commands.md"
SCHEMA = ROOT / "catalog.schema.json"

BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
# What differs from run to run: durations, dates, the service's ids and the checksums of plans with them.
VOLATILE = re.compile(
    r"\d+(\.\d+)? m?s\b|\d{4}-\d\d-\d\d \d\d:\d\d( UTC)?|\b\d+ s(econds)? ago"
    r"|\b[A-Za-z0-9]{32}\b|textLength=\"[0-9.]+\""
)
# What is done in a folder with the catalog before each picture's command, and the command.
_EDIT = "sed -i.orig -e 's/{}/{}/' -e 's/{}/{}/' catalog.json"
PICTURES = {
    "dry-run": (
        "personas seed --auth embedded; "
        + _EDIT.format('"photos": 0.25', '"photos": 0.3', "in Leipzig", "in Halle"),
        "personas dry-run --auth embedded",
    ),
    "validate": (
        _EDIT.format('"photos": 0.25', '"photos": -1', '"tickCadence": "daily"', '"tickCadence": "monthly"'),
        "personas validate",
    ),
}


def main() -> int:
    """Write what is stale, or with --check only name it."""
    check = sys.argv[1:] == ["--check"]
    made = {
        COMMANDS: commands(),
        SCHEMA: run("personas schema", ROOT),
        **{path: toured(path) for path in TOURS},
        **{ROOT / "docs" / f"{name}.svg": drawn(*commands) for name, commands in PICTURES.items()},
    }
    stale = [
        path
        for path, text in made.items()
        if not path.exists() or settled(path.read_text("utf-8")) != settled(text)
    ]
    for path in stale:
        name = path.relative_to(ROOT)
        if check:
            sys.stderr.write(f"{name} is stale: run `make docs` and commit it\n")
        else:
            path.write_text(made[path], encoding="utf-8")
            sys.stdout.write(f"{name} written\n")
    return 1 if check and stale else 0


def settled(text: str) -> str:
    """A text without what differs from run to run."""
    return VOLATILE.sub("…", text.replace("&#160;", " "))


def commands() -> str:
    """The help of every command, as Markdown."""
    overview = run("personas --help", ROOT)
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    helps = (f"## personas {name}\n\n```text\n{run(f'personas {name} --help', ROOT)}```\n" for name in names)
    head = f"# Commands\n\nThis page is generated from the program: `make docs`.\n\n```text\n{overview}```\n"
    return "\n".join([head, *helps])


def toured(path: Path) -> str:
    """A page whose console blocks have the output that their commands have now."""
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("catalog.json", "catalog.schema.json"):
            shutil.copy(ROOT / name, folder)

        def told(block: re.Match[str]) -> str:
            lines = [line for line in block[0].splitlines() if line.startswith("$ ")]
            return "\n".join(f"{line}\n{run(line[2:], Path(folder))}" for line in lines)

        return BLOCK.sub(told, text)


def drawn(before: str, command: str) -> str:
    """A picture of what a command shows."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "catalog.json", folder)
        run(before, Path(folder))
        return picture(run(command, Path(folder), color=True), title=command)


def run(command: str, folder: Path, *, color: bool = False) -> str:
    """What a command prints to standard output, 80 columns wide."""
    environ = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",  # noqa: TID251 - the programs that the tour names
        "COLUMNS": "80",
        "FORCE_COLOR" if color else "NO_COLOR": "1",
        "PYTHONUTF8": "1",
        "TERMINAL_WIDTH": "80",
    }
    done = subprocess.run(  # noqa: S602 - the tour's own commands, which hold pipes
        command,
        shell=True,
        cwd=folder,
        env=environ,
        capture_output=True,
        check=False,
    )
    if done.returncode not in {0, 3, 10}:
        sys.stderr.write(f"{command}\nexit code {done.returncode}\n{done.stderr.decode()}")
        raise SystemExit(1)
    return "".join(line.rstrip() + "\n" for line in done.stdout.decode().splitlines())


if __name__ == "__main__":
    sys.exit(main())
