"""A plan and what became of it, as a report's document holds them: personas, and the spaces they share."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from personas.reconcile.changes import State, Step
from personas.reconcile.outcome import Result
from personas.report.deviations import Deviation, FieldChange, Membership
from personas.report.shapes import Model, Position, Text, Whole
from personas.report.told import Facts

Identity = tuple[str, str, str | None]  # a kind of thing, its key, the service's id of it


class Intent(Model):
    """What a run of the plan may do."""

    purpose: Literal["seed", "cleanup"]
    prune: bool
    recreate: bool
    force: bool


class Counts(Model):
    """How many things are in each state."""

    collision: Whole = 0
    not_known: Whole = 0
    locked_out: Whole = 0
    recreate: Whole = 0
    create: Whole = 0
    update: Whole = 0
    stray: Whole = 0
    in_sync: Whole = 0


class Difference(Model):
    """One thing of the plan, of whatever kind."""

    thing: Text
    name: Text
    state: State
    step: Step | None
    reason: Text
    fields: tuple[FieldChange, ...]
    line: Position | None = Field(description="Where the catalog has it.")
    column: Position | None

    titles: ClassVar[tuple[str, ...]]

    if TYPE_CHECKING:  # fields of each kind, where the document has them
        key: str
        live_id: str | None

    @property
    @abstractmethod
    def cells(self) -> tuple[str, ...]:
        """What stands under its titles in a table."""

    @property
    def is_live(self) -> bool:
        """Whether the service has it."""
        return self.live_id is not None

    @property
    def identity(self) -> Identity:
        """What an outcome names its change by."""
        return (self.thing, self.key, self.live_id)

    @property
    def is_drift(self) -> bool:
        """Whether catalog and service differ here, or may differ."""
        return self.state is not State.IN_SYNC

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """In what it differs."""
        return self.fields

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Those without whom its step cannot be done, by email."""
        return ()

    @property
    def is_mended(self) -> bool:
        """Whether nothing differs any more once its step is carried out."""
        if self.state in {State.RECREATE, State.LOCKED_OUT}:
            return self.step in {Step.RECREATE, Step.DELETE}
        return self.step is not None and all(item.mendable for item in self.deviations)


class Change(Difference):
    """One persona of the plan."""

    titles: ClassVar = ("name", "email", "archetype")

    key: Text = Field(alias="email")
    archetype: Text
    live_id: Text | None = Field(alias="userId")
    live: Facts | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands under its titles in a table."""
        return (self.name, self.key, self.archetype)


class SpaceChange(Difference):
    """One shared space of the plan."""

    titles: ClassVar = ("space", "slug", "type", "owner")

    key: Text = Field(alias="slug")
    type: Text | None
    owner: Text = Field(description="The owner's email, in the catalog if it has the space.")
    live_id: Text | None = Field(alias="spaceId")
    members: tuple[Membership, ...] = Field(description="The owner too.")
    missing: tuple[Text, ...] = Field(
        description="Who is not there to join, by email, not even once the plan is carried out."
    )

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands under its titles in a table."""
        return (self.name, self.key, self.type or "", self.owner)

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """Its fields, and then those of its members who differ."""
        return (*self.fields, *(member for member in self.members if member.differs))

    def role_of(self, email: str) -> str:
        """The role of somebody in it, of both where service and catalog differ; empty for a stranger."""
        return next((member.role for member in self.members if member.about == email.lower()), "")

    @property
    def size(self) -> int:
        """How many members it has, those aside who have not accepted their invitation."""
        return sum(member.is_in for member in self.members)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Those who are not there to join."""
        return self.missing


Kind = TypeVar("Kind", bound=Difference)
Kind_co = TypeVar("Kind_co", bound=Difference, covariant=True)


@dataclass(frozen=True)
class Part(Generic[Kind_co]):
    """All changes of one kind, in the plan's order.

    Attributes:
        plan: The plan that they are a part of.
        thing: Their kind, and what one of them is called.
        changes: What there is, in sync or not.
    """

    plan: Plan
    thing: str
    changes: tuple[Kind_co, ...]

    @cached_property
    def count(self) -> Mapping[State, int]:
        """How many are in each state."""
        return Counter(change.state for change in self.changes)

    @cached_property
    def drift(self) -> tuple[Kind_co, ...]:
        """Those that are not in sync."""
        return tuple(change for change in self.changes if change.is_drift)

    def of(self, *states: State) -> tuple[Kind_co, ...]:
        """Those in any of these states."""
        return tuple(change for change in self.changes if change.state in states)

    def left(self, state: State) -> tuple[Kind_co, ...]:
        """Those in a state of which a run leaves all or a part as it is; none where drift is not known."""
        if not self.plan.catalog_known:
            return ()
        if state is State.UPDATE:
            return tuple(c for c in self.of(state) if not all(item.mendable for item in c.deviations))
        mends = {Step.DELETE} if state is State.STRAY else {Step.RECREATE}
        return tuple(change for change in self.of(state) if change.step not in mends)


class Plan(Model):
    """The differences between catalog and service, and what a run does about them."""

    checksum: Text = Field(description="For --expect-plan.")
    in_sync: bool
    catalog_known: bool = Field(description="False when the catalog could not be read: drift is not known.")
    whole: bool = Field(description="False when things were left out, as --only does.")
    intent: Intent
    steps: Whole = Field(description="How many changes a run carries out, of personas and of spaces.")
    counts: Counts = Field(description="Of the personas.")
    space_counts: Counts = Field(default_factory=Counts, description="Of the spaces.")
    notes: tuple[Text, ...]
    changes: tuple[Change, ...] = Field(description="The personas.")
    space_changes: tuple[SpaceChange, ...] = Field(default=(), description="The spaces.")

    @cached_property
    def personas(self) -> Part[Change]:
        """The changes of personas."""
        return Part(self, "persona", self.changes)

    @cached_property
    def spaces(self) -> Part[SpaceChange]:
        """The changes of spaces."""
        return Part(self, "space", self.space_changes)

    @property
    def parts(self) -> tuple[Part[Difference], ...]:
        """The personas, and the spaces where there are any; these alone where they alone are meant."""
        if not self.space_changes:
            return (self.personas,)
        return (self.personas, self.spaces) if self.changes else (self.spaces,)

    def spaces_of(self, email: str) -> list[tuple[SpaceChange, str]]:
        """The spaces of somebody, with the role in each."""
        return [(change, role) for change in self.space_changes if (role := change.role_of(email))]

    @property
    def everything(self) -> tuple[Difference, ...]:
        """All changes: personas, then spaces."""
        return (*self.changes, *self.space_changes)

    def of(self, *states: State) -> tuple[Difference, ...]:
        """The changes in any of these states: personas, then spaces."""
        return tuple(change for change in self.everything if change.state in states)

    @property
    def is_cleanup(self) -> bool:
        """Whether everything live is to be deleted."""
        return self.intent.purpose == "cleanup"


class AnyOutcome(Model):
    """What became of one step, by the service's own word; it names its change by key and id."""

    thing: Text
    step: Step | None
    result: Result
    message: Text
    seconds: float
    key: Text
    live_id: Text | None = None

    @property
    def identity(self) -> Identity:
        """The identity of the change whose step this was."""
        return (self.thing, self.key, self.live_id)


class Outcome(AnyOutcome):
    """What became of one step about a persona."""

    key: Text = Field(alias="email")
    live_id: Text | None = Field(default=None, alias="userId")


class SpaceOutcome(AnyOutcome):
    """What became of one step about a space."""

    key: Text = Field(alias="slug")
    live_id: Text | None = Field(default=None, alias="spaceId")
