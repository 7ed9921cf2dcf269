"""What a command has to say when it ends: one document, the same for every command and every format.

`-o json` is this document, `personas schema report` is its schema, and a snapshot is read back by it. A later
report of the same version may have more properties; all of them are always there.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from personas.reconcile.live import Ownership
from personas.reconcile.outcome import Result
from personas.reconcile.plan import State, Step
from personas.service.models import Login

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _storable(text: str) -> str:
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def _in_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        return when.replace(tzinfo=UTC)
    try:
        return when.astimezone(UTC)
    except OverflowError:  # at the ends of time
        return when.replace(tzinfo=UTC)


def _written(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _or_null(value: object) -> object:
    """None for what JSON has no number for: NaN, infinities, integers beyond all floats."""
    huge = isinstance(value, int | float) and not abs(value) <= sys.float_info.max
    return None if huge else value


def _or_nan(value: object) -> object:
    return math.nan if _or_null(value) is None else value


# Halves of surrogate pairs, which UTF-8 cannot carry, become U+FFFD.
Text = Annotated[str, AfterValidator(_storable)]
Time = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "A time in UTC."}),
]
# What JSON has no number for is null there, and as a weight it is read as NaN, which equals no other.
Measure = Annotated[float | None, BeforeValidator(_or_null)]
Weight = Annotated[
    float,
    BeforeValidator(_or_nan),
    WithJsonSchema({"type": ["number", "null"]}),
]
Whole = Annotated[int, Field(ge=0)]
Position = Annotated[int, Field(ge=1)]
Weights = Annotated[
    dict[Text, Weight],
    BeforeValidator(lambda value: dict(value) if isinstance(value, Mapping) else value),
]
Value = Text | Weights | None


class Model(BaseModel):
    """What all parts of the document share: camelCase in JSON, nothing converted, nothing changed later."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        strict=True,
        from_attributes=True,
        hide_input_in_errors=True,
        json_schema_serialization_defaults_required=True,
        field_title_generator=lambda name, info: info.alias or name,
    )


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


class Intent(Model):
    """What a run of the plan may do."""

    purpose: Literal["seed", "cleanup"]
    prune: bool
    recreate: bool
    force: bool


class Counts(Model):
    """How many things are in each state."""

    collision: Whole
    not_known: Whole
    locked_out: Whole
    recreate: Whole
    create: Whole
    update: Whole
    stray: Whole
    in_sync: Whole


class FieldChange(Model):
    """One field that differs."""

    field: Text
    old: Value = Field(description="What is live; null when the service does not tell.")
    new: Value
    mendable: bool = Field(description="Whether an update mends it.")
    line: Position | None = Field(default=None, description="Where the catalog has the field.")
    column: Position | None = None

    @property
    def prompts(self) -> tuple[str, str] | None:
        """Old and new, where this is a prompt and both are told."""
        told = self.field == "systemPrompt" and isinstance(self.old, str) and isinstance(self.new, str)
        return (str(self.old), str(self.new)) if told else None

    @property
    def mixes(self) -> tuple[Weights, Weights] | None:
        """Old and new, where both are weights."""
        old, new = self.old, self.new
        return (old, new) if isinstance(old, dict) and isinstance(new, dict) else None


class Facts(Model):
    """What the list of the service tells of a live persona."""

    email: Text
    name: Text | None = None
    archetype: Text | None = None
    tick_cadence: Text | None = None
    created_at: Time | None = None
    last_active_at: Time | None = None
    actions_7d: int | None = Field(default=None, alias="actions7d")


class Change(Model):
    """One thing of the plan."""

    thing: Text
    email: Text
    name: Text
    archetype: Text
    user_id: Text | None
    state: State
    step: Step | None
    reason: Text
    fields: tuple[FieldChange, ...]
    line: Position | None = Field(description="Where the catalog has it.")
    column: Position | None
    live: Facts | None = None

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What an outcome names its change by."""
        return (self.thing, self.email, self.user_id)

    @property
    def is_drift(self) -> bool:
        """Whether catalog and service differ here, or may differ."""
        return self.state is not State.IN_SYNC


class Plan(Model):
    """The differences between catalog and service, and what a run does about them."""

    checksum: Text = Field(description="For --expect-plan.")
    in_sync: bool
    catalog_known: bool = Field(description="False when the catalog could not be read: drift is not known.")
    whole: bool = Field(description="False when personas were left out, as --only does.")
    intent: Intent
    steps: Whole = Field(description="How many changes a run carries out.")
    counts: Counts
    notes: tuple[Text, ...]
    changes: tuple[Change, ...]

    @cached_property
    def count(self) -> Mapping[State, int]:
        """How many changes are in each state."""
        return Counter(change.state for change in self.changes)

    @cached_property
    def drift(self) -> tuple[Change, ...]:
        """Everything that is not in sync."""
        return tuple(change for change in self.changes if change.is_drift)

    def of(self, *states: State) -> tuple[Change, ...]:
        """The changes in any of these states, in the plan's order."""
        return tuple(change for change in self.changes if change.state in states)

    @property
    def is_cleanup(self) -> bool:
        """Whether everything live is to be deleted."""
        return self.intent.purpose == "cleanup"


class Outcome(Model):
    """What became of one step, by the service's own word."""

    thing: Text
    email: Text
    user_id: Text | None = None
    step: Step | None
    result: Result
    message: Text
    seconds: float

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """The identity of the change whose step this was."""
        return (self.thing, self.email, self.user_id)


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


class Persona(Model):
    """One live persona, whole."""

    user_id: Text
    email: Text
    name: Text | None
    archetype: Text | None
    tick_cadence: Text | None
    system_prompt: Text | None
    module_mix: Weights | None
    created_at: Time | None
    last_active_at: Time | None
    actions_7d: Whole | None = Field(alias="actions7d")


class Action(Model):
    """One thing that a persona did lately."""

    tool: Text
    result: Text
    created_at: Time | None
    latency_ms: Measure
    error_message: Text | None


class Feedback(Model):
    """What a persona thinks of one module."""

    module: Text
    ratings: int | None
    mean: Measure = Field(description="1 to 5.")


class Detail(Model):
    """One live persona with its last actions and its feedback."""

    persona: Persona
    recent_actions: tuple[Action, ...]
    feedback: tuple[Feedback, ...]


class Owner(Model):
    """Whose the account behind a catalog email is."""

    verdict: Ownership
    reason: Text


class LoginCheck(Model):
    """Whether a derived password signs in."""

    verdict: Login
    reason: Text


class Live(Model):
    """The whole live state, such that a plan can be made of it later."""

    taken_at: Time | None
    only: tuple[Text, ...] = Field(
        default=(), description="The patterns of --only; what they left out is not here."
    )
    personas: tuple[Persona, ...]
    owners: dict[Text, Owner] = Field(description="By email.")
    logins: dict[Text, LoginCheck] = Field(description="By email.")
    unread: dict[Text, Text] = Field(
        default_factory=dict, description="Why details could not be read, by email."
    )
    notes: tuple[Text, ...]


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
    outcomes: tuple[Outcome, ...]
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
    def results(self) -> Mapping[tuple[str, str, str | None], Outcome]:
        """What became of the plan's changes, by their identity."""
        return {outcome.identity: outcome for outcome in self.outcomes}

    def result(self, change: Change) -> Outcome | None:
        """What became of a change's step; None when there was none, or nothing was written."""
        return self.results.get(change.identity) if change.step else None

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
