"""What a plan is made of: states, steps, changes, and the plan itself. Values alone."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from personas.reconcile.live import LookedUp
from personas.service.models import LivePersona, LiveSpace

if TYPE_CHECKING:
    from personas.catalog.models import Space
    from personas.catalog.reading import Persona

PERSONA_DOMAIN = "@mana.test"

Value = str | Mapping[str, float] | None


class State(StrEnum):
    """How one thing of the catalog and its live counterpart relate; the order is the order of a plan."""

    COLLISION = "collision"
    NOT_KNOWN = "not-known"
    LOCKED_OUT = "locked-out"
    RECREATE = "recreate"
    CREATE = "create"
    UPDATE = "update"
    STRAY = "stray"
    IN_SYNC = "in-sync"


class Step(StrEnum):
    """What a run does about one change."""

    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"
    DELETE = "delete"


_RANK = {state: rank for rank, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class Intent:
    """What a run may do.

    Attributes:
        purpose: `seed` makes the catalog true; `cleanup` deletes every live persona.
        prune: Strays are deleted as well.
        recreate: What an update cannot mend is deleted and created again.
        force: Deleting is allowed outside the personas' own domain, and where the account may be somebody
            else's.
    """

    purpose: Literal["seed", "cleanup"] = "seed"
    prune: bool = False
    recreate: bool = False
    force: bool = False


# What somebody is to a space before being a member; no role of the service has these names.
INVITED = "invited"
EXPIRED = "invitation expired"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    Attributes:
        field: Its name in the catalog, such as `systemPrompt`.
        old: What is live; None when the service does not say.
        new: What the catalog wants.
        mendable: Whether an update can mend it; the service keeps an existing user's name and password.
        member: Whose role it is, by email, where the field is `members`; old and new are a role, INVITED,
            EXPIRED, or None for no member.
    """

    field: str
    old: Value
    new: Value
    mendable: bool = True
    member: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a live account may be somebody else's.

    Attributes:
        reason: What says so; a sentence without a full stop.
        tried: False where no secret was at hand to prove that it is ours all the same.
    """

    reason: str
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """One thing of the plan: what exists, what is wanted, and what the run would do.

    Attributes:
        key: What identifies the thing; a persona's email.
        state: How catalog and service relate.
        step: What a run with this plan does; None when it does nothing.
        wanted: The catalog's entry; None for a stray.
        existing: The live counterpart; None when there is none.
        fields: The fields that differ.
        reason: Why the state is what it is, or why nothing is done about it; a sentence without a full stop.
        thing: The kind of thing.
        unchecked: Whether the email belongs to somebody could not be asked before creating.
        doubt: Why the live account may be somebody else's; None where nothing says so.
    """

    key: str
    state: State
    step: Step | None = None
    wanted: Persona | None = None
    existing: LivePersona | None = None
    fields: tuple[FieldChange, ...] = ()
    reason: str = ""
    thing: str = "persona"
    unchecked: bool = False
    doubt: Doubt | None = None

    @property
    def name(self) -> str:
        """The name to show: the catalog's, else the live one, else nothing."""
        if self.wanted is not None:
            return self.wanted.name
        return (self.existing.name if self.existing else None) or ""

    @property
    def archetype(self) -> str:
        """The archetype to show: the catalog's, else the live one, else nothing."""
        if self.wanted is not None:
            return self.wanted.archetype
        return (self.existing.archetype if self.existing else None) or ""

    @property
    def live_id(self) -> str | None:
        """The service's id of the live counterpart; None when there is none."""
        return self.existing.user_id if self.existing else None

    @property
    def content(self) -> list[object] | None:
        """All that the catalog wants of it, as JSON; None for a stray."""
        if (wanted := self.wanted) is None:
            return None
        mix = _plain(wanted.module_mix)
        return [wanted.name, wanted.archetype, wanted.system_prompt, mix, wanted.tick_cadence]

    @property
    def is_drift(self) -> bool:
        """Whether catalog and service differ here, or may differ."""
        return self.state is not State.IN_SYNC

    def __lt__(self, other: Change) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[int, str, str, str]:
        return (_RANK[self.state], self.thing, self.key, self.live_id or "")


