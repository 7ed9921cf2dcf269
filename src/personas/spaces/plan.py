"""The plan of shared spaces: how they differ from the catalog, and what a run does about it; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from personas.catalog.models import Catalog, Space
from personas.catalog.select import matches
from personas.reconcile.changes import Action, Change, FieldChange, Kind, Options, Plan, Status, Value
from personas.services.models import LiveMember, LiveSpace

TAKEN = "another space has this slug, perhaps one without an owner; choose another slug in the catalog"
BROKEN = "the service cannot read this space, probably because an account in it was deleted"


@dataclass
class SpaceState:
    """The shared spaces of a service, as far as the owners in a catalog see them."""

    service: str
    personas: Collection[str]  # the emails of the live personas in scope, in lower case
    spaces: dict[str, LiveSpace] = field(default_factory=dict)  # by slug; other spaces of the owners as well
    unread: dict[str, str] = field(default_factory=dict)  # why a space could not be read, by slug
    taken: set[str] = field(default_factory=set)  # slugs of the catalog on spaces that the owners do not see


def label(member: LiveMember) -> str:
    """Return the member's email in lower case, or the user's id if the service leaves it out."""
    return member.email.lower() or member.user_id


def selects(catalog: Catalog, only: Sequence[str], space: Space | LiveSpace) -> bool:
    """Whether `--only` means this space: by slug, name, owner or member. Without patterns: yes."""
    emails = space.emails if isinstance(space, Space) else tuple(map(label, space.members))
    names = [persona.name for email in emails if (persona := catalog.persona(email))]
    return any(matches(only, email=text) for text in (space.slug, space.name, *emails, *names))


def compare_space(space: Space, live: LiveSpace, *, extras: bool = True) -> tuple[FieldChange, ...]:
    """Return the fields that differ; without `extras`, members that the catalog lacks do not count."""
    members = {member.email: str(member.role) for member in space.members}
    found = {label(m): m.role for m in live.members if label(m) != space.owner}
    if not extras:
        found = {email: role for email, role in found.items() if email in members}
    kind = space.type if live.type is None else live.type
    pairs: list[tuple[str, Value, Value]] = [("name", live.name, space.name), ("type", kind, space.type)]
    pairs.append(("members", found, members))
    return tuple(FieldChange(field=field, old=old, new=new) for field, old, new in pairs if old != new)


def make_space_plan(catalog: Catalog, state: SpaceState, options: Options, *, delete: bool = False) -> Plan:
    """Plan to make the service match the catalog's spaces; with `prune`, also to remove what is extra.

    With `delete`, plan to delete the catalog's spaces instead; those that do not exist are left out.
    """
    changes = [
        _plan_space(catalog, index, state, options, delete=delete)
        for index, space in enumerate(catalog.spaces)
        if selects(catalog, options.only, space)
    ]
    named = {space.slug for space in catalog.spaces}
    if delete:
        changes = [c for c in changes if c.live or c.key in {*state.taken, *state.unread}]
    else:
        changes += [
            _plan_extra(live, state, options)
            for live in state.spaces.values()
            if live.slug not in named and selects(catalog, options.only, live)
        ]
        changes += [
            Change(kind=Kind.SPACE, key=slug, status=Status.UNKNOWN, reason=state.unread[slug])
            for slug in state.unread.keys() - named - state.spaces.keys()
            if matches(options.only, email=slug)
        ]
    # What the run does comes first, in-sync last.
    changes.sort(key=lambda c: (c.action is None, c.status is Status.IN_SYNC, c.name.casefold(), c.key))
    return Plan(
        kind=Kind.SPACE,
        service=state.service,
        scope=catalog.scope.patterns,
        options=options,
        changes=tuple(changes),
    )


def _plan_space(catalog: Catalog, index: int, state: SpaceState, options: Options, *, delete: bool) -> Change:
    space = catalog.spaces[index]
    live = state.spaces.get(space.slug)
    fields: tuple[FieldChange, ...] = ()
    status, action, reason = Status.UNKNOWN, None, ""
    if live is None and space.slug in state.taken:
        status, reason = Status.CONFLICT, TAKEN
    elif live is None and space.slug in state.unread:
        reason = state.unread[space.slug]
    elif live is not None and not live.broken and space.owner not in live.owners:
        old = ", ".join(live.owners)
        fields = (FieldChange(field="owner", old=old, new=space.owner, updatable=False),)
        status, reason = Status.CONFLICT, f"the space belongs to {old or 'an account that was deleted'}"
    elif live is not None and delete:
        status, action, reason = _delete_space(live, state, options.force)
    elif live is not None and live.broken:
        reason = BROKEN
    elif absent := [email for email in space.emails if email not in state.personas]:
        reason = f"not live: {', '.join(absent)}; `personas seed` creates personas"
    elif live is None:
        status, action = Status.CREATE, Action.CREATE
    else:
        fields = compare_space(space, live)
        status = Status.UPDATE if fields else Status.IN_SYNC
        wanted = compare_space(space, live, extras=options.prune)
        action = Action.UPDATE if wanted else None
        reason = "" if wanted == fields else "--prune removes the extra members"
    lines = {item.field: catalog.locate(("spaces", index, item.field))[0] for item in fields}
    return Change(
        kind=Kind.SPACE,
        key=space.slug,
        name=space.name,
        status=status,
        action=action,
        fields=tuple(item.model_copy(update={"line": lines[item.field]}) for item in fields),
        reason=reason,
        id=live.space_id if live else None,
        line=catalog.locate(("spaces", index))[0],
        desired=space,
        live=live,
    )


def _plan_extra(live: LiveSpace, state: SpaceState, options: Options) -> Change:
    status, action, reason = Status.EXTRA, None, "not in the catalog"
    if options.prune:
        status, action, reason = _delete_space(live, state, options.force)
    elif live.broken:
        status, reason = Status.UNKNOWN, BROKEN
    change = Change(kind=Kind.SPACE, key=live.slug, name=live.name, status=status, action=action, live=live)
    return change.model_copy(update={"reason": reason, "id": live.space_id})


def _delete_space(live: LiveSpace, state: SpaceState, force: bool) -> tuple[Status, Action | None, str]:
    if outsiders := [label(m) for m in live.members if label(m) not in state.personas]:
        reason = f"never deleted, because some members are not live personas: {', '.join(outsiders)}"
        return Status.EXTRA, None, reason
    if live.broken and not force:
        return Status.UNKNOWN, None, f"{BROKEN}; its members are unknown, so only --force deletes it"
    return Status.EXTRA, Action.DELETE, ""
