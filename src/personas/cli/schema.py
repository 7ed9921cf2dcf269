"""`personas schema`: the JSON Schemas."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

EXAMPLES = """Examples:
  personas schema > catalog.schema.json
  personas schema report"""


class Document(StrEnum):
    """What a schema describes."""

    CATALOG = "catalog"
    REPORT = "report"


def schema(
    document: Annotated[Document, typer.Argument(help="What to describe.")] = Document.CATALOG,
) -> None:
    """Print the JSON Schema of the catalog, or of the JSON report."""
    from personas.catalog.models import catalog_schema
    from personas.cli.runner import start_run
    from personas.cli.streams import write_stdout
    from personas.report.document import report_schema

    with start_run("schema"):
        described = catalog_schema() if document is Document.CATALOG else report_schema()
        write_stdout(json.dumps(described, indent=2, ensure_ascii=False) + "\n", machine=True)
