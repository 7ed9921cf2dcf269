"""Whose the accounts behind catalog emails are, where no live persona has them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import anyio

from personas.errors import BadAnswer, ServiceError
from personas.passwords import derive_password
from personas.reconcile.changes import PERSONA_DOMAIN
from personas.reconcile.live import WRONG_PASSWORD, LookedUp, Owner, Ownership
from personas.secret import Secret
from personas.service.endpoints import AuthService
from personas.service.models import LivePersona, Login, LoginCheck
from personas.service.pacing import spread
from personas.service.signing import NotOffered, Session

SIGN_OUTS_AT_ONCE = 8
# So long may the end of a run wait for its sessions to be ended; what is left runs out by itself.
SIGN_OUT_SECONDS = 5.0


class Passwords:
    """Tries derived passwords, each at most once: a wrong try counts towards a lock.

    Use it as an async context manager: the sessions that it keeps are ended with it, one for each persona.

    Args:
        service: Where to sign in.
        secret: What passwords are derived from; without it none is tried.

    Attributes:
        known: Whether there is a secret.
        keep: Whose sessions are kept when their passwords are tried, by email, for they will be needed.
    """

    def __init__(self, service: AuthService, secret: Secret | None) -> None:
        self.known = secret is not None
        self.keep: set[str] = set()
        self._service = service
        self._secret = secret
        self._checks: dict[str, LoginCheck] = {}
        self._sessions: dict[str, Session] = {}
        self._turns: dict[str, anyio.Lock] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.sign_out()

    async def sign_out(self) -> None:
        """End the sessions that were kept."""
        sessions, self._sessions = tuple(self._sessions.values()), {}
        with anyio.CancelScope(shield=True), anyio.move_on_after(SIGN_OUT_SECONDS):
            await spread(sessions, self._service.sign_out, workers=SIGN_OUTS_AT_ONCE)

    async def check(self, email: str) -> LoginCheck:
        """Whether the derived password of this email signs in; no session is left behind but for `keep`."""
        if self._secret is None:
            return LoginCheck(Login.NOT_KNOWN, "PERSONA_SEED_SECRET is not set")
        async with self._turns.setdefault(email, anyio.Lock()):
            if email not in self._checks:
                self._checks[email] = await self._try(email, self._secret)
            return self._checks[email]

    async def session(self, email: str) -> Session:
        """Somebody signed in, once for all who ask.

        Raises:
            BadAnswer: The derived password does not sign in, or whether it does is not known.
            Unreachable: The service is gone.
        """
        self.keep.add(email)
        check = await self.check(email)
        async with self._turns.setdefault(email, anyio.Lock()):
            if check.verdict is Login.WORKS and email not in self._sessions and self._secret is not None:
                check = self._checks[email] = await self._try(email, self._secret)
            if (session := self._sessions.get(email)) is not None:
                return session
        match check.verdict:
            case Login.WORKS:
                reason = "the email is not verified"
            case Login.WRONG_PASSWORD:
                reason = WRONG_PASSWORD
            case Login.NOT_KNOWN:
                reason = check.reason
        raise BadAnswer(f"{email} cannot be signed in: {reason}")

    def forget(self, email: str) -> None:
        """Forget what is known of an account that has been deleted; its session ended with it."""
        self._checks.pop(email, None)
        self._sessions.pop(email, None)

    async def _try(self, email: str, secret: Secret) -> LoginCheck:
        password = Secret(derive_password(email, secret.reveal()))
        if email not in self.keep:
            return await self._service.check_password(email, password)
        check, session = await self._service.try_password(email, password)
        if session is not None:
            self._sessions[email] = session
        return check


async def find_owners(
    service: AuthService,
    passwords: Passwords,
    emails: Sequence[str],
    known: Sequence[LivePersona],
    *,
    workers: int,
) -> tuple[Mapping[str, Owner], LookedUp]:
    """Find out whose these emails are.

    Args:
        service: Where to ask.
        passwords: What proves that an account is ours.
        emails: Catalog emails, in lower case, that no live persona has.
        known: The live personas.
        workers: How many personas at a time.

    Raises:
        ServiceError: The look-up is forbidden, or nobody answers any more.
    """
    asked = time.monotonic()
    try:
        found = await service.find_users(emails, domain=PERSONA_DOMAIN, known=known)
    except NotOffered:
        owner = Owner(Ownership.NOT_CHECKED, "the service offers no look-up of users")
        return dict.fromkeys(emails, owner), LookedUp(asked)
    owners = dict.fromkeys(emails, Owner(Ownership.FREE))

    async def prove(email: str) -> None:
        user = found.users[email]
        if isinstance(user, ServiceError):
            owners[email] = Owner(Ownership.NOT_KNOWN, user.message)
        else:
            owners[email] = await _owner_of(email, passwords, seen=bool(user.user_id))

    await spread(found.users, prove, workers=workers)
    return owners, LookedUp(asked, found.total)


async def _owner_of(email: str, passwords: Passwords, *, seen: bool) -> Owner:
    if not passwords.known:
        return Owner(
            Ownership.NOT_KNOWN, "a user has it, and without PERSONA_SEED_SECRET it cannot be told whose"
        )
    check = await passwords.check(email)
    match check.verdict:
        case Login.WORKS:
            return Owner(Ownership.OURS)
        case Login.WRONG_PASSWORD:
            # Of somebody who is signed in, the service does not show the row.
            return Owner(Ownership.FOREIGN, "" if seen else _UNSEEN)
        case Login.NOT_KNOWN:
            return Owner(Ownership.NOT_KNOWN, check.reason)


_UNSEEN = "somebody who is not one of ours has this email, or one that it is a part of"
