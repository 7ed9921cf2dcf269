"""The plan of shared spaces: how they differ from the catalog, and what a run does about it; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from personas.catalog.models import Catalog, Space
from personas.catalog.select import matches
from personas.reconcile.changes import Action, Change, FieldChange, Kind, Options, Plan, Status
from personas.services.models import LiveMember, LiveSpace

TAKEN = "another space has this slug; choose another one in the catalog"
BROKEN = "the service cannot read this space any more: an account in it was deleted"


@dataclass(frozen=True)
class SpaceState:
    """The shared spaces of a service, as far as the owners in a catalog see them."""

    service: str
    personas: frozenset[str]  # the emails of the live personas in scope, in lower case
    spaces: tuple[LiveSpace, ...] = ()  # those of the catalog, and what else its owners own
    unread: Mapping[str, str] = field(default_factory=dict)  # why a space could not be read, by slug
    taken: frozenset[str] = frozenset()  # slugs of the catalog that spaces have which the owners do not see

    def find(self, slug: str) -> LiveSpace | None:
        """Return the space with this slug."""
        return next((live for live in self.spaces if live.slug == slug), None)


def label(member: LiveMember) -> str:
    """Return the member's email in lower case, or the user's id if the service leaves it out."""
    return member.email.lower() or member.user_id


def selects(catalog: Catalog, only: Sequence[str], space: Space | LiveSpace) -> bool:
    """Whether `--only` means this space: by slug, name, owner or member. Without patterns: yes."""
    emails = space.emails if isinstance(space, Space) else tuple(map(label, space.members))
    names = [persona.name for email in emails if (persona := catalog.persona(email))]
    return any(matches(only, email=text) for text in (space.slug, space.name, *emails, *names))


def compare_space(space: Space, live: LiveSpace, *, extras: bool = True) -> tuple[FieldChange, ...]:
    """Return the fields that differ; without `extras`, members that the catalog does not name do not count."""
    members = {member.email: str(member.role) for member in space.members}
    found = {label(m): m.role for m in live.members if label(m) != space.owner}
    if not extras:
        found = {email: role for email, role in found.items() if email in members}
    fields = []
    if live.name != space.name:
        fields.append(FieldChange(field="name", old=live.name, new=space.name))
    if live.type not in {None, space.type}:
        fields.append(FieldChange(field="type", old=live.type, new=str(space.type)))
    if found != members:
        fields.append(FieldChange(field="members", old=found, new=members))
    return tuple(fields)


def make_space_plan(catalog: Catalog, state: SpaceState, options: Options, *, delete: bool = False) -> Plan:
    """Plan to make the service match the catalog's spaces; with `prune`, also to remove what is extra.

    With `delete`, plan to delete the catalog's spaces instead; those that do not exist are left out.
    """
    changes = [_plan_space(catalog, index, state, options, delete) for index in range(len(catalog.spaces))]
    changes = [c for c in changes if c is not None and selects(catalog, options.only, catalog.spaces[index])]
    slugs = {space.slug for space in catalog.spaces}
    if not delete:
        changes += [
            _plan_extra(live, state, options)
            for live in state.spaces
            if live.slug not in slugs and selects(catalog, options.only, live)
        ]
        changes += [
            Change(kind=Kind.SPACE, key=slug, status=Status.UNKNOWN, reason=reason)
            for slug, reason in state.unread.items()
            if slug not in slugs and matches(options.only, email=slug)
        ]
    return Plan(
        kind=Kind.SPACE,
        service=state.service,
        scope=catalog.scope.patterns,
        options=options,
        changes=tuple(sorted(changes, key=_order)),
    )
