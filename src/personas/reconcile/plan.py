"""The plan: how catalog and service compare, and what a run does about it. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic.alias_generators import to_camel

from personas.catalog.models import Catalog, Persona
from personas.catalog.select import matches, unmatched
from personas.errors import UsageError
from personas.reconcile.changes import Action, Change, FieldChange, LiveState, Options, Plan, Status, Value
from personas.services.models import LivePersona, PasswordCheck, Verdict

Decision = tuple[Status, Action | None, str]

# The catalog's fields by their JSON names.
_ATTRIBUTES = {to_camel(a): a for a in ("name", "archetype", "system_prompt", "module_mix", "tick_cadence")}
# What to do about an email that another account has, by whether the derived password signs in.
_TAKEN: dict[Verdict, Decision] = {
    Verdict.RIGHT: (Status.CREATE, Action.CREATE, "completes a half-created persona"),
    Verdict.WRONG: (Status.CONFLICT, None, "belongs to an account that is not a persona"),
    Verdict.UNKNOWN: (Status.UNKNOWN, None, "cannot determine who owns this email"),
}
_EXTRA = "not in the catalog"
_DOUBLE = "a second live persona with this email"
_DEFAULTS = Options()


def make_plan(catalog: Catalog, live: LiveState, options: Options = _DEFAULTS) -> Plan:
    """Compare a catalog with a live state, for `seed` and `dry-run`.

    Raises UsageError if the state has another scope, or a pattern of `options.only` matches no persona.
    """
    if set(live.scope) != set(catalog.scope.patterns):
        scopes = f"{', '.join(live.scope)}, not {catalog.scope} as in {catalog.file}"
        raise UsageError(f"The scope of the live personas is {scopes}.")
    require_matches(options.only, catalog, live.personas)
    current, doubles = _index(live.personas)
    changes = [
        _compare(catalog, index, current.pop(persona.email, None), live, options)
        for index, persona in enumerate(catalog.personas)
    ]
    changes += [_make_extra(email, persona, _EXTRA, options) for email, persona in current.items()]
    # Outcomes are found by their key, so the email alone does not identify a second persona.
    changes += [_make_extra(f"{p.email} ({p.user_id})", p, _DOUBLE, options) for p in doubles]
    for only in (options.only, live.only):  # a snapshot can be limited as well; the rest is not compared
        changes = [change for change in changes if is_selected(only, change.desired, change.live)]
    return Plan(
        service=live.service,
        scope=live.scope,
        options=options,
        changes=tuple(sorted(_mark_changed_emails(changes), key=_sort_key)),
        others=live.others,
        notes=(*live.notes, *_find_gaps(live, changes)),
    )


def make_cleanup_plan(catalog: Catalog, live: LiveState, options: Options = _DEFAULTS) -> Plan:
    """Plan to delete every live persona in scope; raises as `make_plan`.

    The status compares what was read. A persona without a known difference is `extra`, never in sync: no
    persona should be live afterwards. A note counts the drift, if something is live.
    """
    plan = make_plan(catalog, live, options)
    changes: list[Change] = []
    for change in plan.changes:
        status = change.status if change.status in (Status.UPDATE, Status.REPLACE) else Status.EXTRA
        reason = change.reason if change.status is Status.EXTRA else ""
        update = {"status": status, "action": Action.DELETE, "reason": reason}
        if change.live is not None:
            changes.append(change.model_copy(update=update))
    changed = plan.counts[Status.UPDATE] + plan.counts[Status.REPLACE]
    drift = {"changed": changed, "not live": plan.counts[Status.CREATE], _EXTRA: plan.counts[Status.EXTRA]}
    counts = ", ".join(f"{count} {what}" for what, count in drift.items() if count)
    note = f"Catalog and service differ before the cleanup, compared by the list: {counts}."
    notes = (*live.notes, note) if counts and changes else live.notes
    return plan.model_copy(update={"changes": tuple(sorted(changes, key=_sort_key)), "notes": notes})


def require_matches(only: Sequence[str], catalog: Catalog | None, personas: Iterable[LivePersona]) -> None:
    """Raise a UsageError that names the patterns that match no persona, neither in the catalog nor live."""
    sides: list[Persona | LivePersona] = [*(catalog.personas if catalog else ()), *personas]
    if only and (left := unmatched(only, ((p.email, p.name or "", p.archetype or "") for p in sides))):
        raise UsageError(f"No persona matches --only {', '.join(map(repr, left))}.")


def is_selected(only: Sequence[str], *sides: object) -> bool:
    """Whether a pattern matches one side of a persona; without patterns every persona is selected."""
    return not only or any(
        matches(only, email=side.email, name=side.name or "", archetype=side.archetype or "")
        for side in sides
        if isinstance(side, Persona | LivePersona)
    )


def _index(personas: Iterable[LivePersona]) -> tuple[dict[str, LivePersona], list[LivePersona]]:
    """Return the personas by email in lower case, and further ones with the same email."""
    by_email: dict[str, LivePersona] = {}
    users = {persona.user_id: persona for persona in personas}.values()
    # Of two emails that differ in case, the service finds the one in lower case.
    for persona in sorted(users, key=lambda p: (p.email != p.email.lower(), p.user_id)):
        by_email.setdefault(persona.email.lower(), persona)
    return by_email, [persona for persona in users if by_email[persona.email.lower()] is not persona]


def _make_extra(key: str, live: LivePersona, reason: str, options: Options) -> Change:
    name, action = live.name or "", Action.DELETE if options.prune else None
    return Change(
        key=key, name=name, status=Status.EXTRA, action=action, reason=reason, id=live.user_id, live=live
    )


def _compare(
    catalog: Catalog, index: int, current: LivePersona | None, live: LiveState, options: Options
) -> Change:
    """Return the change of one catalog persona; an email that was not looked up counts as free."""
    desired = catalog.personas[index]
    fields: tuple[FieldChange, ...] = ()
    owner = live.owners.get(desired.email)
    if current is None:
        status, action, reason = _TAKEN[owner.verdict] if owner else (Status.CREATE, Action.CREATE, "")
        reason = f"{reason}: {owner.reason}" if owner and owner.reason else reason
    elif current.user_id in live.unread:
        status, action, reason = Status.UNKNOWN, None, f"could not be read: {live.unread[current.user_id]}"
    else:
        fields = _find_differences(catalog, index, current, live)
        status, action, reason = _decide(fields, live.passwords.get(desired.email), replace=options.replace)
    return Change(
        key=desired.email,
        name=desired.name,
        status=status,
        action=action,
        fields=fields,
        reason=reason,
        id=current.user_id if current else None,
        line=catalog.locate(("personas", index))[0],
        desired=desired,
        live=current,
        existing=owner.user if owner else None,
    )


def _find_differences(
    catalog: Catalog, index: int, current: LivePersona, live: LiveState
) -> tuple[FieldChange, ...]:
    """Return the fields that differ; a field without a live value is not compared."""
    desired = catalog.personas[index]
    stored = live.capabilities.stored if live.capabilities else _ATTRIBUTES
    found: list[tuple[str, Value, Value]] = []
    for field, attribute in _ATTRIBUTES.items():
        old, new = getattr(current, attribute), getattr(desired, attribute)
        if field in stored and old is not None and old != new:
            found.append((field, old, new))
    if current.email_verified is False:
        found.append(("emailVerified", "false", "true"))
    password = live.passwords.get(desired.email)
    if password is not None and password.verdict is Verdict.WRONG:
        found.append(("password", None, None))
    updatable = {"emailVerified", *live.updatable}
    fields: list[FieldChange] = []
    for field, old, new in found:
        line = catalog.locate(("personas", index, field))[0]
        fields.append(FieldChange(field=field, old=old, new=new, updatable=field in updatable, line=line))
    return tuple(fields)


def _decide(fields: Sequence[FieldChange], password: PasswordCheck | None, *, replace: bool) -> Decision:
    """Return status, action and reason of a live catalog persona."""
    # Fields can be updated whatever the password is: without a verdict about it, only equal ones are unknown.
    unchecked = ""
    if password is not None and password.verdict is Verdict.UNKNOWN:
        unchecked = f"password not checked: {password.reason}"
    fixed = ", ".join(field.field for field in fields if not field.updatable)
    if not fields:
        return (Status.UNKNOWN if unchecked else Status.IN_SYNC), None, unchecked
    if not fixed:
        return Status.UPDATE, Action.UPDATE, unchecked
    if replace:
        return Status.REPLACE, Action.REPLACE, ""
    if any(field.updatable for field in fields):
        return Status.REPLACE, Action.UPDATE, f"{fixed} still differs; --replace re-creates it"
    return Status.REPLACE, None, f"only --replace changes {fixed}"


def _mark_changed_emails(changes: Sequence[Change]) -> Iterator[Change]:
    """Yield the changes; an extra persona and a new one with the same name point at each other."""
    new = {change.name: change.key for change in changes if change.status is Status.CREATE}
    old = {change.name: change.key for change in changes if change.reason == _EXTRA}
    for change in changes:
        hint = ""
        if change.status is Status.CREATE and change.name in old:
            hint = f"changed email? {old[change.name]} has the same name and is {_EXTRA}"
        elif change.reason == _EXTRA and change.name in new:
            hint = f"changed email? {new[change.name]} has the same name"
        reason = "; ".join(part for part in (change.reason, hint) if part)
        yield change.model_copy(update={"reason": reason})


def _find_gaps(live: LiveState, changes: Iterable[Change]) -> Iterator[str]:
    """Yield notes about what could not be compared."""
    if live.only and not live.capabilities:
        yield f"The snapshot has only personas that match {', '.join(live.only)}; others are not compared."
    stored = live.capabilities.stored if live.capabilities else _ATTRIBUTES
    if absent := [field for field in _ATTRIBUTES if field not in stored]:
        yield f"Not stored on this service: {', '.join(absent)}."
    read = [c.live for c in changes if c.desired and c.live and c.id not in live.unread]
    empty = [
        field
        for field, attribute in _ATTRIBUTES.items()
        if field in stored and any(getattr(persona, attribute) is None for persona in read)
    ]
    if empty:
        yield f"Not compared, because there is no live value: {', '.join(empty)}."


def _sort_key(change: Change) -> tuple[int, int, str, str]:
    """Sort by action, then by status, in-sync last; then by name and email."""
    action = (*Action, None).index(change.action)
    status = (*list(Status)[1:], Status.IN_SYNC).index(change.status)
    return action, status, change.name.casefold(), change.key
