"""The points in which something differs, as a report's document holds them and as its views tell them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from personas.reconcile.changes import EXPIRED, INVITED
from personas.report.shapes import Model, Position, Text, Value, Weights

_LABELS = {"systemPrompt": "prompt", "moduleMix": "weights", "tickCadence": "cadence"}


class FieldChange(Model):
    """One field that differs."""

    nothing: ClassVar = "not told"
    obstacle: ClassVar = "an update cannot mend this"
    remedy: ClassVar = f"{obstacle}; personas seed --recreate does"
    about: ClassVar = ""

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
    prompts: ClassVar = None
    mixes: ClassVar = None

    about: Text = Field(alias="email")
    new: Text | None = Field(alias="wanted", description="The role in the catalog; null where it has none.")
    old: Text | None = Field(
        alias="live",
        description=f"The role in the service, or '{INVITED}' or '{EXPIRED}'; null where there is none or it "
        "is not known.",
    )
    differs: bool
    mendable: bool = Field(description="Whether the run may mend it; who is too many stays without --prune.")
    line: Position | None = None
    column: Position | None = None

    @property
    def label(self) -> str:
        """How the two roles differ."""
        if self.old is None:
            return "member missing"
        if self.new is None:
            return "member too many"
        return "role" if self.is_in else self.old

    @property
    def role(self) -> str:
        """The role in the service and the one in the catalog, where they are not the same."""
        if self.old == self.new or not self.differs:
            return self.old or self.new or ""
        return f"{self.old or self.nothing} → {self.new or self.nothing}"

    @property
    def is_in(self) -> bool:
        """Whether it is a member in the service."""
        return self.old not in {None, INVITED, EXPIRED}


Deviation = FieldChange | Membership
"""One point in which catalog and service differ.

`nothing` is said where there is no value, `obstacle` where an update does not mend it, `remedy` is the same
with the command that does. `mark` stands before it in a list, `label` says in a word or two what differs, and
`about` whom it is about, where that is not the thing itself.
"""
