"""What a command has to say when it ends: one value, of which every format is a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from personas.catalog.reading import Catalog
    from personas.errors import PersonasError, Problem
    from personas.reconcile.live import Live
    from personas.reconcile.outcome import Outcome
    from personas.reconcile.plan import Plan
    from personas.service.models import LiveDetail


@dataclass(frozen=True, slots=True)
class Report:
    """The end of one command.

    Attributes:
        command: `seed`, `dry-run`, `cleanup`, `list`, `show` or `validate`.
        version: The tool's version.
        catalog: The catalog file as it was named; empty when the command uses none.
        service: The service's address without credentials; empty when no service was asked.
        dry_run: Nothing was to be written.
        plan: The plan; None when the run ended before there was one, and for `validate`.
        offline: The plan compares with nothing: the catalog alone was looked at.
        outcomes: What became of the plan's steps; empty for a dry run.
        problems: Why the catalog is not valid.
        warnings: What is doubtful in the catalog.
        notes: What the reader must know, each a sentence, such as a safety check that was not offered.
        detail: One live persona, for `show`.
        error: Why the run ended early; None when it ran to its end.
        exit_code: The exit code of the command.
        interrupted: The run was stopped by the user.
        requests: How many requests were sent to the service.
        safety_requests: How many of them a safety rule cost.
        seconds: How long the run took.
        snapshot_age: Seconds since the snapshot was taken that the plan compares with; None without one.
        taken_at: When the live state was read.
        loaded: The catalog as read, for its lines and for what it means; None when it could not be read.
        live: The whole live state, only where the report is to be a snapshot: `list --full`.
    """

    command: str
    version: str
    catalog: str = ""
    service: str = ""
    dry_run: bool = False
    plan: Plan | None = None
    offline: bool = False
    outcomes: tuple[Outcome, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    detail: LiveDetail | None = None
    error: PersonasError | None = None
    exit_code: int = 0
    interrupted: bool = False
    requests: int = 0
    safety_requests: int = 0
    seconds: float = 0.0
    snapshot_age: float | None = None
    taken_at: datetime | None = None
    loaded: Catalog | None = None
    live: Live | None = None

    def places(self) -> dict[str, tuple[int, int]]:
        """Line and column of each persona of the catalog, by email."""
        if self.loaded is None:
            return {}
        return {
            persona.email: self.loaded.locate(("personas", index))
            for index, persona in enumerate(self.loaded.personas)
        }
