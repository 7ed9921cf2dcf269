"""The program: its commands and its start."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from personas import __version__
from personas.cli.cleanup import cleanup
from personas.cli.dry_run import dry_run
from personas.cli.init import init
from personas.cli.list import list_
from personas.cli.login import login
from personas.cli.options import option
from personas.cli.password import password
from personas.cli.schema import schema
from personas.cli.seed import seed
from personas.cli.serve import serve
from personas.cli.show import show
from personas.cli.spaces import spaces
from personas.cli.streams import prepare_streams
from personas.cli.token import token
from personas.cli.validate import validate
from personas.config import drop_unusable_widths
from personas.redact import redact


class _Command(TyperCommand):
    """A command with plain usage lines and messages."""

    def collect_usage_pieces(self, ctx: Any) -> Any:
        """Return the parts of the usage line, without braces around arguments."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

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
_ALL = (seed, dry_run, cleanup, list_, show, spaces, init, validate, schema, password, login, token, serve)
for _function in _ALL:
    # The examples come after the options.
    _help, _, _examples = (inspect.getdoc(_function) or "").partition("\n\nExamples:")
    _name = _function.__name__.strip("_").replace("_", "-")
    app.command(_name, cls=_Command, help=_help, epilog=f"Examples:{_examples}")(_function)


def _print_version(value: bool) -> None:
    if value:
        print(f"personas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, option("--version", "Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line with the arguments of the process."""
    drop_unusable_widths()
    prepare_streams()
    app()
