"""`personas validate`: catalogs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personas import settings
from personas.cli import options
from personas.cli.asked import Asked
from personas.errors import UsageError

if TYPE_CHECKING:
    from personas.cli.run import Run


def validate(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="The catalogs; - is standard input. Without any, what --catalog says."
        ),
    ] = None,
    catalog: options.Catalog = settings.DEFAULT_CATALOG,
    strict: Annotated[
        bool, typer.Option("--strict", rich_help_panel="Output", help="Let warnings fail too, exit code 3.")
    ] = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    full: options.Full = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Check catalogs alone, each problem with its place.

    Every problem and every warning is told at once, as file:line:column.
    """
    from personas.cli.conduct import conduct

    said = ctx.get_parameter_source("catalog")

    async def job(run: Run) -> None:
        if files and said is not None and said.name == "COMMANDLINE":
            raise UsageError("--catalog does not go with FILE: name every catalog the same way")
        if not all(files or [catalog]):
            raise UsageError("a catalog's name is empty", hint="Is the variable that it comes from set?")
        run.read_catalogs(files or [catalog])

    conduct(Asked.of(ctx, catalog=", ".join(files) if files else catalog), job)
