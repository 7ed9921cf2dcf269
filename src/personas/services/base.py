"""The interface `Service`: all that plans, spaces and commands know about an auth service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from personas.errors import ServiceError
from personas.redact import Secret
from personas.services.models import Answer, Body, FoundUser, LivePersona, Params, PasswordCheck, Session

if TYPE_CHECKING:
    from personas.catalog.models import Persona

# Called after each attempt of a request: method, path with query, status or error, seconds. Never a secret.
RequestObserver = Callable[[str, str, int | ServiceError, float], None]
# Called when the client waits because the service asked for it: seconds and the reason.
WaitObserver = Callable[[float, str], None]

DESCRIPTORS = frozenset({"archetype", "systemPrompt", "moduleMix", "tickCadence"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a service can store and change; fields have their JSON names (`systemPrompt`)."""

    stored: frozenset[str]  # the catalog fields that it stores
    updatable: frozenset[str]  # what an update can change of an existing persona: fields and `password`
    complete_list: bool  # whether the list has every stored field, so that details need no further call
    space_types: bool  # whether shared spaces have a type


class Service(Protocol):
    """An auth service with personas; use it as an async context manager.

    Every call raises a ServiceError: UnreachableError and CredentialsError concern the whole run,
    ResponseError only this call.

    Attributes:
        address: The address as shown to users.
        capabilities: Known after the first call of the admin.
        notes: What users must know about this service, for the report; grows during the run.
        concurrency: How many calls to make at once.
    """

    address: str
    capabilities: Capabilities
    notes: list[str]
    concurrency: int

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: object) -> None: ...

    async def list_personas(self) -> tuple[LivePersona, ...]:
        """Return every persona of the service, of any domain."""

    async def get_persona(self, live: LivePersona) -> LivePersona:
        """Return the persona with all its fields; raises NotFoundError."""

    async def create(self, persona: Persona, password: Secret, *, existing: FoundUser | None = None) -> str:
        """Create the persona, or complete the half-created account `existing`; return the user id."""

    async def update(
        self, live: LivePersona, persona: Persona, fields: Collection[str], password: Secret
    ) -> str:
        """Update these fields (JSON names, and `password`) to the catalog's values; return the user id.

        The id is a new one if the persona was deleted meanwhile, and the service created it again.
        """

    async def delete(self, live: LivePersona) -> bool:
        """Delete the persona for good; False if it was already gone. A warning raises ResponseError."""

    async def count_users(self, domain: str) -> int | None:
        """Return how many accounts, personas included, have an email in this domain (`@mana.test`).

        None if the number is not available; raises NotOfferedError without user look-up.
        """

    async def find_users(self, emails: Sequence[str]) -> Mapping[str, FoundUser | ServiceError]:
        """Look up each email (lower case); an email without an account has no entry.

        Raises NotOfferedError without user look-up.
        """

    async def check_password(self, email: str, password: Secret) -> PasswordCheck:
        """Return whether the password signs in; signs out again. Raises UnreachableError only."""

    async def sign_in(self, email: str, password: Secret) -> Session:
        """Sign in; raises WrongPasswordError (CredentialsError) or ResponseError."""

    async def sign_out(self, session: Session) -> None:
        """End a session; errors are ignored, the session expires."""

    async def find_session(self, session: Session) -> Session | None:
        """Return the session as the service knows it now; None if it has ended."""

    async def token(self, session: Session) -> Secret:
        """Return a JWT of the signed-in account; raises NotOfferedError if the service has none."""

    async def admin_token(self) -> Secret:
        """Return the admin's token; raises CredentialsError."""

    async def call(
        self, session: Session, method: str, path: str, *, what: str, params: Params = None, body: Body = None
    ) -> Answer:
        """Call `path` below the service's auth endpoints (`organization/list`) as a signed-in account.

        `what` says what the call does, for errors: `creating the space chess`. Any status is returned, except
        429 and 502 to 504, which are retried; raises UnreachableError or RateLimitedError.
        """
