"""Update generated documentation; with --check, fail if it is out of date.

- docs/commands.md: the help of every command
- catalog.schema.json: the output of `personas schema`
- README.md, docs/*.md: the output of the commands in `console` blocks
- docs/dry-run.svg: a preview on a terminal
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

import typer.main
from rich.console import Console
from rich.text import Text

from personas.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
# These differ from run to run.
VOLATILE = re.compile(
    r"\d+(\.\d+)? m?s\b|\d{4}-\d\d-\d\d[ T]\d\d:\d\d\S*|[0-9a-f]{16}|\d+ requests?"
    r"|terminal-\d+|textLength=\"[0-9.]+\""
)
BROKEN = """{
  "personas": [
    {
      "name": "Kim Novak",
      "email": "kim@example.org",
      "archetyp": "ceo-busy",
      "systemPrompt": "Busy.",
      "moduleMix": { "calendar": "0.6" }
    }
  ]
}
"""
EDITED = (
    ('"photos": 0.25', '"photos": 0.3'),
    ("in Leipzig", "in Halle"),
)


def main() -> int:
    """Write the files that are out of date, or with --check name them and return 1."""
    check = sys.argv[1:] == ["--check"]
    generated = {
        DOCS / "commands.md": commands(),
        ROOT / "catalog.schema.json": run("personas schema", ROOT),
        DOCS / "dry-run.svg": picture(),
    }
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        if BLOCK.search(page.read_text(encoding="utf-8")):
            generated[page] = with_outputs(page)
    stale = [path for path, text in generated.items() if not path.exists() or differs(path, text)]
    for path in stale:
        if not check:
            path.write_text(generated[path], encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'out of date; run make docs' if check else 'updated'}")
    return 1 if check and stale else 0


def differs(path: Path, text: str) -> bool:
    """Return whether a file has another text, apart from durations, dates and checksums."""
    return VOLATILE.sub("", path.read_text(encoding="utf-8")) != VOLATILE.sub("", text)


def commands() -> str:
    """Return the reference of all commands."""
    names = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # the app is a group
    helps = [f"## personas {name}\n\n```text\n{run(f'personas {name} --help', ROOT)}```\n" for name in names]
    overview = f"```text\n{run('personas --help', ROOT)}```\n"
    return "\n".join(["# Commands\n", "This page is generated: `make docs`.\n", overview, *helps])


def with_outputs(page: Path) -> str:
    """Return a page in which every command of a console block has its current output."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)

        def rerun(block: re.Match[str]) -> str:
            lines = [line for line in block[0].splitlines() if line.startswith("$ ")]
            return "\n".join(f"{line}\n{run(line[2:], folder)}" for line in lines)

        return BLOCK.sub(rerun, page.read_text(encoding="utf-8"))


def prepare(folder: Path) -> None:
    """Put the catalog and a broken one into a folder."""
    for name in ("catalog.json", "catalog.schema.json"):
        shutil.copy(ROOT / name, folder)
    (folder / "broken.json").write_text(BROKEN, encoding="utf-8")


def picture() -> str:
    """Return an SVG of a preview: one persona to create, one to update, one extra."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        run("personas seed --auth embedded --quiet", folder)
        catalog = folder / "catalog.json"
        text = catalog.read_text(encoding="utf-8")
        for old, new in EDITED:
            text = text.replace(old, new, 1)
        catalog.write_text(text, encoding="utf-8")
        output = run("personas dry-run --auth embedded", folder, color=True)
    console = Console(file=StringIO(), record=True, width=80, force_terminal=True)
    console.print(Text.from_ansi(f"$ personas dry-run\n{output}".rstrip()))
    svg = console.export_svg(title="personas dry-run", unique_id="terminal")
    # Without the web font, browsers load nothing and use their own.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())


def run(command: str, folder: Path, *, color: bool = False) -> str:
    """Return the standard output of a shell command, 80 columns wide."""
    environ = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # noqa: TID251 - for the shell
        "COLUMNS": "80",
        "TERMINAL_WIDTH": "80",
        "FORCE_COLOR" if color else "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 3, 10}:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


if __name__ == "__main__":
    sys.exit(main())
