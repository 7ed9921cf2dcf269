"""The plan of shared spaces: what differs, what a run does about it, and who stays for their sake. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from personas.reconcile.changes import (
    EXPIRED,
    INVITED,
    PERSONA_DOMAIN,
    Change,
    FieldChange,
    Intent,
    SpaceChange,
    State,
    Step,
    people_of,
)
from personas.reconcile.live import NO_SPACES, WRONG_PASSWORD, Live, Ownership
from personas.reconcile.only import Patterns, means_space
from personas.service.models import LiveSpace

if TYPE_CHECKING:
    from personas.catalog.models import Space
    from personas.catalog.reading import Catalog

LEFT_ALONE = "left alone without --force"


@dataclass(frozen=True, slots=True)
class _People:
    """The personas around the spaces, by email in lower case.

    Attributes:
        live: Those who live.
        made: Those whom the run creates.
        again: Those whom it deletes and creates again.
        gone: Those whom it deletes.
    """

    live: Collection[str]
    made: Collection[str]
    again: Collection[str]
    gone: Collection[str]

    @classmethod
    def of(cls, meant: Sequence[Change], everybody: Sequence[Change]) -> _People:
        live = {c.key for c in everybody if c.existing is not None and c.key.endswith(PERSONA_DOMAIN)}
        made, again, gone = (
            {change.key for change in meant if change.step is step}
            for step in (Step.CREATE, Step.RECREATE, Step.DELETE)
        )
        # Of two with one email, one may stay.
        stay = {change.key for change in (*meant, *everybody) if change.step is not Step.DELETE}
        return cls(live, made, again, gone - stay)

    def actors(self, space: LiveSpace) -> list[str]:
        """Its owners who are personas; first those who stay as they are."""
        owners = [email for email in space.owners if email in self.live]
        return sorted(owners, key=lambda email: (email in self.again, email in self.gone, email))

    def strangers(self, space: LiveSpace) -> list[str]:
        """Its members who are no personas."""
        return sorted(m.email.lower() for m in space.members if m.email.lower() not in self.live)

    def concern(self, space: LiveSpace) -> bool:
        """Whether it has to be deleted for their sake, or joined again."""
        back = any(member.email.lower() in self.again for member in space.members)
        return back or (bool(space.owners) and self.loses_owners(space))

    def loses_owners(self, space: LiveSpace) -> bool:
        """Whether none of its owners stays as they are."""
        return all(email in self.again or email in self.gone for email in space.owners)


def plan_spaces(
    catalog: Catalog | None,
    live: Live,
    intent: Intent,
    meant: Sequence[Change],
    everybody: Sequence[Change],
    only: Patterns,
) -> tuple[tuple[Change, ...], tuple[SpaceChange, ...]]:
    """Compare the spaces.

    Args:
        catalog: The catalog; None when it could not be read.
        live: What was read.
        intent: What the run may do.
        meant: The decided changes of personas.
        everybody: The same of all personas, also those that `--only` leaves out.
        only: The patterns of `--only`.

    Returns:
        The changes of personas, without the deletions that a space forbids; and those of spaces.
    """
    wanted = {space.slug: space for space in catalog.spaces} if catalog else {}
    if not wanted and not live.spaces:
        return tuple(meant), ()
    people = _People.of(meant, everybody)
    kept = tuple(change if intent.force else _spare(change, live, people) for change in meant)
    people = _People.of(kept, everybody)
    existing = {space.slug: space for space in live.spaces}
    named = {change.key for change in kept}
    changes: list[SpaceChange] = []
    for slug in wanted.keys() | existing.keys():
        space, found = wanted.get(slug), existing.get(slug)
        if only and not (_is_meant(space, found, named, only) or (found and people.concern(found))):
            continue
        if space is None and found is not None and not people.actors(found) and found.members:
            continue  # somebody else's space, of which a persona is a member
        decide = _decide if catalog else _decide_without_catalog
        changes.append(decide(_compare(slug, space, found, live, people, intent), people, intent))
    return kept, tuple(changes)


def _is_meant(
    space: Space | None, found: LiveSpace | None, named: Collection[str], only: str | Collection[str]
) -> bool:
    if space is not None:
        return means_space(space.slug, space.name, people_of(space), named, only)
    if found is None:
        return False
    return means_space(found.slug, found.name, [m.email.lower() for m in found.members], named, only)


def _spare(change: Change, live: Live, people: _People) -> Change:
    """The change without its deletion, where that would leave behind a space that cannot be deleted."""
    if change.step not in {Step.DELETE, Step.RECREATE}:
        return change
    reason = ""
    unknown = live.spaces_of.get(change.key, "")
    if unknown and unknown != WRONG_PASSWORD:
        reason = f"its spaces are not known: {unknown}"
    for space in live.spaces:
        if change.key in live.unread_by.get(space.slug, ()):
            reason = f"its space {space.slug} cannot be read"
        strangers = people.strangers(space) if change.key in space.owners else []
        if strangers and people.loses_owners(space):
            reason = f"it owns the space {space.slug}, where {_are_no_personas(strangers)}"
    if not reason:
        return change
    reasons = "; ".join(filter(None, (change.reason, f"{reason}: {LEFT_ALONE}")))
    return replace(change, step=None, reason=reasons)


def _are_no_personas(emails: Sequence[str]) -> str:
    if len(emails) == 1:
        return f"{emails[0]} is a member and no persona"
    return f"{emails[0]} and {len(emails) - 1} more are members and no personas"


def _compare(
    slug: str, space: Space | None, found: LiveSpace | None, live: Live, people: _People, intent: Intent
) -> SpaceChange:
    if found is None:
        if space is None:
            raise AssertionError(slug)
        return _missing(space, live, people)
    actors = people.actors(found)
    change = SpaceChange(slug, State.IN_SYNC, space=space, live=found, owner=next(iter(actors), ""))
    if unread := live.unread_spaces.get(slug):
        return replace(change, state=State.NOT_KNOWN, reason=f"it cannot be read: {unread}")
    if not actors:
        reason = "the slug is taken by a space that belongs to " + (
            f"{found.owners[0]}, who is no persona" if found.owners else "nobody any more"
        )
        return replace(change, state=State.COLLISION, reason=reason)
    if space is None:
        return replace(change, state=State.STRAY, reason="not in the catalog")
    strangers = people.strangers(found)
    removable = {
        member.email.lower()
        for member in found.members
        if intent.prune and (intent.force or member.email.lower() not in strangers)
    }
    if space.owner in actors:
        change = replace(change, owner=space.owner)
    fields = tuple(differences(space, found, removable))
    return replace(change, state=State.UPDATE if fields else State.IN_SYNC, fields=fields)


def _missing(space: Space, live: Live, people: _People) -> SpaceChange:
    waits_for = tuple(e for e in people_of(space) if e not in people.live or e in people.again)
    missing = tuple(e for e in people_of(space) if e not in people.live and e not in people.made)
    reason = f"waits for {', '.join(missing)}, not there" if missing else ""
    change = SpaceChange(
        space.slug,
        State.CREATE,
        space=space,
        owner=space.owner,
        waits_for=waits_for,
        missing=missing,
        reason=reason,
    )
    holder = live.slugs.get(space.slug)
    verdict = holder.verdict if holder else Ownership.NOT_CHECKED
    if verdict is Ownership.FOREIGN:
        return replace(change, state=State.COLLISION, reason=holder.reason if holder else "")
    if verdict is Ownership.FREE:
        return change
    if live.no_spaces == NO_SPACES or (live.no_spaces and space.owner in people.live):
        return replace(change, state=State.NOT_KNOWN, reason=live.no_spaces)
    if space.owner not in people.live:
        return change
    if space.owner in people.again:
        return replace(change, reason="whether its slug is free shows once its owner is created again")
    reason = (holder.reason if holder else "") or f"{space.owner} was not asked for its spaces"
    return replace(change, state=State.NOT_KNOWN, reason=reason)


def differences(space: Space, found: LiveSpace, removable: Collection[str]) -> Iterator[FieldChange]:
    """What differs between a space of the catalog and the live one; first what others depend on.

    Args:
        space: The catalog's.
        found: The live one.
        removable: Which members too many an update removes.
    """
    if found.name != space.name:
        yield FieldChange("name", found.name, space.name)
    if found.type != space.type:
        yield FieldChange("type", found.type, str(space.type))
    if space.owner not in found.owners:
        yield FieldChange("owner", ", ".join(found.owners) or None, space.owner)
    for wanted in space.members:
        member, invitation = found.member(wanted.email), found.invitation(wanted.email)
        if member is not None:
            old: str | None = member.role
        else:
            old = None if invitation is None else EXPIRED if invitation.expired else INVITED
        if old != wanted.role:
            yield FieldChange("members", old, str(wanted.role), member=wanted.email)
    everybody = people_of(space)
    for member in sorted(found.members, key=lambda member: member.email.lower()):
        email = member.email.lower()
        if email not in everybody:
            yield FieldChange("members", member.role, None, mendable=email in removable, member=email)


def _decide(change: SpaceChange, people: _People, intent: Intent) -> SpaceChange:
    """The change with what the run would do about it."""
    found, space = change.live, change.space
    if change.state in {State.COLLISION, State.NOT_KNOWN}:
        return change
    if found is None:
        return replace(change, step=Step.CREATE) if intent.purpose == "seed" else change
    homeless = people.loses_owners(found)
    if intent.purpose == "cleanup" or space is None:
        goes = homeless or people.strangers(found) or (intent.prune and space is None)
        return _with_deletion(change, Step.DELETE, people) if goes else change
    if all(email in people.again for email in people.actors(found)):
        again = replace(change, state=State.RECREATE, waits_for=_again(space, people))
        return _with_deletion(
            _because(again, "its owner is deleted and created again"), Step.RECREATE, people
        )
    return _update(change, space, found, people)


def _decide_without_catalog(change: SpaceChange, people: _People, intent: Intent) -> SpaceChange:
    """The same where nothing can be compared: what could be read is no stray, and goes all the same."""
    if change.state is not State.STRAY:
        return change
    decided = _decide(replace(change, reason="the catalog could not be read"), people, intent)
    return replace(decided, state=State.NOT_KNOWN)


def _again(space: Space, people: _People) -> tuple[str, ...]:
    return tuple(e for e in people_of(space) if e not in people.live or e in people.again)


def _update(change: SpaceChange, space: Space, found: LiveSpace, people: _People) -> SpaceChange:
    rejoining = [email for email in people_of(space) if email in people.again and found.member(email)]
    kept = [item.member for item in change.fields if not item.mendable]
    if not change.fields and not rejoining:
        return change
    missing = tuple(e for e in people_of(space) if e not in people.live and e not in people.made)
    change = replace(change, state=State.UPDATE, waits_for=_again(space, people), missing=missing)
    if any(item.mendable for item in change.fields) or rejoining:
        change = replace(change, step=Step.UPDATE)
    if missing:
        change = _because(change, f"waits for {', '.join(missing)}, not there")
    if rejoining:
        change = _because(change, f"{', '.join(rejoining)} joins again after being created again")
    if strangers := [email for email in kept if email not in people.live]:
        change = _because(change, f"{', '.join(strangers)}, no persona, stays without --prune --force")
    if any(email in people.live for email in kept):
        change = _because(change, "only --prune removes members too many")
    return change


def _with_deletion(change: SpaceChange, step: Step, people: _People) -> SpaceChange:
    if change.live and (strangers := people.strangers(change.live)):
        return _because(change, f"{_are_no_personas(strangers)}: never deleted")
    return replace(change, step=step)


def _because(change: SpaceChange, reason: str) -> SpaceChange:
    return replace(change, reason="; ".join(filter(None, (change.reason, reason))))


def tell_spaces(
    live: Live, intent: Intent, personas: Sequence[Change], spaces: Sequence[SpaceChange]
) -> Iterator[str]:
    """What a plan says of spaces that were not looked at."""
    if not spaces and (live.no_spaces == NO_SPACES or not (live.spaces_of or live.no_spaces)):
        return
    deleted = [c.key for c in personas if c.step in {Step.DELETE, Step.RECREATE}]
    unknown = [email for email in deleted if live.spaces_of.get(email, "not asked")]
    if unknown:
        reason = live.no_spaces or live.spaces_of.get(unknown[0]) or "they were not asked"
        whose = unknown[0] if len(unknown) == 1 else f"{len(unknown):,} personas who are deleted"
        yield f"The shared spaces of {whose} are not known and stay behind: {reason}."
    if intent.purpose == "seed" and live.spaces_of:
        others = {c.key for c in personas if c.existing and c.key not in live.spaces_of} - {*deleted}
        if others:
            who = "one persona" if len(others) == 1 else f"{len(others):,} personas"
            yield f"For spaces beyond the catalog, only the owners in it were asked; --prune asks {who} more."