@dataclass(frozen=True, slots=True)
class SpaceChange(Change):
    """One shared space of the plan; its key is the slug, and `wanted` and `existing` are None.

    Attributes:
        space: The catalog's entry; None for a stray.
        live: The live space; None when there is none, or when it could not be found.
        owner: The persona who carries out what is to be done with the live space, by email; empty where
            there is none.
        waits_for: Those who have to be made, or made again, before the step can be done, by email.
        missing: Those of them who neither live nor are created by the same plan.
    """

    thing: str = "space"
    space: Space | None = None
    live: LiveSpace | None = None
    owner: str = ""
    waits_for: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name to show: the catalog's, else the live one, else nothing."""
        return self.space.name if self.space else self.live.name if self.live else ""

    @property
    def live_id(self) -> str | None:
        """The service's id of the live space; None when there is none."""
        return self.live.space_id if self.live else None

    @property
    def content(self) -> list[object] | None:
        """All that the catalog wants of it, as JSON; None for a stray."""
        if (space := self.space) is None:
            return None
        members = sorted([member.email, member.role] for member in space.members)
        return [space.name, space.type, space.owner, members, *self.missing]


def people_of(space: Space) -> tuple[str, ...]:
    """The emails of all who share a space of the catalog, its owner first."""
    return (space.owner, *(member.email for member in space.members))


@dataclass(frozen=True)
class Plan:
    """The sorted changes between a catalog and what is live, and what was intended.

    Attributes:
        changes: All things, those in sync included.
        intent: What the run may do.
        notes: What a reader must know about how the plan was made.
        catalog_known: False when the catalog could not be read, so that drift is not known.
        whole: False when `--only` left things out.
        details: False when prompts and weights were not read, and so not compared.
        service: The address of the service; empty where it is not known.
        looked_up: When it was asked whose the new emails are; None when it was not, or long ago.
        live_spaces: The shared spaces as they were read; whoever is deleted leaves them first.
        spaces_sought: Whether shared spaces were looked for; they are not for a catalog that has none.
    """

    changes: tuple[Change, ...] = ()
    intent: Intent = field(default_factory=Intent)
    notes: tuple[str, ...] = ()
    catalog_known: bool = True
    whole: bool = True
    details: bool = True
    service: str = ""
    looked_up: LookedUp | None = field(default=None, compare=False)
    live_spaces: tuple[LiveSpace, ...] = field(default=(), compare=False)
    spaces_sought: bool = field(default=False, compare=False)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @cached_property
    def counts(self) -> Mapping[State, int]:
        """How many things are in each state; every state has a number."""
        counted = Counter(change.state for change in self.changes)
        return {state: counted[state] for state in State}

    @cached_property
    def steps(self) -> tuple[Change, ...]:
        """The changes about which the run does something."""
        return tuple(change for change in self.changes if change.step is not None)

    @cached_property
    def drift(self) -> tuple[Change, ...]:
        """Everything that is not in sync."""
        return tuple(change for change in self.changes if change.is_drift)

    @cached_property
    def personas(self) -> tuple[Change, ...]:
        """The changes that are about personas, in the plan's order."""
        return tuple(change for change in self.changes if not isinstance(change, SpaceChange))

    @cached_property
    def spaces(self) -> tuple[SpaceChange, ...]:
        """The changes that are about shared spaces, in the plan's order."""
        return tuple(change for change in self.changes if isinstance(change, SpaceChange))

    @property
    def in_sync(self) -> bool:
        """Whether catalog and service are known to say the same."""
        return self.catalog_known and self.details and not self.drift

    def of(self, *states: State) -> tuple[Change, ...]:
        """The changes in any of these states, in the plan's order."""
        return tuple(change for change in self.changes if change.state in states)

    @cached_property
    def checksum(self) -> str:
        """32 hex digits that change whenever what the run would do, or where, changes."""
        lines = [_canonical(change) for change in self.changes if change.is_drift or change.step]
        whole = [self.intent.purpose, self.service, lines]
        text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _canonical(change: Change) -> list[object]:
    return [
        change.thing,
        change.key,
        change.state,
        change.step,
        change.live_id,
        [
            [item.field, _plain(item.old), _plain(item.new), *([item.member] if item.member else [])]
            for item in change.fields
        ],
        change.content,
    ]


def _plain(value: Value) -> object:
    return {key: float(number) for key, number in value.items()} if isinstance(value, Mapping) else value
