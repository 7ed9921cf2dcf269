"""What a command has to say when it ends: one document, the same for every command and every format.

`-o json` is this document, `personas schema report` is its schema, and a snapshot is read back by it. A later
report of the same version may have more properties; all of them are always there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict, Field

from personas.reconcile.outcome import Result
from personas.report.differences import AnyOutcome, Difference, Outcome, Part, Plan, SpaceOutcome
from personas.report.shapes import Measure, Model, Position, Text, Time, Whole
from personas.report.told import Detail, Live


class Problem(Model):
    """One thing that is wrong, or doubtful, in the catalog."""

    path: Text = Field(description="A JSON path, such as $.personas[3].email.")
    line: Position
    column: Position
    message: Text
    file: Text
    excerpt: Text = Field(
        default="", description="The source around the place; empty when it is not at hand."
    )
    caret: Whole = Field(default=0, description="Where in the excerpt the place is.")


class Error(Model):
    """Why the command ended early."""

    kind: Text = Field(description="The name of the error.")
    message: Text
    hint: Text | None = Field(description="What to do next.")
    exit_code: int


class Shares(Model):
    """The expected use by one set of personas: a persona's weights, normalised, times its ticks a week."""

    personas: Whole = 0
    not_told: Whole = Field(default=0, description="How many are left out: weights or cadence are not known.")
    ticks_per_week: Whole = Field(default=0, description="Ticks of those that use any module.")
    modules: dict[Text, float] = Field(
        default_factory=dict, description="Each module's share, from 0 to 1, largest first."
    )
    archetypes: dict[Text, Whole] = Field(default_factory=dict)
    cadences: dict[Text, Whole] = Field(default_factory=dict)


class Usage(Model):
    """The expected use of the product, now and once the plan is carried out."""

    before: Shares | None
    after: Shares


class Report(Model):
    """What one command of personas had to say; the same shape for every command."""

    model_config = ConfigDict(title="Report of personas")

    version: Literal[1] = Field(description="The version of this shape.")
    kind: Literal["personas-report"]
    tool_version: Text
    command: Text
    exit_code: int
    verdict: Text = Field(description="The end of the command in one clause, for people.")
    dry_run: bool = Field(description="Nothing was to be written.")
    offline: bool = Field(description="The catalog was compared with nothing.")
    interrupted: bool
    catalog: Text | None = Field(description="The catalog file as it was named.")
    service: Text | None = Field(description="The address of the service.")
    only: tuple[Text, ...] = Field(default=(), description="The patterns of --only.")
    valid: bool | None = Field(description="The catalog has no problems; null when it was not read.")
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    notes: tuple[Text, ...]
    plan: Plan | None
    outcomes: tuple[Outcome, ...] = Field(description="Of steps about personas.")
    space_outcomes: tuple[SpaceOutcome, ...] = Field(default=(), description="Of steps about spaces.")
    catalog_spaces: Whole | None = Field(
        default=None, description="How many spaces the catalog has; null when it was not read."
    )
    usage: Usage | None
    detail: Detail | None
    live: Live | None = Field(description="Only where the report is a snapshot: list --full.")
    error: Error | None
    requests: Whole = Field(description="Requests sent to the service.")
    safety_requests: Whole = Field(description="How many of them a safety rule cost.")
    seconds: float
    taken_at: Time | None = Field(description="When the live state was read.")
    snapshot_age: Measure = Field(description="Seconds since the snapshot in use was taken.")

    @cached_property
    def all_outcomes(self) -> tuple[AnyOutcome, ...]:
        """What became of every step that was to be carried out; empty where nothing was."""
        return (*self.outcomes, *self.space_outcomes)

    @cached_property
    def undone(self) -> tuple[AnyOutcome, ...]:
        """What became of the steps that were not done, as far as is known."""
        return tuple(outcome for outcome in self.all_outcomes if outcome.result is not Result.DONE)

    def outcomes_of(self, part: Part[Difference]) -> tuple[AnyOutcome, ...]:
        """What became of the steps about one kind of thing."""
        return tuple(outcome for outcome in self.all_outcomes if outcome.thing == part.thing)

    @cached_property
    def _results(self) -> Mapping[tuple[str, str, str | None], AnyOutcome]:
        return {outcome.identity: outcome for outcome in self.all_outcomes}

    def result(self, change: Difference) -> AnyOutcome | None:
        """What became of a change's step; None when there was none, or nothing was written."""
        return self._results.get(change.identity) if change.step else None

    @property
    def warnings_refused(self) -> bool:
        """Whether a valid catalog failed for its warnings, as `--strict` asks."""
        return self.command == "validate" and bool(self.exit_code and self.valid and self.warnings)

    @property
    def acts(self) -> bool:
        """Whether this is about making a catalog true."""
        return self.command in {"seed", "dry-run"}


def report_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of the JSON report."""
    schema = Report.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
