"""`personas validate`: check catalogs."""

from __future__ import annotations

from typing import Annotated

import typer

from personas.cli import options
from personas.errors import CatalogError


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

    Examples:
      personas validate catalogs/*.json
      generate-catalog | personas validate -
    """
    from personas.catalog.problems import Problem
    from personas.cli.runner import start_run

    with start_run("validate", output, report, quiet, verbose) as run:
        invalid: list[CatalogError] = []
        for file in files or (None,):
            try:
                run.load_catalog(catalog, file)
            except CatalogError as error:
                invalid.append(error)
                if file and not error.problems and len(files or ()) > 1:
                    missing = Problem(file=file, line=1, column=1, path="$", message=error.message)
                    run.add(problems=(missing,))
        if invalid:
            raise invalid[0] if len(invalid) == 1 else CatalogError(f"{len(invalid)} catalogs are invalid.")
