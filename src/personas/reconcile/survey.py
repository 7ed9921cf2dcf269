"""Read from a service all that a plan needs, and find out whose the accounts behind catalog emails are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from personas.catalog.reading import Catalog, Persona
from personas.errors import BadAnswer, RateLimited, Unanswered, Unavailable
from personas.passwords import derive_password
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.plan import PERSONA_DOMAIN, Patterns, matches_any
from personas.secret import Secret
from personas.service.endpoints import AuthService, NotFound
from personas.service.models import FoundUser, LivePersona, Login, LoginCheck
from personas.service.pacing import spread
from personas.service.signing import NotOffered

NO_LOOK_UP = (
    "The service offers no look-up of users: whether the emails of new personas belong to somebody already "
    "was not checked."
)
# So many personas in a row that cannot be read mean that the service is gone.
MOST_UNREAD = 3

Observer = Callable[[str, int, int], None]


def _silent(what: str, done: int, total: int) -> None:
    del what, done, total


async def survey(
    service: AuthService,
    catalog: Catalog | None,
    *,
    secret: Secret | None = None,
    only: Patterns = None,
    owners: bool = True,
    check_login: bool = False,
    whole: bool = False,
    workers: int = 8,
    observe: Observer = _silent,
) -> Live:
    """Read what is live.

    Args:
        service: Where to read.
        catalog: What it will be compared with; None reads the list alone.
        secret: The seed secret; without it, whose a found account is stays not known.
        only: Leave out what this pattern, or none of these, means.
        owners: Whether to look up who has the emails that no live persona has.
        check_login: Whether to sign in as every live persona of the catalog.
        whole: Read the details of live personas that the catalog lacks, too.
        workers: How many personas at a time.
        observe: Told what is being read, and how much of it is.

    Raises:
        ServiceError: The service is unreachable, or refused the credentials; nothing was written.
    """
    reading = _Reading(service, catalog, secret, workers, observe)
    await reading.read_list()
    await reading.read_details(only, whole=whole)
    if owners:
        await reading.find_owners(only)
    if check_login:
        await reading.check_logins(only)
    return reading.live


class _Reading:
    def __init__(
        self,
        service: AuthService,
        catalog: Catalog | None,
        secret: Secret | None,
        workers: int,
        observe: Observer,
    ) -> None:
        self._service = service
        self._wanted = {p.email.lower(): p for p in catalog.personas} if catalog else {}
        self._secret = secret
        self._workers = workers
        self._observe = observe
        self.live = Live()

    async def read_list(self) -> None:
        self._observe("reading the list", 0, 0)
        self.live = replace(self.live, personas=await self._service.list_personas())

    async def read_details(self, only: Patterns, *, whole: bool) -> None:
        """Complete the personas that are compared; one that is gone meanwhile is left out."""
        chosen = [
            persona
            for persona in self.live.personas
            if (whole or persona.email.lower() in self._wanted)
            and _means(only, self._wanted.get(persona.email.lower()), persona)
        ]
        complete: dict[str, LivePersona | None] = {}
        unread: dict[str, str] = {}
        in_a_row = 0

        async def read(persona: LivePersona) -> None:
            nonlocal in_a_row
            try:
                detail = await self._service.get_persona(persona.user_id, who=persona.email)
                complete[persona.user_id] = _joined(persona, detail.persona)
                in_a_row = 0
            except NotFound:
                complete[persona.user_id] = None
            except (BadAnswer, Unanswered) as error:
                in_a_row += isinstance(error, Unanswered | Unavailable | RateLimited)
                if in_a_row >= MOST_UNREAD:
                    raise
                unread[persona.email.lower()] = error.message
            self._observe("reading personas", len(complete) + len(unread), len(chosen))

        await spread(chosen, read, workers=self._workers)
        personas = (complete.get(persona.user_id, persona) for persona in self.live.personas)
        self.live = replace(self.live, personas=tuple(p for p in personas if p is not None), unread=unread)

    async def find_owners(self, only: Patterns) -> None:
        """Look up who has the catalog emails that no live persona has."""
        there = {persona.email.lower() for persona in self.live.personas}
        missing = [
            email
            for email, persona in self._wanted.items()
            if email not in there and _means(only, persona, None)
        ]
        if not missing:
            return
        self._observe("looking up who has the new emails", 0, 0)
        try:
            found = await self._service.find_users(missing, domain=PERSONA_DOMAIN)
        except NotOffered:
            owner = Owner(Ownership.NOT_CHECKED, "the service offers no look-up of users")
            self.live = replace(
                self.live, owners=dict.fromkeys(missing, owner), notes=(*self.live.notes, NO_LOOK_UP)
            )
            return
        owners = dict.fromkeys(missing, Owner(Ownership.FREE))
        taken: list[str] = []
        for email, user in found.items():
            if isinstance(user, FoundUser):
                taken.append(email)
            else:
                owners[email] = Owner(Ownership.NOT_KNOWN, user.message)

        async def prove(email: str) -> None:
            owners[email] = await self._owner_of(email)

        await spread(taken, prove, workers=self._workers)
        self.live = replace(self.live, owners=owners)

    async def _owner_of(self, email: str) -> Owner:
        if self._secret is None:
            return Owner(
                Ownership.NOT_KNOWN, "a user has it, and without PERSONA_SEED_SECRET it cannot be told whose"
            )
        check = await self._check(email)
        match check.verdict:
            case Login.WORKS:
                return Owner(Ownership.OURS)
            case Login.WRONG_PASSWORD:
                return Owner(Ownership.FOREIGN)
            case Login.NOT_KNOWN:
                return Owner(Ownership.NOT_KNOWN, check.reason)

    async def check_logins(self, only: Patterns) -> None:
        """Sign in once as every live persona of the catalog."""
        chosen: Sequence[LivePersona] = [
            persona
            for persona in self.live.personas
            if persona.email.lower() in self._wanted
            and _means(only, self._wanted[persona.email.lower()], persona)
        ]
        logins: dict[str, LoginCheck] = {}

        async def check(persona: LivePersona) -> None:
            email = persona.email.lower()
            logins[email] = await self._check(self._wanted[email].email)
            self._observe("signing in", len(logins), len(chosen))

        await spread(chosen, check, workers=self._workers)
        self.live = replace(self.live, logins=logins)

    async def _check(self, email: str) -> LoginCheck:
        if self._secret is None:
            return LoginCheck(Login.NOT_KNOWN, "PERSONA_SEED_SECRET is not set")
        return await self._service.check_password(
            email, Secret(derive_password(email, self._secret.reveal()))
        )


def _means(only: Patterns, wanted: Persona | None, existing: LivePersona | None) -> bool:
    if not only:
        return True
    sides = [side for side in (wanted, existing) if side is not None]
    return matches_any([text for side in sides for text in (side.email, side.name, side.archetype)], only)


def _joined(listed: LivePersona, detailed: LivePersona) -> LivePersona:
    """The details, with what only the list tells."""
    return detailed.model_copy(
        update={
            "user_id": listed.user_id,
            "email": listed.email,
            "name": detailed.name if detailed.name is not None else listed.name,
            "actions_7d": listed.actions_7d,
        }
    )
