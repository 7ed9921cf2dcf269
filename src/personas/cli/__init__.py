"""The command line: the only place that prints, asks or exits."""

from personas.cli.app import main

__all__ = ["main"]
