"""`personas schema`: the JSON Schema of the catalog, or of the JSON report."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from personas.cli.options import Given, taking


class Of(StrEnum):
    """What a schema describes."""

    CATALOG = "catalog"
    REPORT = "report"


@taking()
def schema(
    given: Given,
    *,
    of: Annotated[Of, typer.Option("--of", help="What to describe.")] = Of.CATALOG,
) -> None:
    """Print the JSON Schema of the catalog (for editors), or of the JSON report."""
    import json

    from personas.cli.console import emit

    del given
    if of is Of.CATALOG:
        from personas.catalog.reading import catalog_schema

        document = catalog_schema()
    else:
        from personas.report import report_schema

        document = report_schema()
    emit(json.dumps(document, indent=2, ensure_ascii=False))
