"""A service in memory: its list is complete, and it can change names and passwords."""

from __future__ import annotations

from collections.abc import Collection

from personas.catalog.models import Persona
from personas.redact import Secret
from personas.services.models import FoundUser, LivePersona, PasswordCheck

from .making import FLEXIBLE, RIGHT, WRONG, email_of, make_live


class MemoryService:
    """What plans need of `Service` here; other calls are not offered."""

    address = "https://auth.example.test"
    capabilities = FLEXIBLE
    concurrency = 1

    def __init__(self, *live: str) -> None:
        self.personas = {email_of(who): make_live(who) for who in live}
        self.passwords: dict[str, Secret] = {}
        self.updates: list[tuple[str, set[str]]] = []

    async def list_personas(self) -> tuple[LivePersona, ...]:
        return tuple(self.personas.values())

    async def create(self, persona: Persona, password: Secret, *, existing: FoundUser | None = None) -> str:
        assert existing is None
        self.personas[persona.email] = LivePersona(user_id="new", email=persona.email, name=persona.name)
        self.passwords[persona.email] = password
        return "new"

    async def update(
        self, live: LivePersona, persona: Persona, fields: Collection[str], password: Secret
    ) -> None:
        self.updates.append((live.user_id, set(fields)))
        self.personas[live.email] = live.model_copy(update={"name": persona.name})
        self.passwords[live.email] = password

    async def count_users(self, domain: str) -> int | None:
        return sum(email.endswith(domain) for email in self.personas)

    async def check_password(self, email: str, password: Secret) -> PasswordCheck:
        return RIGHT if self.passwords.get(email) == password else WRONG
