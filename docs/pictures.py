"""Pictures of what a terminal shows: SVG files that load nothing and come out the same each time."""

from __future__ import annotations

import re
from io import StringIO

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

# rich would have readers' browsers load its font from the net; whoever has no such font sees their own.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(output: str, *, title: str, width: int = 80) -> str:
    """A window of a terminal with a program's output, colours included.

    Args:
        output: What the program printed, with its ANSI escapes.
        title: The title of the window; the names inside the picture begin with it, to be unlike others'.
        width: The columns of the window.
    """
    console = Console(file=StringIO(), record=True, width=width, force_terminal=True, _environ={})
    console.print(Text.from_ansi(output.rstrip("\n")), crop=False, soft_wrap=True)
    name = "terminal-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    svg = console.export_svg(title=title, theme=MONOKAI, code_format=_FORMAT, unique_id=name)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())
