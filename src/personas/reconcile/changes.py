"""What plans are made of. The plan, the apply step and the JSON report use these classes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from pydantic import AwareDatetime, ConfigDict, Field, computed_field

from personas.catalog.models import Persona, Space
from personas.errors import ServiceError
from personas.services.base import DESCRIPTORS, Capabilities
from personas.services.models import FoundUser, LivePersona, LiveSpace, PasswordCheck, ServiceModel, Verdict


class Kind(StrEnum):
    """What a change is about."""

    PERSONA = "persona"
    SPACE = "space"


class Status(StrEnum):
    """How catalog and service compare; DESIGN words, used in every output."""

    IN_SYNC = "in-sync"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    EXTRA = "extra"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What a run does about a change."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


class Result(StrEnum):
    """How an action ended."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


# Weights by module, roles by member email, or one text. None: not set.
Value = str | Mapping[str, float] | Mapping[str, str] | None


class FieldChange(ServiceModel):
    """One field that differs.

    Attributes:
        field: Its name in the catalog's JSON (`systemPrompt`), or `password` (without values).
        old: The live value.
        new: The catalog's value.
        updatable: Whether an update can change it.
    """

    field: str
    old: Value = None
    new: Value = None
    updatable: bool = True
    line: int | None = None


class Change(ServiceModel):
    """One persona or space, and how catalog and service differ about it.

    Attributes:
        key: The email in lower case, or the slug; with the id for a second live persona with one email.
        action: What the run does; None if nothing.
        reason: Why, where status and fields do not say it.
    """

    kind: Kind = Kind.PERSONA
    key: str
    name: str = ""
    status: Status
    action: Action | None = None
    fields: tuple[FieldChange, ...] = ()
    reason: str = ""
    id: str | None = None
    line: int | None = None

    desired: Persona | Space | None = Field(default=None, exclude=True, repr=False)
    live: LivePersona | LiveSpace | None = Field(default=None, exclude=True, repr=False)
    existing: FoundUser | None = Field(default=None, exclude=True, repr=False)

    @property
    def is_drift(self) -> bool:
        """Whether catalog and service are not known to agree."""
        return self.status is not Status.IN_SYNC


class Options(ServiceModel):
    """What a run may do. Part of the checksum, except `command`: a preview has the checksum of the run."""

    command: str = "seed"
    prune: bool = False
    replace: bool = False
    force: bool = False
    only: tuple[str, ...] = ()


class Plan(ServiceModel):
    """All changes of one run, sorted: what the run does first, in-sync last, each by name.

    Attributes:
        scope: The email patterns of the catalog.
        changes: Every persona or space, those in sync included.
        others: How many live personas are outside the scope.
        notes: What a reader must know about how the plan was made.
    """

    kind: Kind = Kind.PERSONA
    service: str = ""
    scope: tuple[str, ...] = ()
    options: Options = Options()
    changes: tuple[Change, ...] = ()
    others: int = 0
    notes: tuple[str, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it for mypy
    @property
    def counts(self) -> dict[Status, int]:
        """The number of changes of each status."""
        counted = Counter(change.status for change in self.changes)
        return {status: counted[status] for status in Status}

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it for mypy
    @property
    def checksum(self) -> str | None:
        """16 hex digits over scope, service, options and every change; None for a plan with a conflict."""
        if self.counts[Status.CONFLICT]:
            return None
        drift = [
            (c.key, c.status, c.action, c.id, [f.model_dump(exclude={"line"}) for f in c.fields], _content(c))
            for c in self.changes
            if c.is_drift or c.action
        ]
        options = self.options.model_dump(exclude={"command"})
        text = json.dumps([self.kind, self.service, self.scope, options, drift], sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]

    @property
    def actions(self) -> tuple[Change, ...]:
        """The changes about which the run does something."""
        return tuple(change for change in self.changes if change.action)

    @property
    def drift(self) -> tuple[Change, ...]:
        """The changes that are not in sync."""
        return tuple(change for change in self.changes if change.is_drift)

    def of(self, *statuses: Status) -> tuple[Change, ...]:
        """Return the changes with one of these statuses, in order."""
        return tuple(change for change in self.changes if change.status in statuses)


class Outcome(ServiceModel):
    """How the action of one change ended.

    Attributes:
        message: What went wrong, or what else the service said.
        id: The id on the service afterwards, where it is known.
        stopped_by: The error that stopped the run, on the action that met it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    kind: Kind = Kind.PERSONA
    key: str
    name: str = ""
    action: Action
    result: Result
    message: str = ""
    id: str | None = None

    stopped_by: ServiceError | None = Field(default=None, exclude=True, repr=False)


class Owner(ServiceModel):
    """The account that has the email of a persona that is not live.

    Attributes:
        verdict: Whether the derived password signs in. If so, the account is a half-created persona.
        reason: Why that is unknown.
    """

    verdict: Verdict
    reason: str = ""
    user: FoundUser | None = Field(default=None, exclude=True)


class LiveState(ServiceModel):
    """The personas of a service inside a scope, at one moment. `list -o json` prints it; a snapshot is one.

    Attributes:
        only: The patterns that limited what was read; empty for everything in scope.
        others: How many live personas are outside the scope.
        updatable: What an update can change on this service: catalog fields and `password`.
        unread: Why details could not be read, by user id.
        owners: The accounts with emails of catalog personas that are not live, by email.
        passwords: Whether derived passwords sign in, by email.
        notes: What a reader must know about how the state was read.
        everyone: Every live persona, also outside the scope and not selected by `only`.
    """

    taken_at: AwareDatetime
    service: str
    scope: tuple[str, ...]
    only: tuple[str, ...] = ()
    others: int = 0
    updatable: tuple[str, ...] = tuple(sorted(DESCRIPTORS))
    personas: tuple[LivePersona, ...] = ()

    capabilities: Capabilities | None = Field(default=None, exclude=True)
    unread: Mapping[str, str] = Field(default_factory=dict, exclude=True)
    owners: Mapping[str, Owner] = Field(default_factory=dict, exclude=True)
    passwords: Mapping[str, PasswordCheck] = Field(default_factory=dict, exclude=True)
    notes: tuple[str, ...] = Field(default=(), exclude=True)
    everyone: tuple[LivePersona, ...] = Field(default=(), exclude=True, repr=False)


def _content(change: Change) -> object:
    """Return what the catalog wants, for changes that have no field list."""
    return change.desired.model_dump(mode="json") if change.desired and not change.fields else None
