"""Between look-up and write somebody may sign up: no write that may create relies on an old look-up.

One number tells whether anybody came: how many users share the personas' domain. It is exact only while
nothing of ours is under way that changes it, so it is asked for between two writes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import anyio

from personas.errors import BadAnswer, ServiceError
from personas.reconcile.changes import PERSONA_DOMAIN
from personas.reconcile.live import LookedUp, Owner, Ownership
from personas.reconcile.owners import Passwords, find_owners
from personas.service.endpoints import AuthService

# So old may a look-up be when a write that relies on it is sent.
FRESH_SECONDS = 10.0


class Watch:
    """Watches the domain while personas are created and deleted.

    Args:
        service: Where to ask.
        passwords: What proves that an account is ours.
        emails: Whom the run may create, in lower case.
        looked_up: The last look-up before the run; None when there was none, or not of this service.
        workers: How many personas at a time.
    """

    def __init__(
        self,
        service: AuthService,
        passwords: Passwords,
        emails: Iterable[str],
        looked_up: LookedUp | None,
        *,
        workers: int,
    ) -> None:
        self._service = service
        self._passwords = passwords
        self._workers = workers
        self._waiting = set(emails)
        self._owners: Mapping[str, Owner] = {}
        self._total = looked_up.total if looked_up else None
        self._fresh_until = looked_up.at + FRESH_SECONDS if looked_up else 0.0
        self._turn = anyio.Lock()
        self._under_way = 0
        self._settled = anyio.Event()

    @asynccontextmanager
    async def creating(self, email: str) -> AsyncIterator[float]:
        """A write that may create; yields the moment after which it must not be sent.

        Raises:
            BadAnswer: The email belongs to somebody by now, or that could not be asked.
            ServiceError: The service refused the credentials, or nobody answers.
        """
        async with self._turn:
            if time.monotonic() >= self._fresh_until:
                await self._look_again()
            owner = self._owners.get(email, Owner(Ownership.FREE))
            if owner.verdict in {Ownership.FOREIGN, Ownership.NOT_KNOWN}:
                raise _refusal(email, owner)
            self._begin()
        try:
            async with self._settling(1):
                self._waiting.discard(email)
                yield self._fresh_until
        except BaseException:
            self._waiting.add(email)
            raise

    @asynccontextmanager
    async def deleting(self) -> AsyncIterator[None]:
        """A write that deletes one user of the domain."""
        async with self._turn:
            self._begin()
        async with self._settling(-1):
            yield

    def _begin(self) -> None:
        self._under_way += 1

    @asynccontextmanager
    async def _settling(self, difference: int) -> AsyncIterator[None]:
        """A write under way: what it does to the number, when it ends as it should."""
        try:
            yield
            if self._total is not None:
                self._total += difference
        except BaseException:
            # Whether the service has acted is not known, nor then what the number should be.
            self._total = None
            raise
        finally:
            self._under_way -= 1
            self._settled.set()

    async def _look_again(self) -> None:
        while self._under_way:
            self._settled = anyio.Event()
            await self._settled.wait()
        asked = time.monotonic()
        if self._total is None or await self._service.count_users(PERSONA_DOMAIN) != self._total:
            await self._find_owners()
        else:
            self._fresh_until = asked + FRESH_SECONDS

    async def _find_owners(self) -> None:
        """Somebody came or went: ask whose each email is that is still to be created."""
        known = await self._service.list_personas(safety=True)
        there = {persona.email.lower() for persona in known}
        missing = sorted(self._waiting - there)
        owners, looked_up = await find_owners(
            self._service, self._passwords, missing, known, workers=self._workers
        )
        self._owners = owners
        self._total = looked_up.total
        self._fresh_until = looked_up.at + FRESH_SECONDS


def _refusal(email: str, owner: Owner) -> ServiceError:
    if owner.verdict is Ownership.FOREIGN:
        return BadAnswer(
            f"{email} belongs by now to somebody who is not one of ours; nothing was sent for it: "
            "give the persona another email in the catalog"
        )
    return BadAnswer(f"whose {email} is by now, is not known; nothing was sent for it: {owner.reason}")
