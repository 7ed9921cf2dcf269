"""The commands, listed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from personas import __version__

# The module of each command, and what the list of commands says of it.
_COMMANDS = {
    "seed": ("seed", "seed", "Make the catalog true on the service."),
    "dry-run": ("seed", "dry_run", "Show what seed would do; write nothing."),
    "cleanup": ("cleanup", "cleanup", "Delete every live persona for good."),
    "list": ("listing", "list_", "The live personas and their state."),
    "show": ("show", "show", "One live persona, with all there is to know."),
    "validate": ("validate", "validate", "Check the catalog alone."),
    "password": ("password", "password", "Derive a persona's password."),
    "login": ("login", "login", "Sign in as a persona."),
    "token": ("token", "token", "Get an admin's token."),
    "schema": ("schema", "schema", "JSON Schema of the catalog or the report."),
    "serve": ("serve", "serve", "Run the embedded service on a port."),
}
_SETTINGS: dict[str, Any] = {
    "add_completion": False,
    # Plain help: rich would more than double the time that --help takes.
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["--help", "-h"]},
}


class _Commands(MutableMapping[str, Any]):
    """The commands by name; each is loaded when it is used, for a start pays for what it loads."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            module, function, short_help = _COMMANDS[name]
            alone = typer.Typer(**_SETTINGS)
            command = getattr(import_module(f"personas.cli.{module}"), function)
            alone.command(name, short_help=short_help)(command)
            self._loaded[name] = typer.main.get_command(alone)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class _Group(TyperGroup):
    """Lists the commands without loading them."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help) for name, (_, _, short_help) in _COMMANDS.items()])


_EPILOG = (
    "Credentials come from --jwt (MANA_ADMIN_JWT), or from MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD. "
    "Personas' passwords are derived from PERSONA_SEED_SECRET. To try without a service: "
    "personas seed --auth embedded"
)

app = typer.Typer(
    name="personas",
    cls=_Group,
    no_args_is_help=True,
    help="Keep the test users of an auth service true to one JSON catalog.",
    epilog=_EPILOG,
    **_SETTINGS,
)


def _version(value: bool) -> None:
    if value:
        print(f"personas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; the console script."""
    # A closed stream is None: whatever is said there goes nowhere.
    if sys.stdout is None or sys.stderr is None:
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the end
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape instead of a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code = 0
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except OSError as error:
        # Help that cannot be written; what commands print has its own boundary.
        print(f"error: standard output cannot be written: {error.strerror}", file=sys.stderr)
        code = 1
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End at once: to free every module one by one takes longer than several calls of the service."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            pass
        except OSError:
            code = code or 1
    os._exit(code)
