"""`personas validate`: the catalog alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli.options import CATALOG, REPORT, Given, taking

if TYPE_CHECKING:
    from personas.cli.run import Run


@taking(*CATALOG, *REPORT)
def validate(
    given: Given,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="The catalog, as with --catalog.")
    ] = None,
) -> None:
    """Check the catalog alone; every problem with file:line:column."""
    from personas.cli.run import conduct

    async def job(run: Run) -> None:
        run.read_catalog()

    conduct(replace(given, catalog=file or given.catalog), "validate", job)
