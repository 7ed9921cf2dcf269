"""Releasing spaces before personas are deleted.

On the service a space outlives its owner, and then its slug is lost; the deletion of a member breaks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from personas.catalog.models import Catalog, Member, Space
from personas.concurrency import Cancel
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import Action, Change, Kind, Options, Plan, Result, Status
from personas.services.base import Service
from personas.services.models import LiveSpace
from personas.spaces.apply import apply_spaces
from personas.spaces.client import SignInCache
from personas.spaces.fetch import fetch_spaces
from personas.spaces.plan import SpaceState, label, make_space_plan


def spaces_to_release(catalog: Catalog, plan: Plan) -> tuple[str, ...]:
    """Return the slugs of the spaces that `release_spaces` deletes; show them before it is called."""
    going = _going(plan)
    return tuple(space.slug for space in catalog.spaces if space.owner in going)


async def release_spaces(
    service: Service,
    catalog: Catalog,
    plan: Plan,
    passwords: PasswordDeriver | None,
    *,
    force: bool = False,
    cancel: Cancel | None = None,
) -> tuple[Plan, tuple[str, ...]]:
    """Delete the spaces of personas that a plan deletes or replaces, and end their other memberships.

    Returns the plan and notes. Personas whose spaces cannot be released lose their action and get a reason;
    with `force` they keep it. Costs no request if no space of the catalog names these personas; but personas
    outside the catalog may be members that it no longer names, so its spaces are read for them.
    """
    going = _going(plan)
    named = {email for space in catalog.spaces for email in space.emails}
    if not catalog.spaces or not any(email in named or not catalog.persona(email) for email in going):
        return plan, ()
    sign_ins = SignInCache(passwords)
    try:
        state = await fetch_spaces(service, catalog, sign_ins)
        release = _plan_release(catalog, state, going, force=force)
        outcomes = await apply_spaces(release, service, sign_ins, cancel=cancel)
    finally:
        await sign_ins.close(service)
    released = [outcome.key for outcome in outcomes if outcome.result is Result.DONE]
    failures = {outcome.key: outcome.message for outcome in outcomes if outcome.result is not Result.DONE}
    problems = list(_find_problems(catalog, state, release, failures, going))
    notes = [f"Deleted or left before their owners and members: {', '.join(released)}."] if released else []
    if released and any(change.action is Action.REPLACE for change in plan.actions):
        notes.append("Run `personas spaces` to create these spaces and memberships again.")
    if force:
        lost = dict.fromkeys(p.slug for p in problems if p.is_owner)
        notes += [f"The slug {slug} cannot be used again: its space loses its owner." for slug in lost]
        return plan, tuple(notes)
    reasons = {p.email: f"kept, because the space {p.slug} needs it: {p.reason}" for p in problems}
    changes = tuple(
        c.model_copy(update={"action": None, "reason": reasons[c.key]}) if c.key in reasons else c
        for c in plan.changes
    )
    return plan.model_copy(update={"changes": changes}), tuple(notes)


class _Problem(NamedTuple):
    email: str
    slug: str
    reason: str
    is_owner: bool


def _going(plan: Plan) -> set[str]:
    return {c.key for c in plan.actions if c.action in {Action.DELETE, Action.REPLACE}}


def _plan_release(catalog: Catalog, state: SpaceState, going: set[str], *, force: bool) -> Plan:
    """Plan to delete the spaces of owners that go, and to remove members that go from the others."""
    owned = catalog.model_copy(update={"spaces": tuple(s for s in catalog.spaces if s.owner in going)})
    deletions = make_space_plan(owned, state, Options(prune=True, force=force), delete=True)
    deleted = {change.key for change in deletions.actions}
    others = [_plan_departure(live, going) for live in state.spaces if live.slug not in deleted]
    changes = (*deletions.changes, *(change for change in others if change))
    return deletions.model_copy(update={"changes": changes})


def _plan_departure(live: LiveSpace, going: set[str]) -> Change | None:
    members = [member for member in live.members if label(member) != live.reader]
    staying = [member for member in members if label(member) not in going]
    if staying == members:
        return None
    # Not validated: members can have roles that a catalog cannot name.
    space = Space.model_construct(
        slug=live.slug,
        name=live.name,
        type=live.type,
        owner=live.reader,
        members=tuple(Member.model_construct(email=label(m), role=m.role) for m in staying),
    )
    change = Change(kind=Kind.SPACE, key=live.slug, status=Status.UPDATE, action=Action.UPDATE, live=live)
    return change.model_copy(update={"desired": space})


def _find_problems(
    catalog: Catalog, state: SpaceState, release: Plan, failures: dict[str, str], going: set[str]
) -> Iterator[_Problem]:
    """Yield which personas must stay, and for which space."""
    owners = {space.slug: space.owner for space in catalog.spaces}
    members = {live.slug: set(map(label, live.members)) for live in state.spaces}
    reasons: dict[tuple[str, str], str] = {}  # by slug and email
    for space in catalog.spaces:
        if space.slug in state.unread and space.owner in state.personas:
            for email in going:
                if email in space.emails or not catalog.persona(email):
                    reasons[space.slug, email] = state.unread[space.slug]
    for change in release.changes:
        owner = owners.get(change.key, "")
        if change.key in failures:
            for email in going & {owner, *members[change.key]}:
                reasons[change.key, email] = failures[change.key]
        elif not change.action and change.status is not Status.CONFLICT and owner in going:
            reasons[change.key, owner] = change.reason
    for (slug, email), reason in reasons.items():
        yield _Problem(email, slug, reason, owners.get(slug) == email)
