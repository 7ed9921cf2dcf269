"""Whose the accounts behind catalog emails are, where no live persona has them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from personas.errors import ServiceError
from personas.passwords import derive_password
from personas.reconcile.changes import PERSONA_DOMAIN
from personas.reconcile.live import LookedUp, Owner, Ownership
from personas.secret import Secret
from personas.service.endpoints import AuthService
from personas.service.models import LivePersona, Login, LoginCheck
from personas.service.pacing import spread
from personas.service.signing import NotOffered


class Passwords:
    """Tries derived passwords, each at most once: a wrong try counts towards a lock.

    Args:
        service: Where to sign in.
        secret: What passwords are derived from; without it none is tried.
    """

    def __init__(self, service: AuthService, secret: Secret | None) -> None:
        self.known = secret is not None
        self._service = service
        self._secret = secret
        self._checks: dict[str, LoginCheck] = {}

    async def check(self, email: str) -> LoginCheck:
        """Whether the derived password of this email signs in; no session is left behind."""
        if self._secret is None:
            return LoginCheck(Login.NOT_KNOWN, "PERSONA_SEED_SECRET is not set")
        if email not in self._checks:
            self._checks[email] = await self._service.check_password(
                email, Secret(derive_password(email, self._secret.reveal()))
            )
        return self._checks[email]


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
