"""`personas validate`: check catalogs."""

from __future__ import annotations

from typing import Annotated

import typer

from personas.cli import options
from personas.errors import CatalogError, UsageError

EXAMPLES = """Examples:
  personas validate
  personas validate catalogs/*.json
  generate-catalog | personas validate -"""


def validate(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", show_default=False, help="The catalogs; - reads stdin."),
    ] = None,
    catalog: options.Catalog = None,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Check catalogs and print every error and warning with its place.

    Exits with code 3 for an error; warnings alone do not fail.
    """
    from personas.catalog.models import Problem
    from personas.cli.runner import find_catalog, start_run

    with start_run("validate", output=output, reports=report, quiet=quiet, verbose=verbose) as run:
        if files and catalog is not None:
            raise UsageError("The catalog is named twice.", hint="Use either FILE or --catalog.")
        names = files or [find_catalog(catalog)]
        invalid: list[CatalogError] = []
        for file in names:
            try:
                run.load_catalog(file)
            except CatalogError as error:
                invalid.append(error)
                if not error.problems and len(names) > 1:
                    missing = Problem(file=file, line=1, column=1, path="$", message=error.message)
                    run.problems += (missing,)
        if len(invalid) == 1:
            raise invalid[0]
        if invalid:
            raise CatalogError(f"{len(invalid)} of {len(names)} catalogs are invalid.")
