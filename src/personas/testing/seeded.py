"""A service with a catalog's personas, and clients signed in as them: what the pytest fixtures hand out."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlsplit

import httpx

from personas.catalog.reading import Catalog, Persona
from personas.catalog.who import choose_from
from personas.errors import CredentialsRefused, NotInstalled, PartlyFailed, UsageError
from personas.reconcile.outcome import Result
from personas.reconcile.plan import plan
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.signing import Session
from personas.sessions.signed_in import SignedIn, choose_secret
from personas.settings import Address, parse_auth
from personas.sync import AuthService, apply, sign_in, survey

TIMEOUT = 30.0
# The database is thrown away with its tests: its hashes need not resist anybody, and seeding is quick.
QUICK_SCRYPT = 16


class PersonasService:
    """A service, and the personas of a catalog that tests can be there.

    Attributes:
        catalog: Who there is.
        url: Where a browser or another program finds the service; empty for one in process.
        base_url: What the clients resolve their paths against.
        app: The ASGI application of an embedded service in process, else None.
    """

    def __init__(self, catalog: Catalog, service: AuthService, *, secret: Secret, app: Any = None) -> None:
        self.catalog = catalog
        self.app = app
        self.url = service.address.url
        self.base_url = self.url or "http://embedded.localhost"
        self._service = service
        self._secret = secret
        self._sessions: dict[str, Session] = {}

    def persona(self, who: str | Persona | None = None, *, archetype: str | None = None) -> Persona:
        """Somebody of the catalog.

        Args:
            who: An email, its local part, or a name when unique.
            archetype: The first with this archetype; without both, the first of all.

        Raises:
            UsageError: Nobody is meant, or more than one.
        """
        if isinstance(who, Persona):
            return who
        personas = self.catalog.personas
        if who is not None:
            email = choose_from(self.catalog, who)
            return next(p for p in personas if p.email == email)
        for persona in personas:
            if archetype in {None, persona.archetype}:
                return persona
        known = ", ".join(sorted({p.archetype for p in personas}))
        raise UsageError(
            f"no persona in {self.catalog.file} has the archetype {archetype!r}", hint=f"There are: {known}"
        )

    def sign_in(self, who: str | Persona | None = None) -> SignedIn:
        """Sign in as a persona; its session is kept for the next time, its JWT is fresh.

        Raises:
            WrongPassword: The persona is not seeded there, or it is locked out.
        """
        email = self.persona(who).email
        session = self._sessions.get(email)
        if session is not None:
            try:
                return SignedIn(session, self._service.token_of(session), self.url)
            except CredentialsRefused:  # a test has signed out
                del self._sessions[email]
        signed_in = sign_in(self._service, email, self._secret)
        self._sessions[email] = signed_in.session
        return signed_in

    def client(self, who: str | Persona | None = None) -> httpx.Client:
        """A client signed in as a persona, by cookie and by JWT; close it, or use it in a with statement."""
        signed_in = self.sign_in(who)
        transport = _InProcess(self._service, self.app) if self.app is not None else None
        return httpx.Client(transport=transport, **self._options(signed_in))

    def async_client(self, who: str | Persona | None = None) -> httpx.AsyncClient:
        """The same for programs that are async; use it in an `async with` statement."""
        signed_in = self.sign_in(who)
        transport = (
            httpx.ASGITransport(self.app, raise_app_exceptions=False) if self.app is not None else None
        )
        return httpx.AsyncClient(transport=transport, **self._options(signed_in))

    def storage_state(
        self, who: str | Persona | None = None, *, base_url: str | None = None
    ) -> Mapping[str, Any]:
        """A browser's state with a persona signed in, as Playwright's `storage_state` wants it.

        Args:
            who: An email, its local part, or a name when unique.
            base_url: Where the browser will go; the service itself when left out.

        Raises:
            UsageError: The service is in process: no browser can go there.
        """
        if not (base_url or self.url):
            raise UsageError(
                "the service is in process: no browser can go there",
                hint="Let it answer on a port: pytest --personas-serve, or personas_serve = true.",
            )
        return self.sign_in(who).storage_state(base_url)

    def _options(self, signed_in: SignedIn) -> _Options:
        return {
            "base_url": self.base_url,
            "timeout": TIMEOUT,
            "trust_env": not self._service.address.loopback,
            # The service wants to be told its own origin by whoever sends a cookie.
            "headers": {"origin": self.base_url.rstrip("/")},
            "cookies": _cookies(signed_in.session, self.base_url),
            "auth": _Bearer(signed_in.token, httpx.URL(self.base_url)),
        }


class _Options(TypedDict):
    base_url: str
    timeout: float
    trust_env: bool
    headers: dict[str, str]
    cookies: httpx.Cookies
    auth: httpx.Auth


class _Bearer(httpx.Auth):
    """Sends the JWT to the service, and to nobody else whom a test may ask with the same client."""

    def __init__(self, token: Secret, base: httpx.URL) -> None:
        self._token = token
        self._base = base

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        base, url = self._base, request.url
        if (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port):
            request.headers.setdefault("authorization", f"Bearer {self._token.reveal()}")
        yield request


def _cookies(session: Session, base_url: str) -> httpx.Cookies:
    """A jar with the session cookie, for the service's host alone."""
    cookies = httpx.Cookies()
    host = urlsplit(base_url).hostname or ""
    host = f"[{host}]" if ":" in host else host
    # The standard library's jar knows a host without a dot by this name.
    domain = host if "." in host else f"{host}.local"
    cookies.set(session.cookie_name, session.cookie.reveal(), domain=domain)
    return cookies


