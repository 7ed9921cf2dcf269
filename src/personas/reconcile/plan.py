"""The plan: every difference between a catalog and what is live, sorted, and what a run would do about it.

Pure: no clock, no environment, no service. `seed`, `dry-run`, `cleanup`, `list` and all reports show the same
object, and `apply` carries out its steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from personas.reconcile.changes import (
    PERSONA_DOMAIN,
    Change,
    Doubt,
    FieldChange,
    Intent,
    Plan,
    State,
    Step,
    Value,
)
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.notes import tell_doubts, tell_renamed
from personas.reconcile.only import Patterns, matches
from personas.reconcile.space_plan import plan_spaces, tell_spaces
from personas.service.models import LivePersona, Login, LoginCheck

if TYPE_CHECKING:
    from personas.catalog.reading import Catalog, Persona

__all__ = [
    "PERSONA_DOMAIN",
    "Change",
    "Doubt",
    "FieldChange",
    "Intent",
    "Plan",
    "State",
    "Step",
    "Value",
    "plan",
]


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
        _decide(_compare(email, wanted.get(email), existing.get(email), live, catalog), intent)
        for email in wanted.keys() | existing.keys()
    ]
    changes += [_decide(_double(double, wanted.get(double.email.lower())), intent) for double in doubles]
    meant = [change for change in changes if not only or matches(change, only)]
    personas, spaces = plan_spaces(catalog, live, intent, meant, changes, only)
    kept, renamed = tell_renamed(sorted(personas))
    return Plan(
        changes=tuple(sorted((*kept, *spaces))) if spaces else kept,
        intent=intent,
        notes=(
            *live.notes,
            *renamed,
            *tell_doubts(kept),
            *tell_spaces(live, intent, kept, spaces),
        ),
        catalog_known=catalog is not None,
        whole=not only,
        details=live.details,
        service=live.service,
        looked_up=live.looked_up,
        live_spaces=live.spaces,
        spaces_sought=bool(live.spaces_of or live.no_spaces),
    )


def _compare(
    key: str, wanted: Persona | None, existing: LivePersona | None, live: Live, catalog: Catalog | None
) -> Change:
    if wanted is None:
        if catalog is None:
            return Change(key, State.NOT_KNOWN, existing=existing, reason="the catalog could not be read")
        return Change(key, State.STRAY, existing=existing, reason="not in the catalog")
    if existing is None:
        return _missing(key, wanted, live.owners.get(key))
    login, unread = live.logins.get(key), live.unread.get(key, "")
    fields = tuple(_differences(wanted, existing, details=live.details))
    found = Change(
        key,
        State.IN_SYNC,
        wanted=wanted,
        existing=existing,
        fields=fields,
        doubt=_doubt(wanted, existing, login, unread),
    )
    if unread:
        reason = f"its details could not be read: {unread}"
        return replace(found, state=State.NOT_KNOWN, fields=(), reason=reason)
    if login is not None and login.verdict is Login.WRONG_PASSWORD:
        return replace(found, state=State.LOCKED_OUT, reason="the derived password does not sign in")
    if any(not change.mendable for change in fields):
        return replace(found, state=State.RECREATE, reason="the service keeps an existing user's name")
    if fields:
        return replace(found, state=State.UPDATE)
    if login is not None and login.verdict is Login.NOT_KNOWN:
        reason = f"whether the password works is not known: {login.reason}"
        return replace(found, state=State.NOT_KNOWN, reason=reason)
    return found


def _double(existing: LivePersona, wanted: Persona | None) -> Change:
    doubtful = wanted is not None and existing.name not in {None, wanted.name}
    return Change(
        existing.email.lower(),
        State.STRAY,
        existing=existing,
        reason="a second live persona with this email",
        doubt=Doubt(_ANOTHER_NAME) if doubtful else None,
    )


_ANOTHER_NAME = "its name is not the catalog's"


def _doubt(wanted: Persona, existing: LivePersona, login: LoginCheck | None, unread: str) -> Doubt | None:
    """Why a live account may be somebody else's: its name is not ours, and no password proves that it is."""
    if existing.name is None:
        return Doubt("its name could not be read") if unread else None
    if existing.name == wanted.name:
        return None
    match login.verdict if login else None:
        case Login.WORKS:
            return None
        case Login.WRONG_PASSWORD:
            return Doubt(f"{_ANOTHER_NAME}, and the derived password does not sign in")
        case Login.NOT_KNOWN:
            why = login.reason if login else ""
            return Doubt(f"{_ANOTHER_NAME}, and whether the derived password signs in is not known: {why}")
        case None:
            return Doubt(f"{_ANOTHER_NAME}, and its password was not tried", tried=False)


def _missing(key: str, wanted: Persona, owner: Owner | None) -> Change:
    match owner.verdict if owner else Ownership.NOT_CHECKED:
        case Ownership.FOREIGN:
            reason = (owner and owner.reason) or "this email belongs to a user who is not one of ours"
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


def _differences(wanted: Persona, existing: LivePersona, *, details: bool) -> Iterator[FieldChange]:
    # A list without names is an ordinary deployment: a name that is not told is no drift.
    if existing.name is not None and existing.name != wanted.name:
        yield FieldChange("name", existing.name, wanted.name, mendable=False)
    if existing.archetype != wanted.archetype and (details or existing.archetype is not None):
        yield FieldChange("archetype", existing.archetype, wanted.archetype)
    if details and existing.system_prompt != wanted.system_prompt:
        yield FieldChange("systemPrompt", existing.system_prompt, wanted.system_prompt)
    if details and (existing.module_mix is None or dict(existing.module_mix) != dict(wanted.module_mix)):
        yield FieldChange("moduleMix", existing.module_mix, wanted.module_mix)
    if existing.tick_cadence != wanted.tick_cadence and (details or existing.tick_cadence is not None):
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
            if (intent.recreate or change.state is State.LOCKED_OUT) and (doubt := _spares(change, intent)):
                return _with(change, None, f"{doubt}: left alone without --force")
            if intent.recreate:
                return _with(change, Step.RECREATE)
            rest = any(item.mendable for item in change.fields)
            return _with(change, Step.UPDATE if rest else None, "only --recreate mends this")
        case _:
            return change


def _deletion(change: Change, intent: Intent) -> Change:
    if not change.key.endswith(PERSONA_DOMAIN) and not intent.force:
        return _with(change, None, f"not {PERSONA_DOMAIN}: left alone without --force")
    if doubt := _spares(change, intent):
        return _with(change, None, f"{doubt}: left alone without --force")
    return _with(change, Step.DELETE)


def _spares(change: Change, intent: Intent) -> str:
    """Why an account is left alone: it may be somebody else's, for all that could be tried."""
    doubt = change.doubt
    return doubt.reason if doubt and doubt.tried and not intent.force else ""


def _with(change: Change, step: Step | None, reason: str = "") -> Change:
    reasons = "; ".join(part for part in (change.reason, reason) if part)
    return replace(change, step=step, reason=reasons)
