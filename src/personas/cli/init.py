"""`personas init`: a starter catalog."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from personas.config import DEFAULT_CATALOG
from personas.errors import CatalogError, UsageError

EXAMPLES = """Examples:
  personas init
  personas init books.json --scope 'books.*@acme.test'"""


def init(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to write.")] = DEFAULT_CATALOG,
    scope: Annotated[
        str | None,
        typer.Option(
            "--scope", metavar="PATTERN", show_default=False, help="The emails that the catalog owns."
        ),
    ] = None,
) -> None:
    """Write a starter catalog with two personas and a space, and its JSON Schema beside it.

    Asks for the scope on a terminal; elsewhere the default is *@mana.test. No file is overwritten.
    """
    import json

    from personas.catalog.loader import parse_catalog
    from personas.catalog.models import DEFAULT_SCOPE, catalog_schema
    from personas.cli.files import check_writable, write_file
    from personas.cli.runner import start_run
    from personas.cli.streams import is_interactive, print_line
    from personas.config import is_ci

    with start_run("init"):
        path = check_writable(file, "FILE")
        if path.exists():
            raise UsageError(f"{file} exists already.", hint="Name another file: personas init FILE")
        if scope is None:
            scope = DEFAULT_SCOPE
            if is_interactive() and not is_ci():
                scope = typer.prompt("Which emails does this catalog own?", default=scope, err=True)
        text = json.dumps(_starter(scope), indent=2, ensure_ascii=False) + "\n"
        try:
            parse_catalog(text, file=file)
        except CatalogError as error:
            raise UsageError(
                f"--scope {scope} is not usable: {error.problems[0].message}",
                hint="Use a pattern with a * before the @, such as books.*@acme.test.",
            ) from None
        write_file(path, text)
        print_line(f"Wrote {file}: two personas and a space. Next: personas dry-run --auth embedded")
        schema_path = path.parent / "catalog.schema.json"
        if schema_path.exists():
            print_line(f"Kept {schema_path}, which exists already.")
        else:
            write_file(schema_path, json.dumps(catalog_schema(), indent=2, ensure_ascii=False) + "\n")
            print_line(f"Wrote {schema_path}, for completion and errors in your editor.")


def _starter(scope: str) -> dict[str, Any]:
    local, _, domain = scope.partition("@")
    # In the default scope, where every email is allowed, personas still need to be recognisable.
    pattern = "persona.*" if local == "*" else local
    anna, jonas = (
        f"{pattern.replace('*', name, 1).replace('*', '').replace('?', 'x')}@{domain}"
        for name in ("anna", "jonas")
    )
    return {
        "$schema": "./catalog.schema.json",
        "scope": scope,
        "personas": [
            {
                "name": "Anna Brandt",
                "email": anna,
                "archetype": "planner",
                "systemPrompt": "You are Anna Brandt, 37, an illustrator. You plan your week on Sunday "
                "evening in short lists, and you forget half of them by Tuesday.",
                "moduleMix": {"todo": 0.5, "calendar": 0.3, "notes": 0.2},
                "tickCadence": "daily",
            },
            {
                "name": "Jonas Keller",
                "email": jonas,
                "archetype": "solo-dev",
                "systemPrompt": "You are Jonas Keller, 29, a programmer who works alone. You write terse "
                "notes, make typing mistakes, and close every task on Friday.",
                "moduleMix": {"notes": 0.6, "todo": 0.4},
                "tickCadence": "weekdays",
            },
        ],
        "spaces": [
            {
                "slug": "familie-brandt",
                "name": "Familie Brandt",
                "type": "family",
                "owner": anna,
                "members": [jonas],
            }
        ],
    }
