"""The options that commands share, each written once: a command takes one by naming its type."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from personas.config import DEFAULT_CATALOG, variable
from personas.errors import PersonasError

if TYPE_CHECKING:
    from personas.catalog.models import Persona

# Shells act on other characters; zsh evaluates what it is offered, the help included.
_PLAIN = re.compile(r"[A-Za-z0-9._@+-]+")


class Output(StrEnum):
    """The formats of a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"


def option(names: str, text: str, metavar: str = "", panel: str | None = None, **more: Any) -> Any:
    """Return an option with its help text in a panel; a flag has no metavar."""
    return typer.Option(
        *names.split(), help=text, metavar=metavar, rich_help_panel=panel, show_default=False, **more
    )


def complete_persona(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the part of each email before the @; whole emails once an @ is typed."""
    emails = {persona.email: persona.archetype for persona in _personas(ctx)}
    return _offer({e if "@" in incomplete else e.partition("@")[0]: text for e, text in emails.items()})


def complete_pattern(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer every archetype, and what `complete_persona` offers."""
    archetypes = sorted({persona.archetype for persona in _personas(ctx)})
    return _offer(dict.fromkeys(archetypes, "archetype")) + complete_persona(ctx, incomplete)


def _offer(texts: dict[str, str]) -> list[tuple[str, str]]:
    """Return plain texts with their help, where that is plain too."""
    plain = {text: about for text, about in texts.items() if _PLAIN.fullmatch(text)}
    return [(text, about if _PLAIN.fullmatch(about) else "") for text, about in plain.items()]


def _personas(ctx: typer.Context) -> tuple[Persona, ...]:
    from personas.catalog.loader import load_catalog

    try:
        file = ctx.params.get("catalog") or variable("PERSONAS_CATALOG") or DEFAULT_CATALOG
        return load_catalog(file).personas
    except PersonasError:  # a shell that completes cannot show it
        return ()


_catalog = partial(option, panel="Catalog")
_service = partial(option, panel="Service")
_safety = partial(option, panel="Safety")
_output = partial(option, panel="Output")

_persona = typer.Argument(
    metavar="PERSONA",
    show_default=False,
    help="An email, its part before the @, or a unique name.",
    autocompletion=complete_persona,
)
PersonaArgument = Annotated[str, _persona]
PersonaArguments = Annotated[list[str] | None, _persona]
CatalogArgument = Annotated[
    str | None, typer.Argument(metavar="FILE", show_default=False, help="The same as --catalog.")
]
Catalog = Annotated[
    str | None,
    _catalog("--catalog -c", "The catalog. Variable PERSONAS_CATALOG; default catalog.json.", "FILE"),
]
Only = Annotated[
    list[str] | None,
    _catalog(
        "--only", "Only this email, name or archetype (glob).", "PATTERN", autocompletion=complete_pattern
    ),
]
OnlySpaces = Annotated[
    list[str] | None, _catalog("--only", "Only spaces with this slug, name or member (glob).", "PATTERN")
]
Snapshot = Annotated[str | None, _catalog("--snapshot", "Compare with a file from 'list -o json'.", "FILE")]

Auth = Annotated[
    str | None,
    _service(
        "--auth",
        "The auth service, or embedded[:FILE]. Variable MANA_AUTH_URL or PERSONAS_AUTH_URL; "
        "default http://localhost:3001.",
        "URL",
    ),
]
Jwt = Annotated[
    str | None,
    _service(
        "--jwt", "Admin token, - for stdin or @FILE. Variable MANA_ADMIN_JWT or PERSONAS_ADMIN_JWT.", "TOKEN"
    ),
]
AllowHttp = Annotated[bool, _service("--allow-http", "Allow plain http to another machine.")]
Timeout = Annotated[float | None, _service("--timeout", "Limit of one request; default 30.", "SECONDS")]
Service = Annotated[
    str | None, _service("--service", "mana or better-auth. Variable PERSONAS_SERVICE.", "NAME")
]
Token = Annotated[
    str | None, _service("--token", "Session token for Better Auth. Variable PERSONAS_ADMIN_TOKEN.", "TOKEN")
]
BasePath = Annotated[str | None, _service("--base-path", "The path of Better Auth.", hidden=True)]
Endpoint = Annotated[str | None, _service("--endpoint", "The path of the admin calls.", hidden=True)]
Concurrency = Annotated[
    int | None, _service("--concurrency", "How many requests at once.", min=1, max=64, hidden=True)
]
Offline = Annotated[bool, _service("--offline", "Only validate the catalog.")]

DryRun = Annotated[bool, _safety("--dry-run", "Show the plan and change nothing.")]
Prune = Annotated[bool, _safety("--prune", "Delete personas that are not in the catalog.")]
PruneSpaces = Annotated[
    bool, _safety("--prune", "Remove members, and other spaces of the owners, not in the catalog.")
]
Replace = Annotated[
    bool, _safety("--replace", "Delete, with data, and create again if name or password differs.")
]
CheckPasswords = Annotated[bool, _safety("--check-passwords", "Sign in as every persona, not only two.")]
ExpectPlan = Annotated[str | None, _safety("--expect-plan", "Refuse a plan with another checksum.", "SUM")]
Delete = Annotated[bool, _safety("--delete", "Delete the catalog's spaces.")]
Yes = Annotated[bool, _safety("--yes -y", "Do not ask before deleting.")]
Force = Annotated[bool, _safety("--force", "Lift safety rules; each one is printed.")]

Format = Annotated[Output, _output("--output -o", "text, json, markdown or github.", "FORMAT")]
Reports = Annotated[
    list[str] | None, _output("--report", "Also write the report to FILE (.json, .md, .txt).", "FILE")
]
FailOnDrift = Annotated[bool, _output("--fail-on-drift", "Exit with 10 if catalog and service differ.")]
Quiet = Annotated[bool, _output("--quiet -q", "No progress or notes; nothing when in sync.")]
Verbose = Annotated[bool, _output("--verbose -v", "Print requests; a traceback for a bug.")]
