"""A service in memory: its list is complete, and it can change names and passwords."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import anyio

from personas.catalog.models import Persona
from personas.redact import Secret
from personas.services.models import FoundUser, LivePersona, PasswordCheck, Verdict

from .making import FLEXIBLE, NOON, email_of, make_live


class MemoryService:
    """What plans need of `Service`; every write waits for `gate`, if there is one."""

    address = "https://auth.example.test"
    capabilities = FLEXIBLE
    concurrency = 2
    requests = 0

    def __init__(self, *live: str) -> None:
        self.notes: list[str] = []
        self.personas = {email_of(who): make_live(who) for who in live}
        self.passwords: dict[str, Secret] = {}
        self.updates: list[tuple[str, set[str]]] = []
        self.gate: anyio.Event | None = None

    async def list_personas(self) -> tuple[LivePersona, ...]:
        return tuple(self.personas.values())

    async def create(self, persona: Persona, password: Secret, *, existing: FoundUser | None = None) -> str:
        await self._write()
        user_id = existing.user_id if existing else f"new-{persona.email}"
        live = LivePersona(user_id=user_id, email=persona.email, name=persona.name, created_at=NOON)
        self.personas[persona.email] = live
        self.passwords[persona.email] = password
        return user_id

    async def update(
        self, live: LivePersona, persona: Persona, fields: Collection[str], password: Secret
    ) -> None:
        await self._write()
        self.updates.append((live.user_id, set(fields)))
        if "name" in fields:
            self.personas[live.email] = live.model_copy(update={"name": persona.name})
        if "password" in fields:
            self.passwords[live.email] = password

    async def delete(self, live: LivePersona) -> bool:
        await self._write()
        return self.personas.pop(live.email, None) is not None

    async def count_users(self, domain: str) -> int | None:
        return sum(email.endswith(domain) for email in self.personas)

    async def find_users(self, emails: Sequence[str]) -> Mapping[str, FoundUser]:
        raise AssertionError(f"one count is enough, without {emails}")

    async def check_password(self, email: str, password: Secret) -> PasswordCheck:
        return PasswordCheck(Verdict.RIGHT if self.passwords.get(email) == password else Verdict.WRONG)

    async def _write(self) -> None:
        if self.gate is not None:
            await self.gate.wait()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"plans do not need {name}")
