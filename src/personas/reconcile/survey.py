"""Read from a service all that a plan needs, and find out whose the accounts behind catalog emails are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from personas.catalog.reading import Catalog, Persona
from personas.errors import BadAnswer, RateLimited, Unanswered, Unavailable
from personas.reconcile.changes import PERSONA_DOMAIN, people_of
from personas.reconcile.live import Live, Ownership
from personas.reconcile.only import Patterns, matches_any, means_space
from personas.reconcile.owners import Passwords, find_owners
from personas.reconcile.space_survey import MOST_ASKED, SpaceReading
from personas.secret import Secret
from personas.service.endpoints import AuthService, NotFound
from personas.service.models import LivePersona, Login, LoginCheck
from personas.service.pacing import spread

if TYPE_CHECKING:
    from personas.catalog.models import Space

NO_LOOK_UP = (
    "The service offers no look-up of users: whether the emails of new personas belong to somebody already "
    "was not checked."
)
LIST_ALONE = "The list alone was read: prompts and weights were not compared."
TOO_MANY = f"for a catalog without spaces no more than {MOST_ASKED} personas are asked"
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
    details: bool = True,
    check_secret: bool = True,
    check_login: bool = False,
    deleting: bool = True,
    whole: bool = False,
    spaces: bool = True,
    everybodys_spaces: bool = False,
    passwords: Passwords | None = None,
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
        details: Whether to read prompts and weights; else of those alone whose name the list does not tell.
        check_secret: Whether to sign in as one live persona of the catalog, and as a second one when the
            first password is wrong: `Live.secret_differs` tells what came of it.
        check_login: Whether to sign in as every live persona of the catalog.
        deleting: Whether the plan may delete: then whoever has another name than in the catalog is signed in,
            for it may be somebody else's account.
        whole: Read the details of live personas that the catalog lacks, too.
        spaces: Whether to sign in as the owners of the catalog's spaces and read what they share. Nobody is
            asked for a catalog without spaces.
        everybodys_spaces: Ask all live personas of the domain, not the owners alone: whoever is deleted
            leaves behind what nobody has looked at. For a catalog without spaces no more than `MOST_ASKED`
            are asked; where there are more, those alone whom it lacks or has under another name.
        passwords: What signs personas in, and keeps their sessions for the rest of the run; they are ended
            with this reading when it is left out.
        workers: How many personas at a time.
        observe: Told what is being read, and how much of it is.

    Raises:
        ServiceError: The service is unreachable, or refused the credentials; nothing was written.
    """
    async with AsyncExitStack() as stack:
        if passwords is None:
            passwords = await stack.enter_async_context(Passwords(service, secret))
        reading = _Reading(service, catalog, passwords, only, workers=workers, observe=observe)
        await reading.read_list()
        together: list[Callable[[], Awaitable[None]]] = [
            lambda: reading.read_details(whole=whole) if details else reading.read_names()
        ]
        wanted = catalog.spaces if catalog else ()
        if spaces and (wanted or everybodys_spaces):
            space_reading, readers = reading.choose_readers(wanted, everybody=everybodys_spaces)
            together.append(lambda: reading.read_spaces(space_reading, readers))
        if check_secret and passwords.known:
            together.append(reading.check_secret)
        await spread(together, lambda read: read(), workers=len(together))
        if deleting and passwords.known:
            await reading.check_logins(renamed=True)
        if check_login:
            await reading.check_logins()
        if owners:
            # Last of all: what was looked up does not stay true for long.
            await reading.find_owners()
        return reading.live


