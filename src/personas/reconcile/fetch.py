"""Read the live state of a service, or a snapshot of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from personas.catalog.models import Catalog, Scope
from personas.concurrency import run_concurrently
from personas.errors import (
    NoResponseError,
    NotFoundError,
    NotOfferedError,
    RateLimitedError,
    ResponseError,
    SafetyError,
    UsageError,
)
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import LiveState, Owner
from personas.reconcile.ownership import Checks, check_seed_secret, find_owners
from personas.reconcile.plan import is_selected, require_matches
from personas.services.base import Service
from personas.services.models import LivePersona

MAX_FAILURES_IN_A_ROW = 3  # so many calls in a row without an answer mean that the service is gone
SNAPSHOT_MAX_AGE = timedelta(days=1)

_NO_SECRET = "There is no seed secret: passwords were not checked."  # noqa: S105 - a note, not a secret
_NO_LOOK_UP = "The service offers no user look-up: new emails could belong to other accounts."


async def fetch_list(
    service: Service, scope: Scope, *, only: Sequence[str] = (), catalog: Catalog | None = None
) -> LiveState:
    """Read the list of live personas in scope, without details: one request.

    `only` matches on the service and in `catalog`; raises UsageError for a pattern that matches no persona.
    """
    everyone = await service.list_personas()
    inside = [persona for persona in everyone if scope.contains(persona.email)]
    require_matches(only, catalog, inside)
    selected = [p for p in inside if is_selected(only, p, catalog and catalog.persona(p.email))]
    return LiveState(
        taken_at=datetime.now(UTC),
        service=service.address,
        scope=scope.patterns,
        only=tuple(only),
        others=len(everyone) - len(inside),
        personas=tuple(sorted(selected, key=lambda persona: persona.email)),
        updatable=tuple(sorted(service.capabilities.updatable)),
        capabilities=service.capabilities,
        everyone=everyone,
    )


async def fetch_details(
    service: Service, state: LiveState, emails: Collection[str] | None = None
) -> LiveState:
    """Read the details of the personas with these emails (lower case; None: all).

    A persona that is deleted meanwhile is left out. One that cannot be read is in `unread`; several in a row
    without an answer raise the error.
    """
    if service.capabilities.complete_list:
        return state
    complete: dict[str, LivePersona | None] = {}
    unread = dict(state.unread)
    failures = 0

    async def read(persona: LivePersona) -> None:
        nonlocal failures
        try:
            complete[persona.user_id] = await service.get_persona(persona)
            failures = 0
        except NotFoundError:
            complete[persona.user_id] = None
        except (ResponseError, NoResponseError) as error:
            failures = failures + 1 if isinstance(error, NoResponseError | RateLimitedError) else 0
            if failures >= MAX_FAILURES_IN_A_ROW:
                raise
            unread[persona.user_id] = error.message

    chosen = [p for p in state.personas if emails is None or p.email.lower() in emails]
    await run_concurrently(chosen, read, limit=service.concurrency)
    personas = [complete.get(persona.user_id, persona) for persona in state.personas]
    return state.model_copy(update={"personas": tuple(filter(None, personas)), "unread": unread})


async def fetch(
    service: Service,
    catalog: Catalog,
    *,
    passwords: PasswordDeriver | None,
    only: Sequence[str] = (),
    check_passwords: bool = False,
    replace: bool = False,
    force: bool = False,
) -> LiveState:
    """Read what `seed` and `dry-run` compare: the list, details, the seed-secret check, owners of new emails.

    Raises SafetyError if the seed secret does not match, or new emails cannot be looked up (without `force`);
    UsageError for a pattern of `only` that matches no persona.
    """
    state = await fetch_list(service, catalog.scope, only=only, catalog=catalog)
    emails = {p.email.lower() for p in state.personas if catalog.persona(p.email)}
    known = [persona for persona in state.everyone if catalog.persona(persona.email)]
    checks: Checks = {}
    notes: tuple[str, ...] = (_NO_SECRET,) if passwords is None else ()

    async def read_details() -> None:
        nonlocal state
        state = await fetch_details(service, state, emails)

    async def check_secret() -> None:
        nonlocal checks, notes
        if passwords is not None:
            check = emails if check_passwords else ()
            checks, notes = await check_seed_secret(service, known, passwords, check, replace=replace)

    if known:
        # Sign-ins first: the service hashes while the reads follow.
        await run_concurrently((check_secret, read_details), lambda step: step(), limit=2)
    # Last, since a persona may be deleted while it is read: then its email is new.
    live = {persona.email.lower() for persona in state.personas}
    selected = [p.email for p in catalog.personas if is_selected(only, p) or p.email in emails]
    new = [email for email in selected if email not in live]
    owners: dict[str, Owner] = {}
    try:
        owners = await find_owners(service, new, state, passwords)
    except NotOfferedError:
        if not force:
            raise SafetyError(_NO_LOOK_UP, hint="Add --force to skip this check.") from None
        notes = (*notes, _NO_LOOK_UP)
    return state.model_copy(update={"passwords": checks, "owners": owners, "notes": notes})


def read_snapshot(file: str | Path, *, now: datetime | None = None) -> LiveState:
    """Read a snapshot: the output of `personas list -o json`, or its `live` part; raises UsageError.

    A snapshot that was taken more than a day before `now` (default: the current time) gets a note.
    """
    try:
        document = json.loads(Path(file).read_text("utf-8-sig"))
        live = document.get("live", document) if isinstance(document, dict) else document
        state = LiveState.model_validate(live)
    except OSError as error:
        raise UsageError(f"Cannot read the snapshot {file}: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_input=False, include_url=False)[0]
            reason = f"{'.'.join(map(str, ('live', *first['loc'])))}: {first['msg']}"
        message = f"{file} is not a snapshot of live personas: {reason}."
        raise UsageError(message, hint="Make a snapshot with: personas list -o json") from None
    if (now or datetime.now(UTC)) - state.taken_at <= SNAPSHOT_MAX_AGE:
        return state
    note = f"The snapshot is older than a day: {state.taken_at:%Y-%m-%d %H:%M %Z}."
    return state.model_copy(update={"notes": (note,)})
