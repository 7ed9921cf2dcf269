"""The points in which something differs, as a report's document holds them and as its views tell them."""

from __future__ import annotations

from typing import ClassVar, Protocol

from pydantic import Field

from personas.reconcile.changes import EXPIRED, INVITED
from personas.report.shapes import Model, Position, Text, Value, Weights


class Deviation(Protocol):
    """One point in which catalog and service differ, as the views tell it.

    Attributes:
        nothing: What is said where there is no value.
        obstacle: What is said where an update does not mend it.
        remedy: The same, with the command that does.
    """

    nothing: ClassVar[str]
    obstacle: ClassVar[str]
    remedy: ClassVar[str]

    @property
    def mark(self) -> str:
        """What stands before it in a list of such points."""

    @property
    def label(self) -> str:
        """What differs, in a word or two."""

    @property
    def about(self) -> str:
        """Whom it is about; empty where that is the thing itself."""

    @property
    def old(self) -> Value:
        """What is live."""

    @property
    def new(self) -> Value:
        """What the catalog wants."""

    @property
    def prompts(self) -> tuple[str, str] | None:
        """Old and new, where this is a prompt and both are told."""

    @property
    def mixes(self) -> tuple[Weights, Weights] | None:
        """Old and new, where both are weights."""

    @property
    def mendable(self) -> bool:
        """Whether an update mends it."""

    @property
    def line(self) -> int | None:
        """Where the catalog has it."""

    @property
    def column(self) -> int | None:
        """Where in the line."""


_LABELS = {"systemPrompt": "prompt", "moduleMix": "weights", "tickCadence": "cadence"}


class FieldChange(Model):
    """One field that differs."""

    nothing: ClassVar = "not told"
    obstacle: ClassVar = "an update cannot mend this"
    remedy: ClassVar = f"{obstacle}; personas seed --recreate does"

    field: Text
    old: Value = Field(description="What is live; null when the service does not tell.")
    new: Value
    mendable: bool = Field(description="Whether an update mends it.")
    line: Position | None = Field(default=None, description="Where the catalog has the field.")
    column: Position | None = None

    @property
    def label(self) -> str:
        """What the field is called in prose."""
        return _LABELS.get(self.field, self.field)

    @property
    def mark(self) -> str:
        """The same."""
        return self.label

    @property
    def about(self) -> str:
        """Nobody else."""
        return ""

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


class Membership(Model):
    """Somebody in a space, or who should be."""

    nothing: ClassVar = "no member"
    obstacle: ClassVar = "is not removed"
    remedy: ClassVar = f"{obstacle}; personas seed --prune removes members too many"
    mark: ClassVar = "member"

    email: Text
    wanted: Text | None = Field(description="The role in the catalog; null where it has none.")
    live: Text | None = Field(
        description=f"The role in the service, or '{INVITED}' or '{EXPIRED}'; null where there is none or it "
        "is not known."
    )
    differs: bool
    mendable: bool = Field(description="Whether the run may mend it; who is too many stays without --prune.")
    line: Position | None = None
    column: Position | None = None

    @property
    def label(self) -> str:
        """How the two roles differ."""
        match self.live, self.wanted:
            case None, _:
                return "member missing"
            case _, None:
                return "member too many"
            case live, _ if live in {INVITED, EXPIRED}:
                return live
        return "role"

    @property
    def about(self) -> str:
        """The member's email."""
        return self.email

    @property
    def old(self) -> Value:
        """The role in the service."""
        return self.live

    @property
    def new(self) -> Value:
        """The role in the catalog."""
        return self.wanted

    @property
    def role(self) -> str:
        """The role in the service and the one in the catalog, where they are not the same."""
        if self.live == self.wanted or not self.differs:
            return self.live or self.wanted or ""
        return f"{self.live or self.nothing} → {self.wanted or self.nothing}"

    @property
    def is_in(self) -> bool:
        """Whether it is a member in the service."""
        return self.live not in {None, INVITED, EXPIRED}

    prompts: ClassVar = None
    mixes: ClassVar = None
