"""An auth service with the personas of a catalog, and clients that are signed in as them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx

from personas.catalog.models import Catalog, Persona
from personas.catalog.select import find_persona
from personas.config import DEFAULT_BASE_PATH, Address, choose_seed_secret, parse_address, resolve_config
from personas.errors import CredentialsError, NotOfferedError, PartialFailure, ResponseError, UsageError
from personas.passwords import DEVELOPMENT_SECRET, PasswordDeriver
from personas.reconcile.apply import apply
from personas.reconcile.changes import Options, Outcome, Result
from personas.reconcile.fetch import fetch
from personas.reconcile.plan import make_plan
from personas.redact import Secret
from personas.services.base import Service
from personas.services.mana import ManaService
from personas.services.models import Session
from personas.services.sign_in import Credentials
from personas.spaces.apply import apply_spaces
from personas.spaces.client import SignInCache, fetch_spaces
from personas.spaces.plan import make_space_plan

TIMEOUT = 30.0
# The database is deleted after the tests, so its password hashes may be quick.
QUICK_SCRYPT_N = 16

T = TypeVar("T")


class PersonasService:
    """An auth service and the catalog of its personas.

    Attributes:
        catalog: The catalog.
        url: The address of the service, for browsers and other programs.
    """

    def __init__(
        self,
        catalog: Catalog,
        address: Address,
        passwords: PasswordDeriver,
        credentials: Credentials,
        base_path: str = DEFAULT_BASE_PATH,
    ) -> None:
        self.catalog = catalog
        self.url = address.url
        self._address = address
        self._passwords = passwords
        self._credentials = credentials
        self._base_path = base_path
        self._sessions: dict[str, Session] = {}

    def persona(self, who: str | Persona | None = None, *, archetype: str | None = None) -> Persona:
        """Return a persona: by email, local part, unique name or archetype; without both, the first.

        Raises:
            UsageError: No persona matches, or several do.
        """
        if isinstance(who, Persona):
            return who
        if who is not None:
            return find_persona(self.catalog.personas, who, f"in {self.catalog.file}")
        for persona in self.catalog.personas:
            if archetype in {None, persona.archetype}:
                return persona
        known = ", ".join(sorted({persona.archetype for persona in self.catalog.personas}))
        raise UsageError(
            f"No persona in {self.catalog.file} has the archetype {archetype!r}.", hint=f"Archetypes: {known}"
        )

    def sign_in(self, who: str | Persona | None = None) -> tuple[Session, Secret]:
        """Return a session of a persona and a new JWT; the session is kept for the next call.

        A service without JWTs gives the session token instead.

        Raises:
            CredentialsError: The persona is not on the service, or has another password.
        """
        email = self.persona(who).email
        session, token = self._call(lambda service: self._sign_in(service, email))
        self._sessions[email] = session
        return session, token

    def client(self, who: str | Persona | None = None) -> httpx.Client:
        """Return a client that is signed in by cookie and JWT; use it in a `with` statement."""
        return httpx.Client(**self._client_options(who))

    def async_client(self, who: str | Persona | None = None) -> httpx.AsyncClient:
        """Return the same for asynchronous programs; use it in an `async with` statement."""
        return httpx.AsyncClient(**self._client_options(who))

    async def _sign_in(self, service: Service, email: str) -> tuple[Session, Secret]:
        if email in self._sessions:
            try:
                return self._sessions[email], await _read_token(service, self._sessions[email])
            except ResponseError:  # a test has signed out
                del self._sessions[email]
        try:
            session = await service.sign_in(email, self._passwords.derive(email))
        except CredentialsError as error:
            hint = f"Seed the service: personas seed --auth {self.url}"
            raise CredentialsError(
                f"{email} cannot sign in at {self.url}: {error.message}", hint=hint
            ) from None
        return session, await _read_token(service, session)

    def _call(self, function: Callable[[Service], Awaitable[T]]) -> T:
        return _run(self._address, self._credentials, function, self._base_path)

    def _client_options(self, who: str | Persona | None) -> dict[str, Any]:
        session, token = self.sign_in(who)
        host = urlsplit(self.url).hostname or ""
        cookies = httpx.Cookies()
        # The standard library's cookie jar gives a host without a dot this suffix.
        cookies.set(session.cookie_name, session.cookie.reveal(), host if "." in host else f"{host}.local")
        return {
            "base_url": self.url,
            "timeout": TIMEOUT,
            "trust_env": not self._address.loopback,
            "headers": {"origin": self.url},
            "cookies": cookies,
            "auth": _BearerAuth(token, httpx.URL(self.url)),
        }


class _BearerAuth(httpx.Auth):
    """Send the JWT to the service only, not to other hosts that a test calls with the same client."""

    def __init__(self, token: Secret, base: httpx.URL) -> None:
        self._token = token
        self._base = base

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url, base = request.url, self._base
        if (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port):
            request.headers.setdefault("authorization", f"Bearer {self._token.reveal()}")
        yield request


@contextmanager
def open_embedded(catalog: Catalog, database: Path, *, spaces: bool = False) -> Iterator[PersonasService]:
    """Run the embedded service on a free port of 127.0.0.1, seeded from the catalog.

    Args:
        catalog: The personas to create.
        database: The new database file.
        spaces: Also create the shared spaces.

    Raises:
        UsageError: The embedded service is not installed.
        PartialFailure: A persona or a space could not be created.
    """
    try:
        from personas.embedded import ServerThread
    except ImportError as error:
        raise UsageError(
            f"The embedded service is not installed: {error.name} is missing.",
            hint="Install it: pip install 'personas[embedded]'",
        ) from None
    passwords = PasswordDeriver(Secret(DEVELOPMENT_SECRET))
    with ServerThread(database, scrypt_n=QUICK_SCRYPT_N) as server:
        address = parse_address(server.url)
        credentials = Credentials(token_factory=server.admin_token)
        service = PersonasService(catalog, address, passwords, credentials)
        for outcome in _run(address, credentials, lambda api: _seed(api, catalog, passwords, spaces=spaces)):
            if outcome.result is not Result.DONE:
                raise PartialFailure(f"{outcome.key} could not be created: {outcome.message}")
        yield service


@contextmanager
def open_external(catalog: Catalog, url: str) -> Iterator[PersonasService]:
    """Use a service that is already seeded; nothing is written to it.

    Raises:
        UsageError: `url` is not the URL of a service.
        SafetyError: The seed secret is missing.
    """
    config = resolve_config(auth=url)
    if config.address.embedded:
        raise UsageError(f"personas_auth is {url}.", hint="Use embedded, or the URL of a service.")
    yield PersonasService(
        catalog, config.address, choose_seed_secret(config), Credentials(), config.base_path
    )


async def _read_token(service: Service, session: Session) -> Secret:
    """Return a JWT, or the session token of a service without JWTs; raises ResponseError if signed out."""
    try:
        return await service.token(session)
    except NotOfferedError:
        if await service.find_session(session) is None:
            raise ResponseError(f"The session of {session.email} has ended.") from None
        return session.bearer or session.cookie


async def _seed(
    service: Service, catalog: Catalog, passwords: PasswordDeriver, *, spaces: bool
) -> tuple[Outcome, ...]:
    live = await fetch(service, catalog, passwords=passwords)
    outcomes = await apply(make_plan(catalog, live), service, passwords)
    if not spaces:
        return outcomes
    sign_ins = SignInCache(passwords)
    plan = make_space_plan(catalog, await fetch_spaces(service, catalog, sign_ins), Options(command="spaces"))
    return (*outcomes, *await apply_spaces(plan, service, sign_ins))


def _run(
    address: Address,
    credentials: Credentials,
    function: Callable[[Service], Awaitable[T]],
    base_path: str = DEFAULT_BASE_PATH,
) -> T:
    """Call `function` with the service in another thread, because this one may have a running event loop."""

    async def main() -> T:
        # Accounts and sessions are the same on every service.
        async with ManaService(address, credentials, base_path=base_path) as service:
            return await function(service)

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(anyio.run, main).result()
