"""`personas validate`: catalogs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.cli import options
from personas.cli.options import Output
from personas.settings import DEFAULT_CATALOG

if TYPE_CHECKING:
    from personas.cli.run import Run


def validate(
    catalog: options.Catalog = DEFAULT_CATALOG,
    output: options.Format = Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Check the catalog alone; every problem with file:line:column."""
    from personas.cli.asked import Asked
    from personas.cli.conduct import conduct

    asked = Asked(
        command="validate",
        catalog=catalog,
        output=output,
        report=tuple(report or ()),
        quiet=quiet,
        debug=debug,
    )

    async def job(run: Run) -> None:
        run.read_catalog()

    conduct(asked, job)
