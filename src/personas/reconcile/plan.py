"""The plan: every difference between a catalog and what is live, sorted, and what a run would do about it.

Pure: no clock, no environment, no service. `seed`, `dry-run`, `cleanup`, `list` and all reports show the same
object, and `apply` carries out its steps.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from personas.reconcile.live import Live, Owner, Ownership
from personas.service.models import LivePersona, Login, LoginCheck

if TYPE_CHECKING:
    from personas.catalog.reading import Catalog, Persona

PERSONA_DOMAIN = "@mana.test"

Value = str | Mapping[str, float] | None
Patterns = str | Collection[str] | None


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
        force: Deleting strays outside the personas' own domain is allowed.
    """

    purpose: Literal["seed", "cleanup"] = "seed"
    prune: bool = False
    recreate: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    Attributes:
        field: Its name in the catalog, such as `systemPrompt`.
        old: What is live; None when the service does not say.
        new: What the catalog wants.
        mendable: Whether an update can mend it; the service keeps an existing user's name and password.
    """

    field: str
    old: Value
    new: Value
    mendable: bool = True


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
    def is_drift(self) -> bool:
        """Whether catalog and service differ here, or may differ."""
        return self.state is not State.IN_SYNC

    def __lt__(self, other: Change) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[int, str, str, str]:
        user_id = self.existing.user_id if self.existing else ""
        return (_RANK[self.state], self.thing, self.key, user_id)


@dataclass(frozen=True)
class Plan:
    """The sorted changes between a catalog and what is live, and what was intended.

    Attributes:
        changes: All things, those in sync included.
        intent: What the run may do.
        notes: What a reader must know about how the plan was made.
        catalog_known: False when the catalog could not be read, so that drift is not known.
        whole: False when `--only` left things out.
    """

    changes: tuple[Change, ...] = ()
    intent: Intent = field(default_factory=Intent)
    notes: tuple[str, ...] = ()
    catalog_known: bool = True
    whole: bool = True

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

    @property
    def in_sync(self) -> bool:
        """Whether catalog and service are known to say the same."""
        return self.catalog_known and not self.drift

    def of(self, *states: State) -> tuple[Change, ...]:
        """The changes in any of these states, in the plan's order."""
        return tuple(change for change in self.changes if change.state in states)

    @cached_property
    def checksum(self) -> str:
        """Sixteen hex digits that change whenever what the run would do changes."""
        lines = [_canonical(change) for change in self.changes if change.is_drift or change.step]
        text = json.dumps([self.intent.purpose, lines], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def plan(
    catalog: Catalog | None,
    live: Live,
    intent: Intent | None = None,
    *,
    only: Patterns = None,
) -> Plan:
    """Compare a catalog with what is live.

    Args:
        catalog: The catalog; None when it could not be read, and drift is not known.
        live: What the service has.
        intent: What the run may do; a plain `seed` when left out.
        only: A pattern (`*` and `?`, case ignored) over email, local part, name and archetype, or several;
            things that match none of them are left out. None, or no pattern at all, leaves nothing out.
    """
    intent = intent or Intent()
    wanted = {persona.email.lower(): persona for persona in catalog.personas} if catalog else {}
    existing: dict[str, LivePersona] = {}
    doubles: list[LivePersona] = []
    seen: set[str] = set()
    # Of two with one email, the same is the stray whatever the order of the service.
    for persona in sorted(live.personas, key=lambda p: (p.email != p.email.lower(), p.user_id)):
        if persona.user_id in seen:
            continue
        seen.add(persona.user_id)
        if existing.setdefault(persona.email.lower(), persona) is not persona:
            doubles.append(persona)

    changes = [
        _decide(
            _compare(
                email,
                wanted.get(email),
                existing.get(email),
                live.owners.get(email),
                live.logins.get(email),
                unread=live.unread.get(email, ""),
                catalog_known=catalog is not None,
            ),
            intent,
        )
        for email in wanted.keys() | existing.keys()
    ]
    changes += [
        _decide(
            Change(p.email.lower(), State.STRAY, existing=p, reason="a second live persona with this email"),
            intent,
        )
        for p in doubles
    ]
    kept = [change for change in changes if not only or matches(change, only)]
    return Plan(
        changes=tuple(sorted(kept)),
        intent=intent,
        notes=live.notes,
        catalog_known=catalog is not None,
        whole=not only,
    )


def matches(change: Change, patterns: str | Collection[str]) -> bool:
    """Whether `--only PATTERN` means this change; both sides of it are looked at."""
    texts: list[str | None] = [change.key]
    for side in (change.wanted, change.existing):
        if side is not None:
            texts += [side.name, side.archetype]
    return matches_any(texts, patterns)


def matches_any(texts: Iterable[str | None], patterns: str | Collection[str]) -> bool:
    """Whether one of the patterns fits one of these texts; of an email, the part before the @ will do."""
    folded = [pattern.casefold() for pattern in ([patterns] if isinstance(patterns, str) else patterns)]
    for text in texts:
        if text is None:
            continue
        lowered = text.casefold()
        local = lowered.split("@")[0]
        parts = {lowered, local, local.removeprefix("persona.")}
        if any(fnmatchcase(part, pattern) for part in parts for pattern in folded):
            return True
    return False


def _compare(
    key: str,
    wanted: Persona | None,
    existing: LivePersona | None,
    owner: Owner | None,
    login: LoginCheck | None,
    *,
    unread: str,
    catalog_known: bool,
) -> Change:
    if wanted is None:
        if not catalog_known:
            return Change(key, State.NOT_KNOWN, existing=existing, reason="the catalog could not be read")
        return Change(key, State.STRAY, existing=existing, reason="not in the catalog")
    if existing is None:
        return _missing(key, wanted, owner)
    if unread:
        reason = f"its details could not be read: {unread}"
        return Change(key, State.NOT_KNOWN, wanted=wanted, existing=existing, reason=reason)
    fields = tuple(_differences(wanted, existing))
    if login is not None and login.verdict is Login.WRONG_PASSWORD:
        reason = "the derived password does not sign in"
        return Change(key, State.LOCKED_OUT, wanted=wanted, existing=existing, fields=fields, reason=reason)
    if any(not change.mendable for change in fields):
        reason = "the service keeps an existing user's name"
        return Change(key, State.RECREATE, wanted=wanted, existing=existing, fields=fields, reason=reason)
    if fields:
        return Change(key, State.UPDATE, wanted=wanted, existing=existing, fields=fields)
    if login is not None and login.verdict is Login.NOT_KNOWN:
        reason = f"whether the password works is not known: {login.reason}"
        return Change(key, State.NOT_KNOWN, wanted=wanted, existing=existing, reason=reason)
    return Change(key, State.IN_SYNC, wanted=wanted, existing=existing)


def _missing(key: str, wanted: Persona, owner: Owner | None) -> Change:
    match owner.verdict if owner else Ownership.NOT_CHECKED:
        case Ownership.FOREIGN:
            reason = "this email belongs to a user who is not one of ours"
            return Change(key, State.COLLISION, wanted=wanted, reason=reason)
        case Ownership.NOT_KNOWN:
            reason = f"whose this email is, is not known: {owner.reason if owner else ''}"
            return Change(key, State.NOT_KNOWN, wanted=wanted, reason=reason)
        case Ownership.OURS:
            return Change(key, State.CREATE, wanted=wanted, reason="heals a half-created persona of ours")
        case Ownership.NOT_CHECKED:
            return Change(key, State.CREATE, wanted=wanted, unchecked=True)
        case Ownership.FREE:
            return Change(key, State.CREATE, wanted=wanted)


def _differences(wanted: Persona, existing: LivePersona) -> Iterator[FieldChange]:
    # A list without names is an ordinary deployment: a name that is not told is no drift.
    if existing.name is not None and existing.name != wanted.name:
        yield FieldChange("name", existing.name, wanted.name, mendable=False)
    if existing.archetype != wanted.archetype:
        yield FieldChange("archetype", existing.archetype, wanted.archetype)
    if existing.system_prompt != wanted.system_prompt:
        yield FieldChange("systemPrompt", existing.system_prompt, wanted.system_prompt)
    if existing.module_mix is None or dict(existing.module_mix) != dict(wanted.module_mix):
        yield FieldChange("moduleMix", existing.module_mix, wanted.module_mix)
    if existing.tick_cadence != wanted.tick_cadence:
        yield FieldChange("tickCadence", existing.tick_cadence, str(wanted.tick_cadence))


def _decide(change: Change, intent: Intent) -> Change:
    """The change with what the run would do about it."""
    if intent.purpose == "cleanup":
        return _deletion(change, intent) if change.existing else change
    match change.state:
        case State.CREATE:
            return _with(change, Step.CREATE)
        case State.UPDATE:
            return _with(change, Step.UPDATE)
        case State.STRAY:
            return _deletion(change, intent) if intent.prune else change
        case State.RECREATE | State.LOCKED_OUT:
            if intent.recreate:
                return _with(change, Step.RECREATE)
            rest = any(item.mendable for item in change.fields)
            return _with(change, Step.UPDATE if rest else None, "only --recreate mends this")
        case _:
            return change


def _deletion(change: Change, intent: Intent) -> Change:
    if change.key.endswith(PERSONA_DOMAIN) or intent.force:
        return _with(change, Step.DELETE)
    return _with(change, None, f"not {PERSONA_DOMAIN}: left alone without --force")


def _with(change: Change, step: Step | None, reason: str = "") -> Change:
    reasons = "; ".join(part for part in (change.reason, reason) if part)
    return replace(change, step=step, reason=reasons)


def _canonical(change: Change) -> list[object]:
    wanted = change.wanted
    return [
        change.thing,
        change.key,
        change.state,
        change.step,
        change.existing.user_id if change.existing else None,
        [[item.field, _plain(item.old), _plain(item.new)] for item in change.fields],
        [wanted.name, wanted.archetype, wanted.system_prompt, _plain(wanted.module_mix), wanted.tick_cadence]
        if wanted
        else None,
    ]


def _plain(value: Value) -> object:
    return {key: float(number) for key, number in value.items()} if isinstance(value, Mapping) else value