class _Reading:
    def __init__(
        self,
        service: AuthService,
        catalog: Catalog | None,
        passwords: Passwords,
        only: Patterns,
        *,
        workers: int,
        observe: Observer,
    ) -> None:
        self._service = service
        self._wanted = {p.email.lower(): p for p in catalog.personas} if catalog else {}
        self._only = only
        self._passwords = passwords
        self._workers = workers
        self._observe = observe
        self._logins: dict[str, LoginCheck] = {}
        self.live = Live(service=str(service.address), logins=self._logins)

    async def read_list(self) -> None:
        self._observe("reading the list", 0, 0)
        self.live = replace(self.live, personas=await self._service.list_personas())

    async def read_names(self) -> None:
        """The list alone, and the details of those whose name it does not tell: it tells whose they are."""
        self.live = replace(self.live, details=False, notes=(*self.live.notes, LIST_ALONE))
        await self._read([p for p in self._compared() if p.name is None])

    async def read_details(self, *, whole: bool) -> None:
        """Complete the personas that are compared."""
        await self._read([p for p in self.live.personas if self._means(p)] if whole else self._compared())

    async def _read(self, chosen: list[LivePersona]) -> None:
        """Complete some personas; one that is gone meanwhile is left out."""
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

    async def find_owners(self) -> None:
        """Look up who has the catalog emails that no live persona has."""
        there = {persona.email.lower() for persona in self.live.personas}
        missing = [
            email
            for email, persona in self._wanted.items()
            if email not in there and _means(self._only, persona, None)
        ]
        if not missing:
            return
        self._observe("looking up who has the new emails", 0, 0)
        owners, looked_up = await find_owners(
            self._service, self._passwords, missing, self.live.personas, workers=self._workers
        )
        not_offered = any(owner.verdict is Ownership.NOT_CHECKED for owner in owners.values())
        notes = (*self.live.notes, NO_LOOK_UP) if not_offered else self.live.notes
        self.live = replace(self.live, owners=owners, looked_up=looked_up, notes=notes)

    def choose_readers(
        self, spaces: Sequence[Space], *, everybody: bool
    ) -> tuple[SpaceReading, Sequence[str]]:
        """Who is asked for spaces; their sessions are kept from now on, whatever they are signed in for."""
        present = {p.email.lower(): p for p in self.live.personas if p.email.lower().endswith(PERSONA_DOMAIN)}
        meant = {
            email
            for email in {*self._wanted, *present}
            if _means(self._only, self._wanted.get(email), present.get(email))
        }
        wanted = [
            space
            for space in spaces
            if not self._only or means_space(space.slug, space.name, people_of(space), meant, self._only)
        ]
        reading = SpaceReading(
            self._service,
            self._passwords,
            self._sign_in,
            wanted,
            present,
            workers=self._workers,
            observe=self._observe,
        )
        others = [email for email in present if email in meant] if everybody else []
        if self._wanted and not spaces and len(others) > MOST_ASKED:
            # Nobody expects spaces, and each costs a sign-in.
            others = [e for e in others if e not in self._wanted or self._renamed(present[e])]
            self.live = replace(self.live, no_spaces=TOO_MANY)
        readers = list(dict.fromkeys((*reading.owners(), *others)))
        self._passwords.keep.update(readers)
        return reading, readers

    async def read_spaces(self, reading: SpaceReading, readers: Sequence[str]) -> None:
        """Read what these share."""
        await reading.read(readers)
        self.live = reading.join(self.live)

    async def _sign_in(self, email: str) -> LoginCheck:
        """Try the password of a live persona; what comes of it for one of the catalog is noted."""
        check = await self._passwords.check(email)
        if email in self._wanted and check.verdict is not Login.NOT_KNOWN:
            self._logins[email] = check
        return check

    async def check_secret(self) -> None:
        """Sign in as one live persona of the catalog; a wrong password is confirmed on a second one."""
        # Whoever has the name of the catalog is ours most likely.
        candidates = sorted(
            (p for p in self.live.personas if p.email.lower() in self._wanted),
            key=lambda p: (
                self._renamed(p),
                not self._means(p),
                p.email.lower() not in self._passwords.keep,
            ),
        )
        for persona in candidates[:2]:
            check = await self._try(persona)
            if check.verdict is Login.WORKS:
                return
            if check.verdict is Login.NOT_KNOWN:
                note = f"Whether the seed secret fits is not known: {check.reason}."
                self.live = replace(self.live, notes=(*self.live.notes, note))
                return

    async def check_logins(self, *, renamed: bool = False) -> None:
        """Sign in once as every live persona of the catalog, or as those alone that have another name."""
        chosen = [p for p in self._compared() if not renamed or self._renamed(p)]
        done = 0

        async def check(persona: LivePersona) -> None:
            nonlocal done
            await self._try(persona, not_known=True)
            done += 1
            self._observe("signing in", done, len(chosen))

        await spread(chosen, check, workers=self._workers)

    async def _try(self, persona: LivePersona, *, not_known: bool = False) -> LoginCheck:
        email = persona.email.lower()
        check = await self._passwords.check(self._wanted[email].email)
        if not_known or check.verdict is not Login.NOT_KNOWN:
            self._logins[email] = check
        return check

    def _compared(self) -> list[LivePersona]:
        return [p for p in self.live.personas if p.email.lower() in self._wanted and self._means(p)]

    def _means(self, persona: LivePersona) -> bool:
        return _means(self._only, self._wanted.get(persona.email.lower()), persona)

    def _renamed(self, persona: LivePersona) -> bool:
        return persona.name not in {None, self._wanted[persona.email.lower()].name}


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
