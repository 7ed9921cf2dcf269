"""An auth service with the personas of a catalog, and clients that are signed in as them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx

from personas.catalog.models import Catalog, Persona
from personas.catalog.select import find_persona
from personas.config import Config, choose_seed_secret, parse_address, resolve_config
from personas.errors import CredentialsError, NotOfferedError, PartialFailure, ResponseError, UsageError
from personas.reconcile.apply import apply
from personas.reconcile.changes import Options, Result
from personas.reconcile.fetch import fetch
from personas.reconcile.plan import make_plan
from personas.redact import Secret
from personas.services.mana import ManaService
from personas.services.models import Session
from personas.services.sign_in import Credentials
from personas.spaces.apply import apply_spaces
from personas.spaces.client import SignInCache, fetch_spaces
from personas.spaces.plan import make_space_plan

T = TypeVar("T")


class PersonasService:
    """An auth service that has the personas of `catalog`; `url` is its address, for browsers as well."""

    def __init__(self, catalog: Catalog, config: Config) -> None:
        self.catalog = catalog
        self.url = config.address.url
        self._config = config
        self._passwords = choose_seed_secret(config)
        self._sessions: dict[str, Session] = {}

    def persona(self, who: str | Persona | None = None, *, archetype: str | None = None) -> Persona:
        """Return a persona by email, local part, name or archetype, or the first; raises UsageError."""
        if isinstance(who, Persona):
            return who
        if who is not None and archetype is not None:
            raise UsageError("A persona is chosen by one text or by its archetype, not by both.")
        if who is not None:
            return find_persona(self.catalog.personas, who, f"in {self.catalog.file}")
        for persona in self.catalog.personas:
            if archetype in {None, persona.archetype}:
                return persona
        known = ", ".join(sorted({persona.archetype for persona in self.catalog.personas}))
        message = f"No persona in {self.catalog.file} has the archetype {archetype!r}."
        raise UsageError(message, hint=f"Archetypes: {known}")

    def sign_in(self, who: str | Persona | None = None) -> tuple[Session, Secret]:
        """Return a session of a persona, which is kept for the next call, and a new JWT.

        A service without JWTs gives the session token instead. Raises CredentialsError if the persona is not
        on the service, or has another password.
        """
        email = self.persona(who).email
        # Accounts and sessions are the same on every service.
        service = ManaService(self._config.address, base_path=self._config.base_path)
        return _run(service, lambda api: self._sign_in(api, email))

    def client(self, who: str | Persona | None = None) -> httpx.Client:
        """Return a client that is signed in by cookie and JWT; use it in a `with` statement."""
        return httpx.Client(**self._client_options(who))

    def async_client(self, who: str | Persona | None = None) -> httpx.AsyncClient:
        """Return the same for asynchronous programs; use it in an `async with` statement."""
        return httpx.AsyncClient(**self._client_options(who))

    async def _sign_in(self, service: ManaService, email: str) -> tuple[Session, Secret]:
        if email in self._sessions:
            with suppress(ResponseError):  # a test has signed out
                return self._sessions[email], await _read_token(service, self._sessions[email])
        try:
            session = await service.sign_in(email, self._passwords.derive(email))
        except CredentialsError as error:
            error.hint = f"Check PERSONA_SEED_SECRET, or seed the service: personas seed --auth {self.url}"
            raise
        self._sessions[email] = session
        return session, await _read_token(service, session)

    def _client_options(self, who: str | Persona | None) -> dict[str, Any]:
        session, token = self.sign_in(who)
        base = httpx.URL(self.url)

        def authorize(request: httpx.Request) -> httpx.Request:
            # A test may call other hosts with the same client.
            if (request.url.scheme, request.url.netloc) == (base.scheme, base.netloc):
                request.headers.setdefault("authorization", f"Bearer {token.reveal()}")
            return request

        cookies = httpx.Cookies()
        # The standard library's cookie jar gives a host without a dot this suffix.
        domain = base.host if "." in base.host else f"{base.host}.local"
        cookies.set(session.cookie_name, session.cookie.reveal(), domain)
        return {
            "base_url": base,
            "timeout": self._config.timeout,
            "trust_env": not self._config.address.loopback,
            "headers": {"origin": self.url},
            "cookies": cookies,
            "auth": authorize,
        }


@contextmanager
def open_embedded(catalog: Catalog, database: Path, *, spaces: bool = False) -> Iterator[PersonasService]:
    """Run the embedded service with a new database on a free port of 127.0.0.1, seeded from the catalog.

    Raises UsageError if it is not installed, PartialFailure if a persona or a space could not be created.
    """
    try:
        from personas.embedded import ServerThread
    except ImportError as error:
        hint = "Install it: pip install 'personas[embedded]'"
        message = f"The embedded service is not installed: {error.name} is missing."
        raise UsageError(message, hint=hint) from None
    # The database is deleted after the tests, so its password hashes may be quick.
    with ServerThread(database, scrypt_n=16) as server:
        config = Config(address=parse_address(server.url))
        admin = Credentials(token_factory=server.admin_token)
        _run(ManaService(config.address, admin), lambda api: _seed(api, catalog, config, spaces=spaces))
        yield PersonasService(catalog, config)


def open_external(catalog: Catalog, url: str) -> PersonasService:
    """Return a service that is already seeded; nothing is written to it.

    Raises UsageError or SafetyError if the URL or the seed secret cannot be used.
    """
    config = resolve_config(auth=url)
    if config.address.embedded:
        raise UsageError(f"personas_auth is {url}.", hint="Use embedded, or the URL of a service.")
    return PersonasService(catalog, config)


async def _read_token(service: ManaService, session: Session) -> Secret:
    """Return a JWT, or the session token of a service without JWTs; raises ResponseError if signed out."""
    try:
        return await service.token(session)
    except NotOfferedError:
        if await service.find_session(session) is None:
            raise ResponseError(f"The session of {session.email} has ended.") from None
        return session.bearer or session.cookie


async def _seed(service: ManaService, catalog: Catalog, config: Config, *, spaces: bool) -> None:
    passwords = choose_seed_secret(config)
    live = await fetch(service, catalog, passwords=passwords)
    outcomes = await apply(make_plan(catalog, live), service, passwords)
    if spaces:
        sign_ins = SignInCache(passwords)
        state = await fetch_spaces(service, catalog, sign_ins)
        plan = make_space_plan(catalog, state, Options(command="spaces"))
        outcomes += await apply_spaces(plan, service, sign_ins)
    for outcome in outcomes:
        if outcome.result is not Result.DONE:
            raise PartialFailure(f"{outcome.key} could not be created: {outcome.message}")


def _run(service: ManaService, function: Callable[[ManaService], Awaitable[T]]) -> T:
    """Call `function` with the service in another thread, because this one may have a running event loop."""

    async def main() -> T:
        async with service:
            return await function(service)

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(anyio.run, main).result()
