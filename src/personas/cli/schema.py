"""`personas schema`: the JSON Schemas."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer


def schema(
    document: Annotated[
        Literal["catalog", "report"], typer.Argument(metavar="DOCUMENT", help="catalog or report.")
    ] = "catalog",
) -> None:
    """Print the JSON Schema of the catalog, or of the JSON report.

    Examples:
      personas schema > catalog.schema.json
      personas schema report
    """
    from personas.catalog.models import catalog_schema
    from personas.cli.runner import start_run
    from personas.cli.streams import write_stdout
    from personas.report.document import report_schema

    with start_run("schema"):
        described = catalog_schema() if document == "catalog" else report_schema()
        write_stdout(json.dumps(described, indent=2, ensure_ascii=False) + "\n", machine=True)