class _InProcess(httpx.BaseTransport):
    """Calls an ASGI application from a program that is not async, in the thread of its service."""

    def __init__(self, service: AuthService, app: Any) -> None:
        self._service = service
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()

        async def send(_: object) -> tuple[int, httpx.Headers, bytes]:
            response = await self._inner.handle_async_request(request)
            stream = response.stream
            if not isinstance(stream, httpx.AsyncByteStream):
                raise TypeError(stream)
            return response.status_code, response.headers, b"".join([part async for part in stream])

        status, headers, content = self._service.wait_for(send)
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


@contextmanager
def open_embedded(catalog: Catalog, folder: Path, *, serve: bool = False) -> Iterator[PersonasService]:
    """An embedded service of its own, seeded from a catalog.

    Args:
        catalog: Whom to seed.
        folder: Where its database goes.
        serve: Answer on a free port of 127.0.0.1 too, for browsers and other programs.

    Raises:
        NotInstalled: The embedded service is not installed.
        PartlyFailed: Somebody could not be seeded.
    """
    try:
        from personas.embedded import Embedded, serving
    except ImportError as error:
        raise NotInstalled(error) from None
    database = folder / "auth.db"
    with (
        Embedded.open(database, scrypt_cost=QUICK_SCRYPT) as embedded,
        serving(embedded) if serve else nullcontext("") as url,
    ):
        address = parse_auth(url) if url else Address(url="", loopback=True, embedded=database)
        app = None if url else embedded.app
        with AuthService(address, Credentials(mint=embedded.admin_token), app=app) as service:
            secret = choose_secret(address)
            seeded = apply(plan(catalog, survey(service, catalog, secret=secret)), service, secret)
            failed = [outcome for outcome in seeded.outcomes if outcome.result is not Result.DONE]
            if failed:
                number = f"{len(failed)} of {len(seeded.outcomes)}"
                raise PartlyFailed(f"{number} personas could not be seeded: {failed[0].message}")
            yield PersonasService(catalog, service, secret=secret, app=app)


@contextmanager
def open_external(catalog: Catalog, address: Address) -> Iterator[PersonasService]:
    """A service that runs already and was seeded already; nothing is written to it.

    Args:
        catalog: Who is there.
        address: Where it is.

    Raises:
        Refused: The development secret is no secret for this service.
    """
    secret = choose_secret(address)
    with AuthService(address) as service:
        yield PersonasService(catalog, service, secret=secret)
