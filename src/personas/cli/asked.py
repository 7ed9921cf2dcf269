"""What was asked on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import typer

from personas.cli.options import Output
from personas.secret import Secret
from personas.settings import (
    DEFAULT_AUTH,
    DEFAULT_CATALOG,
    DEFAULT_CONCURRENCY,
    DEFAULT_ENDPOINT,
    DEFAULT_TIMEOUT,
    Settings,
    resolve,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One command with its options; those that it does not have are as if nothing was said."""

    command: str
    catalog: str = DEFAULT_CATALOG
    only: Sequence[str] = ()
    auth: str = DEFAULT_AUTH
    endpoint: str = DEFAULT_ENDPOINT
    jwt: Secret | None = None
    allow_http: bool = False
    concurrency: int = DEFAULT_CONCURRENCY
    timeout: float = DEFAULT_TIMEOUT
    dry_run: bool = False
    fail_on_drift: bool = False
    strict: bool = False
    max_age: timedelta | None = None
    output: Output = Output.TEXT
    report: Sequence[str] = ()
    full: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False

    @classmethod
    def of(cls, context: typer.Context, **otherwise: Any) -> Asked:
        """The options that typer has read for a command, by their names.

        Args:
            context: The command's own, which typer hands it.
            otherwise: What the command takes for an option, whatever was said.
        """
        given = {**context.params, "command": context.info_name, **otherwise}
        return cls(**{field.name: given[field.name] for field in fields(cls) if field.name in given})

    def settings(self) -> Settings:
        """What was asked, joined with the environment; errors as `resolve` has them."""
        return resolve(
            catalog=self.catalog,
            auth=self.auth,
            endpoint=self.endpoint,
            jwt=self.jwt,
            concurrency=self.concurrency,
            timeout=self.timeout,
            allow_http=self.allow_http,
        )

    def fallback(self) -> Settings:
        """Settings for a report that is owed although `settings` failed: nothing that could be wrong."""
        return resolve(catalog=self.catalog)
