"""The same names without `await`: a service on a port or in process, for programs that are not async.

    with AuthService("http://localhost:3001") as service:
        anna = sign_in(service, "persona.anna@mana.test")

Each function and method does what its namesake does, and waits for it. One thread works for each service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from personas.catalog.reading import Catalog, Persona, load_catalog
from personas.passwords import derive_password
from personas.reconcile import apply as _apply
from personas.reconcile import survey as _survey
from personas.reconcile.live import Live
from personas.reconcile.outcome import Applied, Outcome
from personas.reconcile.plan import Plan, plan
from personas.secret import Secret
from personas.service import endpoints as _service
from personas.service.credentials import Credentials
from personas.service.lookup import Found
from personas.service.models import LiveDetail, LivePersona, LoginCheck
from personas.service.signing import Session
from personas.service.transport import Observer, Patience
from personas.sessions import signed_in as _sessions
from personas.sessions.signed_in import SignedIn
from personas.settings import DEFAULT_CONCURRENCY, DEFAULT_ENDPOINT, DEFAULT_TIMEOUT, Address

__all__ = [
    "AuthService",
    "apply",
    "derive_password",
    "load_catalog",
    "plan",
    "resume",
    "sign_in",
    "survey",
]

T = TypeVar("T")


class AuthService:
    """`personas.AuthService` without `await`; use it as a context manager.

    Args:
        address: Where the service is: a URL, or an Address.
        credentials: What opens the admin endpoints; not needed to sign in as a persona.
        endpoint: The path of the persona endpoints.
        timeout: Seconds for one attempt of a call.
        concurrency: How many calls at once, at the most.
        app: An ASGI application to call in process; `address` is then only its name.
        patience: How long a call is tried again.
        observe: Told of each attempt of a call, in the service's thread.
    """

    def __init__(
        self,
        address: str | Address,
        credentials: Credentials | None = None,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        timeout: float = DEFAULT_TIMEOUT,
        concurrency: int = DEFAULT_CONCURRENCY,
        app: Any = None,
        patience: Patience | None = None,
        observe: Observer | None = None,
    ) -> None:
        self._options: dict[str, Any] = {
            "endpoint": endpoint,
            "timeout": timeout,
            "concurrency": concurrency,
            "app": app,
            "patience": patience,
            "observe": observe,
        }
        self._given = (address, credentials)
        self._resources = ExitStack()
        self._portal: BlockingPortal | None = None
        self._service: _service.AuthService | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            self._service = self._portal.call(self._open)
            stack.enter_context(self._portal.wrap_async_context_manager(self._service))
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal = self._service = None
        self._resources.__exit__(kind, error, trace)

    async def _open(self) -> _service.AuthService:
        # In the thread of the portal: what it makes belongs to that thread's event loop.
        return _service.AuthService(*self._given, **self._options)

    def wait_for(self, work: Callable[[_service.AuthService], Awaitable[T]]) -> T:
        """Have the service's thread do something with the service that is behind this one, and wait for it.

        Raises:
            RuntimeError: The service is not open.
        """
        portal, service = self._portal, self._service
        if portal is None or service is None:
            raise RuntimeError("the service is not open: use it in a with statement")
        return portal.call(work, service)

    @property
    def address(self) -> Address:
        """Where the service is."""
        return self.wait_for(_address_of)

    def list_personas(self) -> tuple[LivePersona, ...]:
        """Every live persona, in the service's order; without prompts and weights."""
        return self.wait_for(lambda service: service.list_personas())

    def get_persona(self, user_id: str, *, who: str = "") -> LiveDetail:
        """One live persona with its prompt, weights, last actions and feedback.

        Raises:
            NotFound: There is no persona with this id.
        """
        return self.wait_for(lambda service: service.get_persona(user_id, who=who))

    def upsert(
        self,
        *,
        email: str,
        name: str,
        password: Secret,
        archetype: str,
        system_prompt: str,
        module_mix: Mapping[str, float],
        tick_cadence: str,
    ) -> str:
        """Create a persona, or update all of it but name and password; returns the user's id."""
        return self.wait_for(
            lambda service: service.upsert(
                email=email,
                name=name,
                password=password,
                archetype=archetype,
                system_prompt=system_prompt,
                module_mix=module_mix,
                tick_cadence=tick_cadence,
            )
        )

    def delete(self, user_id: str, *, who: str = "") -> bool:
        """Hard-delete a persona; False when there was none (any more)."""
        return self.wait_for(lambda service: service.delete(user_id, who=who))

    def count_users(self, search: str) -> int | None:
        """How many users have this in their email or name; None when the service does not tell."""
        return self.wait_for(lambda service: service.count_users(search))

    def find_users(self, emails: Sequence[str], *, domain: str, known: Iterable[LivePersona] = ()) -> Found:
        """Look up which of these emails belong to a user, other than those who are known."""
        return self.wait_for(lambda service: service.find_users(emails, domain=domain, known=known))

    def check_password(self, email: str, password: Secret) -> LoginCheck:
        """Whether a password is right; at most one wrong try."""
        return self.wait_for(lambda service: service.check_password(email, password))

    def try_password(self, email: str, password: Secret) -> tuple[LoginCheck, Session | None]:
        """As `check_password`, and the session that came of it; None also where the email is not verified."""
        return self.wait_for(lambda service: service.try_password(email, password))

    def sign_in(self, email: str, password: Secret) -> Session:
        """Sign in with a password; `sign_in` of this module derives it."""
        return self.wait_for(lambda service: service.sign_in(email, password))

    def sign_out(self, session: Session) -> None:
        """End a session; one that cannot be ended runs out by itself."""
        self.wait_for(lambda service: service.sign_out(session))

    def token_of(self, session: Session) -> Secret:
        """A fresh JWT of who is signed in; it lives for minutes."""
        return self.wait_for(lambda service: service.token_of(session))

    def find_session(self, session: Session) -> Session | None:
        """A session as the service knows it now; None when it has ended."""
        return self.wait_for(lambda service: service.find_session(session))

    def admin_token(self) -> Secret:
        """The admin's JWT, fresh enough to be used."""
        return self.wait_for(lambda service: service.admin_token())


async def _address_of(service: _service.AuthService) -> Address:
    return service.address


def survey(
    service: AuthService,
    catalog: Catalog | None,
    *,
    secret: Secret | None = None,
    only: str | Collection[str] | None = None,
    check_login: bool = False,
    everybodys_spaces: bool = False,
) -> Live:
    """Read what is live, as `personas.survey` does."""
    return service.wait_for(
        lambda open_service: _survey.survey(
            open_service,
            catalog,
            secret=secret,
            only=only,
            check_login=check_login,
            everybodys_spaces=everybodys_spaces,
        )
    )


def _silent(outcome: Outcome) -> None:
    del outcome


def apply(
    plan: Plan,
    service: AuthService,
    secret: Secret,
    *,
    workers: int = DEFAULT_CONCURRENCY,
    observe: Callable[[Outcome], None] = _silent,
) -> Applied:
    """Carry out every step of a plan, as `personas.apply` does."""
    return service.wait_for(
        lambda open_service: _apply.apply(plan, open_service, secret, workers=workers, observe=observe)
    )


def sign_in(service: AuthService, persona: Persona | str, secret: Secret | str | None = None) -> SignedIn:
    """Sign in as a persona, as `personas.sign_in` does."""
    return service.wait_for(lambda open_service: _sessions.sign_in(open_service, persona, secret))


def resume(service: AuthService, session: Session) -> SignedIn | None:
    """Take up a session of before, as `personas.resume` does."""
    return service.wait_for(lambda open_service: _sessions.resume(open_service, session))
