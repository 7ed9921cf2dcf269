"""Reading shared spaces: the service shows them to their members only, so this signs in as the owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from personas.catalog.models import Catalog, Space
from personas.catalog.select import matches
from personas.concurrency import run_concurrently
from personas.errors import ResponseError, UsageError
from personas.services.base import Service
from personas.services.models import LiveSpace
from personas.spaces.client import SignInCache
from personas.spaces.plan import SpaceState, selects


async def fetch_spaces(
    service: Service, catalog: Catalog, sign_ins: SignInCache, *, only: Sequence[str] = ()
) -> SpaceState:
    """Read the catalog's spaces, and the other spaces of their owners, who stay signed in for `apply_spaces`.

    Raises UsageError for a pattern of `only` (slug, name, owner or member) that matches nothing, and
    ServiceError if the service is unreachable or refuses the admin's credentials.
    """
    live = await service.list_personas()
    personas = frozenset(p.email.lower() for p in live if catalog.scope.contains(p.email))
    wanted = [space for space in catalog.spaces if selects(catalog, only, space)]
    if not all(any(selects(catalog, (pattern,), space) for space in wanted) for pattern in only):
        wanted = list(catalog.spaces)  # the pattern may mean a space that only the service has
    owners = {space.slug: space.owner for space in catalog.spaces}
    reading = _Reading(service, sign_ins, owners, personas)
    await reading.read(wanted)
    sides: list[Space | LiveSpace] = [*wanted, *reading.spaces]
    for pattern in only:
        unread = any(matches((pattern,), email=slug) for slug in reading.unread)
        if not unread and not any(selects(catalog, (pattern,), side) for side in sides):
            raise UsageError(f"--only {pattern} matches no space in {catalog.file} or on the service.")
    return SpaceState(
        service.address, personas, tuple(reading.spaces), reading.unread, frozenset(reading.taken)
    )


@dataclass
class _Reading:
    """What was read so far."""

    service: Service
    sign_ins: SignInCache
    owners: dict[str, str]  # by slug, as the catalog says
    personas: frozenset[str]
    failures: dict[str, str] = field(default_factory=dict)  # why spaces could not be listed, by owner
    listed: dict[str, list[LiveSpace]] = field(default_factory=dict)  # by id: as each owner lists it
    spaces: list[LiveSpace] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    async def read(self, wanted: Sequence[Space]) -> None:
        limit = self.service.concurrency
        owners = list(dict.fromkeys(space.owner for space in wanted))
        await self.sign_ins.open(self.service, [owner for owner in owners if owner in self.personas])
        await run_concurrently(owners, self._list, limit=limit)
        await run_concurrently(self.listed.values(), self._read, limit=limit)
        found = {space.slug for space in self.spaces} | self.unread.keys()
        missing = [space for space in wanted if space.slug not in found]
        await run_concurrently(missing, self._check_slug, limit=limit)

    async def _list(self, owner: str) -> None:
        if owner not in self.personas:
            self.failures[owner] = f"{owner} is not live; `personas seed` creates personas"
            return
        try:
            for space in await self.sign_ins.client(self.service, owner).list_spaces():
                # The service gives each user a personal space, which is never shared.
                if space.type != "personal":
                    self.listed.setdefault(space.space_id, []).append(space)
        except ResponseError as error:
            self.failures[owner] = error.message

    async def _read(self, seen: list[LiveSpace]) -> None:
        """Read a space, if possible as the owner whom the catalog names."""
        space = next((one for one in seen if one.reader == self.owners.get(one.slug)), seen[0])
        try:
            whole = await self.sign_ins.client(self.service, space.reader).read(space)
        except ResponseError as error:
            self.unread[space.slug] = error.message
            return
        own = next((one.reader for one in seen if one.reader in whole.owners), "")
        # A space of another account, where a persona is a guest, does not concern the catalog.
        if own or whole.broken or whole.slug in self.owners:
            self.spaces.append(whole.model_copy(update={"reader": own or whole.reader}))

    async def _check_slug(self, space: Space) -> None:
        try:
            if space.owner in self.failures:
                self.unread[space.slug] = self.failures[space.owner]
            elif await self.sign_ins.client(self.service, space.owner).is_taken(space.slug):
                self.taken.add(space.slug)
        except ResponseError as error:
            self.unread[space.slug] = error.message
