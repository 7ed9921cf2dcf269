"""The program: its commands and its start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from personas import __version__
from personas.cli import (
    cleanup,
    dry_run,
    init,
    list as list_command,
    login,
    password,
    schema,
    seed,
    serve,
    show,
    spaces,
    token,
    validate,
)
from personas.cli.streams import prepare_streams
from personas.config import drop_unusable_widths
from personas.redact import redact


class _Command(TyperCommand):
    """A command with plain usage lines and messages."""

    def collect_usage_pieces(self, ctx: Any) -> Any:
        """Return the parts of the usage line, without braces around arguments."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Parse the arguments; a token in a wrong place is not repeated in the message."""
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            error.message = redact(error.message).replace("Value error, ", "")
            raise


app = typer.Typer(
    name="personas",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # their traceback shows the values of variables
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Sync the test users of an auth service with a JSON catalog.",
    epilog="""Examples:
  personas init                       write a starter catalog
  personas dry-run --auth embedded    try it without a service
  personas seed --auth embedded""",
)

_COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("seed", seed.seed, seed.EXAMPLES),
    ("dry-run", dry_run.dry_run, dry_run.EXAMPLES),
    ("cleanup", cleanup.cleanup, cleanup.EXAMPLES),
    ("list", list_command.list_, list_command.EXAMPLES),
    ("show", show.show, show.EXAMPLES),
    ("spaces", spaces.spaces, spaces.EXAMPLES),
    ("init", init.init, init.EXAMPLES),
    ("validate", validate.validate, validate.EXAMPLES),
    ("schema", schema.schema, schema.EXAMPLES),
    ("password", password.password, password.EXAMPLES),
    ("login", login.login, login.EXAMPLES),
    ("token", token.token, token.EXAMPLES),
    ("serve", serve.serve, serve.EXAMPLES),
)
for _name, _function, _examples in _COMMANDS:
    app.command(_name, cls=_Command, epilog=_examples)(_function)


def _print_version(value: bool) -> None:
    if value:
        print(f"personas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line with the arguments of the process."""
    drop_unusable_widths()
    prepare_streams()
    app()
