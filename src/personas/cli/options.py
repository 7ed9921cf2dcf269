"""The options that commands share, each written once: a command takes one by naming its type."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from personas.cli.completion import complete_pattern, complete_persona
from personas.config import DEFAULT_AUTH, DEFAULT_CATALOG

_CATALOG, _SERVICE, _SAFETY, _OUTPUT = "Catalog", "Service", "Safety", "Output"


class Output(StrEnum):
    """The formats of a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"


# Catalog and personas

_PERSONA_HELP = "An email, its part before the @ ('persona.' can be left out), or a unique name."
PersonaArgument = Annotated[
    str, typer.Argument(metavar="PERSONA", help=_PERSONA_HELP, autocompletion=complete_persona)
]
PersonaArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PERSONA", show_default=False, help=_PERSONA_HELP, autocompletion=complete_persona
    ),
]
CatalogArgument = Annotated[
    str | None, typer.Argument(metavar="FILE", show_default=False, help="The catalog; the same as --catalog.")
]
Catalog = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        "-c",
        metavar="FILE",
        show_default=DEFAULT_CATALOG,
        rich_help_panel=_CATALOG,
        help="The catalog (variable PERSONAS_CATALOG).",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PATTERN",
        rich_help_panel=_CATALOG,
        help="Only personas whose email, name or archetype matches (glob). Repeatable.",
        autocompletion=complete_pattern,
    ),
]
Snapshot = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        metavar="FILE",
        rich_help_panel=_CATALOG,
        help="Compare with a file made by 'list -o json' instead of the service.",
    ),
]

# The service

Auth = Annotated[
    str | None,
    typer.Option(
        "--auth",
        metavar="URL",
        show_default=DEFAULT_AUTH,
        rich_help_panel=_SERVICE,
        help="The auth service, or embedded[:FILE] (variable MANA_AUTH_URL or PERSONAS_AUTH_URL).",
    ),
]
Jwt = Annotated[
    str | None,
    typer.Option(
        "--jwt",
        metavar="TOKEN",
        rich_help_panel=_SERVICE,
        help="An admin's token; - reads stdin, @FILE a file (variable MANA_ADMIN_JWT or PERSONAS_ADMIN_JWT).",
    ),
]
AllowHttp = Annotated[
    bool,
    typer.Option(
        "--allow-http", rich_help_panel=_SERVICE, help="Allow credentials over plain http to another machine."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        max=600,
        show_default="30",
        rich_help_panel=_SERVICE,
        help="How long one request may take.",
    ),
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="PATH", hidden=True, help="The path of the admin calls.")
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency", metavar="N", min=1, max=64, hidden=True, help="How many requests run at once."
    ),
]
Offline = Annotated[
    bool,
    typer.Option("--offline", rich_help_panel=_SERVICE, help="Only validate the catalog; send no request."),
]

# What a run may do

DryRun = Annotated[
    bool, typer.Option("--dry-run", rich_help_panel=_SAFETY, help="Show the plan and change nothing.")
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune", rich_help_panel=_SAFETY, help="Delete personas in scope that are not in the catalog."
    ),
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        rich_help_panel=_SAFETY,
        help="Delete and create again where the name or password differs.",
    ),
]
CheckPasswords = Annotated[
    bool,
    typer.Option(
        "--check-passwords", rich_help_panel=_SAFETY, help="Sign in as every persona to check its password."
    ),
]
ExpectPlan = Annotated[
    str | None,
    typer.Option(
        "--expect-plan",
        metavar="SUM",
        rich_help_panel=_SAFETY,
        help="Refuse to run unless the plan has this checksum.",
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", rich_help_panel=_SAFETY, help="Do not ask before deleting.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", rich_help_panel=_SAFETY, help="Lift safety rules; each one that is lifted is printed."
    ),
]

# What it prints

Format = Annotated[Output, typer.Option("--output", "-o", rich_help_panel=_OUTPUT, help="The format.")]
Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        help="Also write the report to FILE (.json, .md or .txt). Repeatable.",
    ),
]
FailOnDrift = Annotated[
    bool,
    typer.Option(
        "--fail-on-drift",
        rich_help_panel=_OUTPUT,
        help="Exit with code 10 if catalog and service differ.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", rich_help_panel=_OUTPUT, help="No progress, no notes, nothing when in sync."
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", rich_help_panel=_OUTPUT, help="Print each request; a traceback for a bug."
    ),
]
