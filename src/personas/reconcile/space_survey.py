"""Read the shared spaces: signed in as those who own them, for the service tells members only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from personas.errors import BadAnswer, RateLimited, Unanswered, Unavailable
from personas.reconcile.live import NO_SPACES, WRONG_PASSWORD, Live, Owner, Ownership
from personas.reconcile.owners import Passwords
from personas.service.endpoints import AuthService
from personas.service.models import LiveSpace, Login, LoginCheck
from personas.service.pacing import spread
from personas.service.signing import NotOffered
from personas.service.spaces import NoSuchSpace, NotAMember

if TYPE_CHECKING:
    from personas.catalog.models import Space

NO_SECRET = "they are read by signing in as personas, and there is no seed secret for that"  # noqa: S105 - a reason
# So many who cannot be asked in a row mean that the service is gone.
MOST_UNREAD = 3
# Where the catalog tells of no space that they share, so many are asked at the most: each costs a sign-in.
MOST_ASKED = 20

SignIn = Callable[[str], Awaitable[LoginCheck]]


class SpaceReading:
    """One reading of spaces.

    Args:
        service: Where to read.
        passwords: What signs personas in; it keeps their sessions.
        sign_in: Signs a live persona in, and takes note of what comes of it.
        wanted: The catalog's spaces that are meant.
        present: The live personas who may be signed in, by email in lower case.
        workers: How many at a time.
        observe: Told how much has been read.
    """

    def __init__(
        self,
        service: AuthService,
        passwords: Passwords,
        sign_in: SignIn,
        wanted: Sequence[Space],
        present: Collection[str],
        *,
        workers: int,
        observe: Callable[[str, int, int], None],
    ) -> None:
        self._service = service
        self._passwords = passwords
        self._sign_in = sign_in
        self._wanted = {space.slug: space for space in wanted}
        self._present = present
        self._workers = workers
        self._observe = observe
        self._no_spaces = ""
        self._asked: dict[str, str] = {}
        self._readers: dict[str, list[str]] = {}  # by id
        self._read: dict[str, LiveSpace] = {}  # by id
        self._unread: dict[str, str] = {}  # by slug
        self._slugs: dict[str, Owner] = {}
        self._in_a_row = 0

    def owners(self) -> list[str]:
        """The owners of the catalog's spaces who live."""
        return list(dict.fromkeys(s.owner for s in self._wanted.values() if s.owner in self._present))

    def join(self, live: Live) -> Live:
        """What was read before, with the spaces."""
        return replace(
            live,
            spaces=tuple(sorted(self._read.values(), key=lambda space: (space.slug, space.space_id))),
            unread_spaces=self._unread,
            unread_by={
                space.slug: tuple(sorted(self._readers[space_id]))
                for space_id, space in self._read.items()
                if space.slug in self._unread
            },
            slugs=self._slugs,
            spaces_of=self._asked,
            no_spaces=self._no_spaces or live.no_spaces,
        )

    async def read(self, readers: Sequence[str]) -> None:
        """Ask these for their spaces, and whose the slugs of the catalog are that none of them has.

        Raises:
            ServiceError: Nobody answers any more.
        """
        if not self._passwords.known:
            self._no_spaces = NO_SECRET
            return
        await spread(readers, self._ask, workers=self._workers, go_on=self._goes_on)
        if self._goes_on():
            await spread(self._missing(), self._look_for, workers=self._workers, go_on=self._goes_on)
        if self._no_spaces:
            self._asked.clear()

    def _goes_on(self) -> bool:
        return not self._no_spaces

    async def _ask(self, email: str) -> None:
        """Ask one persona for the spaces it is a member of."""
        check = await self._sign_in(email)
        if check.verdict is not Login.WORKS:
            self._asked[email] = check.reason or WRONG_PASSWORD
            return
        try:
            listed = await self._service.spaces.list(await self._passwords.session(email))
        except NotOffered:
            self._no_spaces = NO_SPACES
            return
        except (BadAnswer, Unanswered) as error:
            self._count(error)
            self._asked[email] = error.message
            return
        self._in_a_row = 0
        self._asked[email] = ""
        shared = [space for space in listed if not space.is_personal]
        new = [space for space in shared if space.space_id not in self._readers]
        for space in shared:
            self._readers.setdefault(space.space_id, []).append(email)
        for space in new:
            await self._read_one(space)

    async def _read_one(self, space: LiveSpace) -> None:
        """Read a space that was listed."""
        try:
            whole = await self._get(space)
        except (BadAnswer, Unanswered) as error:
            self._count(error)
            self._unread[space.slug] = error.message
            self._read[space.space_id] = space
        else:
            self._in_a_row = 0
            if whole is not None:
                self._read[space.space_id] = whole
        self._observe("reading spaces", len(self._read), len(self._readers))

    async def _get(self, space: LiveSpace) -> LiveSpace | None:
        """One space as one of its members is told; None when it is gone."""
        for reader in self._readers[space.space_id]:
            try:
                session = await self._passwords.session(reader)
                return await self._service.spaces.get(session, slug=space.slug, space_id=space.space_id)
            except NoSuchSpace:
                return None
            except NotAMember:
                continue  # no longer
        return None

    def _missing(self) -> list[Space]:
        found = {space.slug for space in self._read.values()}
        return [space for slug, space in self._wanted.items() if slug not in found]

    async def _look_for(self, space: Space) -> None:
        """Find out whose a slug of the catalog is; nothing is told of it when nobody could be asked."""
        if reason := self._asked.get(space.owner, ""):
            self._slugs[space.slug] = Owner(
                Ownership.NOT_KNOWN, f"the spaces of {space.owner} are not known: {reason}"
            )
            return
        members = [member.email for member in space.members if member.email in self._present]
        signed_in = [email for email, reason in self._asked.items() if not reason]
        asker = next(iter([email for email in (space.owner, *signed_in) if email in self._asked]), None)
        if asker is None:
            if not members:
                return
            asker = members[0]
        try:
            session = await self._passwords.session(asker)
            whole = await self._service.spaces.get(session, slug=space.slug)
        except NoSuchSpace:
            self._slugs[space.slug] = Owner(Ownership.FREE)
        except NotAMember:
            await self._find_holder(space, members)
        except NotOffered:
            self._no_spaces = NO_SPACES
        except (BadAnswer, Unanswered) as error:
            self._count(error)
            self._slugs[space.slug] = Owner(Ownership.NOT_KNOWN, error.message)
        else:
            self._read[whole.space_id] = whole

    async def _find_holder(self, space: Space, members: Sequence[str]) -> None:
        """A slug is taken: look whether the space is ours all the same, for its owner may be another."""
        others = [email for email in dict.fromkeys((*members, *self._present)) if email not in self._asked]
        for email in others[:MOST_ASKED]:
            self._passwords.keep.add(email)
            await self._ask(email)
            if any(found.slug == space.slug for found in self._read.values()):
                return
        reason = "a space of somebody else has this slug"
        if len(others) > MOST_ASKED:
            reason += f"; it is in none of {MOST_ASKED} personas' spaces, and --prune looks at everybody's"
        self._slugs[space.slug] = Owner(Ownership.FOREIGN, reason)

    def _count(self, error: BadAnswer | Unanswered) -> None:
        self._in_a_row += isinstance(error, Unanswered | Unavailable | RateLimited)
        if self._in_a_row < MOST_UNREAD:
            return
        if self._wanted:
            raise error
        self._no_spaces = error.message
