"""The options that commands share, each written once; a command takes those it needs as one `Given`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from personas.cli.boundary import boundary
from personas.secret import Secret

if TYPE_CHECKING:
    from personas.settings import Settings


class Output(StrEnum):
    """The formats of a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"
    JUNIT = "junit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was said on the command line, as it was said; None means not said."""

    catalog: str | None = None
    auth: str | None = None
    endpoint: str | None = None
    jwt: Secret | None = None
    allow_http: bool = False
    only: str | None = None
    concurrency: int | None = None
    timeout: float | None = None
    output: Output = Output.TEXT
    report: tuple[str, ...] = ()
    quiet: bool = False
    debug: bool = False
    takes: tuple[str, ...] = ()

    def settings(self) -> Settings:
        """What was said, joined with the environment, as far as the command takes it."""
        from personas.settings import resolve

        return resolve(
            catalog=self.catalog,
            auth=self.auth,
            endpoint=self.endpoint,
            jwt=self.jwt,
            only=self.only,
            concurrency=self.concurrency,
            timeout=self.timeout,
            allow_http=self.allow_http,
            uses=self.takes,
        )


CATALOG = ("catalog",)
SERVICE = ("auth", "endpoint", "jwt", "allow_http", "concurrency", "timeout")
REPORT = ("output", "report", "quiet")

_REPORT_HELP = "Also write the report to FILE, by its ending: .json, .md, .xml (JUnit) or .txt. Repeatable."
_CATALOG_HELP = "The catalog. [env: PERSONAS_CATALOG; default: catalog.json]"
_JWT_HELP = "The admin's token; - reads it from standard input, @FILE from a file. [env: MANA_ADMIN_JWT]"
_AUTH_HELP = "The auth service. [env: MANA_AUTH_URL; default: http://localhost:3001]"

_OPTIONS: dict[str, Any] = {
    "catalog": Annotated[
        str | None,
        typer.Option("--catalog", "-c", metavar="FILE", help=_CATALOG_HELP),
    ],
    "auth": Annotated[
        str | None, typer.Option("--auth", metavar="URL|embedded[:FILE]", help=_AUTH_HELP, show_default=False)
    ],
    "endpoint": Annotated[
        str | None,
        typer.Option(
            "--endpoint", metavar="PATH", help="The persona endpoints. [default: /api/v1/admin/personas]"
        ),
    ],
    "jwt": Annotated[str | None, typer.Option("--jwt", metavar="TOKEN|-|@FILE", help=_JWT_HELP)],
    "allow_http": Annotated[
        bool, typer.Option("--allow-http", help="Allow plain http to another machine.", show_default=False)
    ],
    "only": Annotated[
        str | None,
        typer.Option(
            "--only", metavar="PATTERN", help="Only these: email, name or archetype; * and ? allowed."
        ),
    ],
    "concurrency": Annotated[
        int | None, typer.Option("--concurrency", metavar="N", help="Calls at once, 1 to 64. [default: 8]")
    ],
    "timeout": Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="For one call. [default: 30]")
    ],
    "output": Annotated[Output, typer.Option("--output", "-o", help="The format on standard output.")],
    "report": Annotated[list[str] | None, typer.Option("--report", metavar="FILE", help=_REPORT_HELP)],
    "quiet": Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, and nothing when in sync.", show_default=False)
    ],
    "debug": Annotated[
        bool, typer.Option("--debug", help="Show a traceback with an error.", show_default=False)
    ],
}
_DEFAULTS: dict[str, Any] = {"allow_http": False, "quiet": False, "debug": False, "output": Output.TEXT}


def taking(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these shared options, as its first parameter `given`, and the error boundary.

    Typer reads a command's signature: the shared options stand there like the command's own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shared = (*names, "debug")

        @wraps(command)
        def run(**said: Any) -> None:
            values = {name: said.pop(name) for name in shared}
            if values.get("jwt") is not None:
                # From here on no name, and so no traceback, holds the token in the clear.
                values["jwt"] = Secret(values["jwt"])
            if "report" in values:
                values["report"] = tuple(values["report"] or ())
            given = Given(**values, takes=names)
            with boundary(debug=given.debug):
                command(given, **said)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        added = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=_OPTIONS[name]
            )
            for name in shared
        ]
        run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]  # typeshed
        return run

    return decorate
