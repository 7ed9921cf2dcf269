"""The command line: the only place that prints, asks or exits."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the console script."""
    try:
        from personas.cli.app import main as run
    except KeyboardInterrupt:
        # Loading takes a moment, and a moment is enough for a Ctrl-C.
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run()


__all__ = ["main"]
