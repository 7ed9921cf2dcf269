"""The options that commands share, each written once: a command takes one by naming its type."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from personas.cli.completion import complete_pattern, complete_persona


class Output(StrEnum):
    """The formats of a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"


_catalog = partial(typer.Option, rich_help_panel="Catalog", show_default=False)
_service = partial(typer.Option, rich_help_panel="Service", show_default=False)
_safety = partial(typer.Option, rich_help_panel="Safety", show_default=False)
_output = partial(typer.Option, rich_help_panel="Output", show_default=False)

_persona = partial(
    typer.Argument,
    metavar="PERSONA",
    show_default=False,
    help="An email, its part before the @, or a unique name.",
    autocompletion=complete_persona,
)
PersonaArgument = Annotated[str, _persona()]
PersonaArguments = Annotated[list[str] | None, _persona()]
CatalogArgument = Annotated[
    str | None, typer.Argument(metavar="FILE", show_default=False, help="The same as --catalog.")
]
Catalog = Annotated[
    str | None,
    _catalog(
        "--catalog",
        "-c",
        metavar="FILE",
        help="The catalog. Variable PERSONAS_CATALOG; default catalog.json.",
    ),
]
Only = Annotated[
    list[str] | None,
    _catalog(
        "--only",
        metavar="PATTERN",
        help="Only personas with this email, name or archetype (glob).",
        autocompletion=complete_pattern,
    ),
]
OnlySpaces = Annotated[
    list[str] | None,
    _catalog("--only", metavar="PATTERN", help="Only spaces with this slug, name or member (glob)."),
]
Snapshot = Annotated[
    str | None, _catalog("--snapshot", metavar="FILE", help="Compare with a file from 'list -o json'.")
]

Auth = Annotated[
    str | None,
    _service(
        "--auth",
        metavar="URL",
        help="The auth service, or embedded[:FILE]. Variable MANA_AUTH_URL or PERSONAS_AUTH_URL; "
        "default http://localhost:3001.",
    ),
]
Jwt = Annotated[
    str | None,
    _service(
        "--jwt",
        metavar="TOKEN",
        help="An admin's token, - for stdin, or @FILE. Variable MANA_ADMIN_JWT or PERSONAS_ADMIN_JWT.",
    ),
]
AllowHttp = Annotated[bool, _service("--allow-http", help="Allow plain http to another machine.")]
Timeout = Annotated[
    float | None, _service("--timeout", metavar="SECONDS", help="Limit of one request; default 30.")
]
Service = Annotated[
    str | None,
    _service("--service", metavar="NAME", help="mana or better-auth. Variable PERSONAS_SERVICE."),
]
Token = Annotated[
    str | None,
    _service(
        "--token", metavar="TOKEN", help="A session token for Better Auth. Variable PERSONAS_ADMIN_TOKEN."
    ),
]
BasePath = Annotated[
    str | None, typer.Option("--base-path", metavar="PATH", hidden=True, help="The path of Better Auth.")
]
Endpoint = Annotated[str | None, _service("--endpoint", hidden=True, help="The path of the admin calls.")]
Concurrency = Annotated[
    int | None, _service("--concurrency", min=1, max=64, hidden=True, help="How many requests at once.")
]
Offline = Annotated[bool, _service("--offline", help="Only validate the catalog.")]

DryRun = Annotated[bool, _safety("--dry-run", help="Show the plan and change nothing.")]
Prune = Annotated[bool, _safety("--prune", help="Delete personas that are not in the catalog.")]
PruneSpaces = Annotated[
    bool, _safety("--prune", help="Remove members, and other spaces of the owners, not in the catalog.")
]
Replace = Annotated[bool, _safety("--replace", help="Delete and create again if name or password differs.")]
CheckPasswords = Annotated[bool, _safety("--check-passwords", help="Sign in as every persona, not only two.")]
ExpectPlan = Annotated[
    str | None, _safety("--expect-plan", metavar="SUM", help="Refuse a plan with another checksum.")
]
Yes = Annotated[bool, _safety("--yes", "-y", help="Do not ask before deleting.")]
Force = Annotated[bool, _safety("--force", help="Lift safety rules; each one is printed.")]

Format = Annotated[
    Output, _output("--output", "-o", metavar="FORMAT", help="text, json, markdown or github.")
]
Reports = Annotated[
    list[str] | None,
    _output("--report", metavar="FILE", help="Also write the report to FILE (.json, .md, .txt)."),
]
FailOnDrift = Annotated[bool, _output("--fail-on-drift", help="Exit with 10 if catalog and service differ.")]
Quiet = Annotated[bool, _output("--quiet", "-q", help="No progress or notes; nothing when in sync.")]
Verbose = Annotated[bool, _output("--verbose", "-v", help="Print requests; a traceback for a bug.")]
