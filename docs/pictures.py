"""Pictures of what a terminal shows: SVG files that load nothing and come out the same each time."""

from __future__ import annotations

import re
from io import StringIO

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

# rich would have readers' browsers load its font from the net; whoever has no such font sees their own.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(output: str, *, title: str, least: int = 80) -> str:
    """A window of a terminal with a program's output, colours included.

    Args:
        output: What the program printed, with its ANSI escapes.
        title: The title of the window; the names inside the picture begin with it, to be unlike others'.
        least: The fewest columns of the window, which is as wide as the longest line.
    """
    text = Text.from_ansi(output.rstrip("\n"))
    width = max(least, *(line.cell_len for line in text.split()))
    console = Console(file=StringIO(), record=True, width=width, force_terminal=True, _environ={})
    console.print(text)
    name = "terminal-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    svg = console.export_svg(title=title, theme=MONOKAI, code_format=_FORMAT, unique_id=name)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())
