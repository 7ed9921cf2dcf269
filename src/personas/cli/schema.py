"""`personas schema`: the JSON Schema of the catalog, or of the JSON report."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from personas.cli import options


class Of(StrEnum):
    """What a schema describes."""

    CATALOG = "catalog"
    REPORT = "report"


def schema(
    of: Annotated[Of, typer.Option("--of", help="What to describe.")] = Of.CATALOG,
    debug: options.Debug = False,
) -> None:
    """Print the JSON Schema of the catalog, or of the JSON report."""
    import json

    from personas.cli.boundary import boundary
    from personas.cli.console import emit

    with boundary(debug=debug):
        if of is Of.CATALOG:
            from personas.catalog.reading import catalog_schema

            document = catalog_schema()
        else:
            from personas.report import report_schema

            document = report_schema()
        emit(json.dumps(document, indent=2, ensure_ascii=False))
