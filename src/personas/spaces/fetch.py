"""Reading shared spaces: the service shows them to their members only, so this signs in as the owners."""

from __future__ import annotations

from collections.abc import Sequence

from personas.catalog.models import Catalog, Space
from personas.catalog.select import matches
from personas.concurrency import run_concurrently
from personas.errors import ResponseError, UsageError
from personas.services.base import Service
from personas.services.models import LiveSpace
from personas.spaces.client import SignInCache, SpaceClient
from personas.spaces.plan import SpaceState, selects


async def fetch_spaces(
    service: Service, catalog: Catalog, sign_ins: SignInCache, *, only: Sequence[str] = ()
) -> SpaceState:
    """Read the catalog's spaces, and the other spaces of their owners, who stay signed in for `apply_spaces`.

    Raises UsageError for a pattern of `only` (slug, name, owner or member) that matches nothing, and
    ServiceError if the service is unreachable or refuses the admin's credentials.
    """
    live = await service.list_personas()
    state = SpaceState(service.address, {p.email.lower() for p in live if catalog.scope.contains(p.email)})
    wanted = [space for space in catalog.spaces if selects(catalog, only, space)]
    if not all(any(selects(catalog, (pattern,), space) for space in wanted) for pattern in only):
        wanted = list(catalog.spaces)  # the pattern may mean a space that only the service has
    owned: dict[str, list[str]] = {}
    for space in wanted:
        if space.owner in state.personas:
            owned.setdefault(space.owner, []).append(space.slug)
        else:
            state.unread[space.slug] = f"{space.owner} is not live; `personas seed` creates personas"
    foreign = {space.slug: space.owner for space in catalog.spaces}

    async def read(owner: str) -> None:
        try:
            client = sign_ins.client(service, owner)
            await _read_spaces(client, state, owned[owner], {s for s in foreign if foreign[s] != owner})
        except ResponseError as error:
            state.unread.update(dict.fromkeys(owned[owner], error.message))

    await sign_ins.open(service, owned)
    await run_concurrently(owned, read, limit=service.concurrency)
    sides: list[Space | LiveSpace] = [*wanted, *state.spaces]
    for pattern in only:
        unread = any(matches((pattern,), email=slug) for slug in state.unread)
        if not unread and not any(selects(catalog, (pattern,), side) for side in sides):
            raise UsageError(f"--only {pattern} matches no space in {catalog.file} or on the service.")
    return state


async def _read_spaces(client: SpaceClient, state: SpaceState, own: Sequence[str], foreign: set[str]) -> None:
    """Read the spaces of one owner; `own` are its slugs in the catalog, `foreign` those of other owners."""
    # The service gives each user a personal space, which is never shared.
    listed = [s for s in await client.list_spaces() if s.type != "personal" and s.slug not in foreign]
    for space in listed:
        try:
            whole = await client.read(space)
        except ResponseError as error:
            state.unread[space.slug] = error.message
            continue
        # A space of another account, where the persona is a guest, does not concern the catalog.
        if whole.broken or whole.slug in own or client.email in whole.owners:
            state.spaces.append(whole)
    for slug in set(own) - {space.slug for space in listed}:
        try:
            if await client.is_taken(slug):
                state.taken.add(slug)
        except ResponseError as error:
            state.unread[slug] = error.message
