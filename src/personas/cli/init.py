"""`personas init`: a starter catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from personas.cli.options import option
from personas.config import DEFAULT_CATALOG
from personas.errors import CatalogError, UsageError


def init(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to write.")] = DEFAULT_CATALOG,
    scope: Annotated[str | None, option("--scope", "The emails that the catalog owns.", "PATTERN")] = None,
) -> None:
    """Write a starter catalog with two personas and a space, and its schema.

    Asks for the scope on a terminal; elsewhere it is *@mana.test. Existing
    files are not overwritten.

    Examples:
      personas init
      personas init books.json --scope 'books.*@acme.test'
    """
    from personas.catalog.loader import parse_catalog
    from personas.catalog.models import DEFAULT_SCOPE, catalog_schema
    from personas.cli.output import check_writable
    from personas.cli.runner import start_run
    from personas.cli.streams import can_ask, print_line
    from personas.report.text import format_problem

    with start_run("init"):
        path = check_writable(file, "FILE")
        if path.exists():
            raise UsageError(f"{file} exists already.", hint="Name another file: personas init FILE")
        if scope is None and can_ask():
            scope = typer.prompt("Which emails does this catalog own?", default=DEFAULT_SCOPE, err=True)
        scope = DEFAULT_SCOPE if scope is None else scope
        scope = scope if "@" in scope else f"*@{scope}"
        text = _fill_starter(scope)
        try:
            warnings = parse_catalog(text, file=file).warnings
        except CatalogError as error:
            problem = next(problem for problem in error.problems if problem.severity == "error")
            raise UsageError(
                f"The scope {scope} cannot be used: {problem.message}.",
                hint="Use a pattern with a * before the @, such as books.*@acme.test.",
            ) from None
        path.write_text(text, "utf-8")
        schema = path.with_name("catalog.schema.json")
        if not schema.exists():
            schema.write_text(json.dumps(catalog_schema(), indent=2, ensure_ascii=False) + "\n", "utf-8")
        for warning in warnings:
            print_line(format_problem(warning))
        print_line(f"Wrote {file} and {schema.name}. Next: personas dry-run {file} --auth embedded")


def _fill_starter(scope: str) -> str:
    """Return the text of a starter catalog with this scope."""
    local, _, domain = scope.partition("@")
    # Where the scope allows every email of a domain, personas should still be recognisable.
    local = "persona.*" if local == "*" else local
    text = Path(__file__).with_name("starter.json").read_text("utf-8")
    text = text.replace("{scope}", json.dumps(scope)[1:-1])
    for name in ("anna", "jonas"):
        email = f"{local.replace('*', name, 1).replace('*', '').replace('?', 'x')}@{domain}"
        text = text.replace(f"{{{name}}}", json.dumps(email)[1:-1])
    return text
