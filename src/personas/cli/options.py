"""The options that commands share, each written once: a command takes one by naming its type."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from personas.cli.completion import complete_only, complete_who
from personas.secret import Secret
from personas.settings import MAX_CONCURRENCY, MAX_TIMEOUT, MIN_TIMEOUT, parse_duration

_CATALOG, _SERVICE, _SAFETY, _OUTPUT = "Catalog", "Service", "Safety", "Output"


class Output(StrEnum):
    """The formats of a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"
    JUNIT = "junit"


# Whom and what it is about

_WHO = typer.Argument(
    metavar="WHO", help="An email, its part before the @, or a name when unique.", autocompletion=complete_who
)
Who = Annotated[str, _WHO]
MaybeWho = Annotated[str | None, _WHO]
Catalog = Annotated[
    str,
    typer.Option(
        "--catalog",
        "-c",
        envvar="PERSONAS_CATALOG",
        metavar="FILE",
        rich_help_panel=_CATALOG,
        help="The catalog.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PATTERN",
        rich_help_panel=_CATALOG,
        help="Only these: email, name or archetype; * and ? allowed. Repeatable.",
        autocompletion=complete_only,
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="FILE",
        rich_help_panel=_CATALOG,
        help="Compare with a snapshot instead of a service: list --full -o json > FILE.",
    ),
]
MaxAge = Annotated[
    timedelta | None,
    typer.Option(
        "--max-age",
        metavar="DURATION",
        parser=parse_duration,
        rich_help_panel=_CATALOG,
        help="Exit with 4 if the snapshot is older: 90m, 12h, 7d.",
    ),
]

# The way to the service

Auth = Annotated[
    str,
    typer.Option(
        "--auth",
        envvar="MANA_AUTH_URL",
        metavar="URL",
        rich_help_panel=_SERVICE,
        help="The auth service: a URL, embedded, or embedded:FILE.",
    ),
]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint", metavar="PATH", rich_help_panel=_SERVICE, help="The path of the persona endpoints."
    ),
]
Jwt = Annotated[
    Secret | None,
    typer.Option(
        "--jwt",
        envvar="MANA_ADMIN_JWT",
        metavar="TOKEN|-|@FILE",
        parser=Secret,
        rich_help_panel=_SERVICE,
        help="An admin's token; - reads it from standard input, @FILE from a file. "
        "With MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD set, none is needed.",
    ),
]
AllowHttp = Annotated[
    bool,
    typer.Option("--allow-http", rich_help_panel=_SERVICE, help="Allow plain http to another machine."),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        max=MAX_CONCURRENCY,
        rich_help_panel=_SERVICE,
        help="How many calls at once.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=MIN_TIMEOUT,
        max=MAX_TIMEOUT,
        rich_help_panel=_SERVICE,
        help="How long one call may take.",
    ),
]

# What may be done

DryRun = Annotated[
    bool, typer.Option("--dry-run", rich_help_panel=_SAFETY, help="Show what would be done; write nothing.")
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune", rich_help_panel=_SAFETY, help="Delete strays too, and remove members too many from spaces."
    ),
]
Recreate = Annotated[
    bool,
    typer.Option(
        "--recreate",
        rich_help_panel=_SAFETY,
        help="Delete and create again what an update cannot mend: name, password. Signs in as everybody.",
    ),
]
CheckLogin = Annotated[
    bool,
    typer.Option(
        "--check-login",
        rich_help_panel=_SAFETY,
        help="Sign in as every persona, to find those that are locked out.",
    ),
]
ExpectPlan = Annotated[
    str | None,
    typer.Option(
        "--expect-plan",
        metavar="SUM",
        rich_help_panel=_SAFETY,
        help="Refuse unless the plan has this checksum.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        rich_help_panel=_SAFETY,
        help="Allow deleting in production, strays outside @mana.test, and accounts that may be somebody's.",
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", rich_help_panel=_SAFETY, help="Do not ask before deleting.")
]
Offline = Annotated[
    bool | None,
    typer.Option(
        "--offline/--online",
        rich_help_panel=_SERVICE,
        help="Look at the catalog alone; --online: exit with 4 where there are no credentials. "
        "Without either, no credentials mean the catalog alone.",
    ),
]

# What is said about it

Format = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT",
        rich_help_panel=_OUTPUT,
        help="What to print: text, json, markdown, github or junit.",
    ),
]
Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        help="Also write the report to FILE, by its ending: .json, .md, .xml (JUnit) or .txt. Repeatable.",
    ),
]
Full = Annotated[
    bool, typer.Option("--full", rich_help_panel=_OUTPUT, help="Show everything, however long it gets.")
]
FailOnDrift = Annotated[
    bool, typer.Option("--fail-on-drift", rich_help_panel=_OUTPUT, help="Exit with 10 if drift is left.")
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", rich_help_panel=_OUTPUT, help="No progress, and nothing at all when in sync."
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", rich_help_panel=_OUTPUT, help="Tell each request: method, path, status, time."
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", rich_help_panel=_OUTPUT, help="Show a traceback with an error.")
]
