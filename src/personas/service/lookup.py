"""Who has an email: the look-up of users, as it works on a service whose users are signed in.

The service answers 500 as soon as a row that it would return belongs to somebody with a session. How many
users a search finds it tells all the same, on a page beyond the last. So numbers are asked for first, and
rows where users who are known do not explain a number.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from os.path import commonprefix
from typing import Any

from personas.errors import BadAnswer, CredentialsRefused, ServiceError
from personas.service.answers import read
from personas.service.models import FoundUser, LivePersona, UsersPage
from personas.service.pacing import spread
from personas.service.signing import NotOffered

USERS = "/api/v1/admin/users"
USERS_PER_PAGE = 100
MOST_PAGES = 1000
BEYOND_THE_LAST = 1_000_000
# What a shorter search finds are strangers, mostly.
SHORTEST_SEARCH = 3

Ask = Callable[[str, Mapping[str, str | int]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to which emails belong to users that were not known.

    Attributes:
        users: For each email that somebody has, the user, without an id where the service tells only that
            there is one; for each that could not be looked up, the error.
        total: How many users share the domain, known or not; None when the service does not tell.
    """

    users: Mapping[str, FoundUser | ServiceError] = field(default_factory=dict)
    total: int | None = None


def by_id(page: UsersPage) -> dict[str, FoundUser]:
    """The users of a page by their id, or by their email where they have none."""
    return {user.user_id or user.email: user for user in page.users}


class Disjointed(BadAnswer):
    """An answer in pages changed while it was read, or it never ends."""


class LookUp:
    """Looks users up.

    Args:
        ask: Sends one call: what it is for in words, and the parameters.
        workers: How many calls at once.
    """

    def __init__(self, ask: Ask, *, workers: int) -> None:
        self._ask = ask
        self._workers = workers

    async def count(self, search: str) -> int | None:
        """How many users a search finds; None when the service does not tell.

        Raises:
            NotOffered: The service has no look-up.
            ServiceError: It did not answer.
        """
        return (await self._page(f"counting the users with {search}", search, BEYOND_THE_LAST)).total

    async def find(self, emails: Sequence[str], *, domain: str, known: Iterable[LivePersona]) -> Found:
        """Look up which of these emails belong to a user that is not known.

        Args:
            emails: What to look for, in lower case.
            domain: The ending that they share.
            known: The users that are known, and have none of these emails.

        Raises:
            NotOffered: The service has no look-up.
            CredentialsRefused: The look-up is forbidden.
        """
        search = _Search(self, tuple(known), self._workers)
        expected = count_known(domain, search.known)
        try:
            total = await (self.count(domain) if expected else self._count_by_rows(domain))
        except (NotOffered, CredentialsRefused):
            raise
        except ServiceError as error:
            return Found(dict.fromkeys(emails, error))
        if total is None:
            await search.one_by_one(emails)
        elif total != expected:
            await search.narrow(emails)
        return Found(search.found, total)

    async def _count_by_rows(self, search: str) -> int | None:
        """The number, where nobody is known to be there: an empty first page says so beyond doubt."""
        try:
            first = await self._page(f"looking up {search}", search, 1)
        except NotOffered:
            raise
        except BadAnswer:
            return await self.count(search)
        return None if first.total is None else max(first.total, len(first.users))

    async def rows(self, search: str) -> dict[str, FoundUser]:
        """Everybody whom a search finds, by email in lower case; a small answer that can be read whole.

        Raises:
            Disjointed: Its pages do not fit together.
            BadAnswer: A row cannot be read.
        """
        what = f"looking up {search}"
        page = await self._page(what, search, 1)
        users = by_id(page)
        total, new = page.total, set(users)
        number = 1
        while new if total is None else len(users) < total:
            number += 1
            page = await self._page(what, search, number)
            new = by_id(page).keys() - users.keys()
            users |= by_id(page)
            shifted = total is not None and (not new or page.total is None or page.total < total)
            if shifted or number >= MOST_PAGES:
                raise Disjointed(f"{what}: the pages of the answer do not fit together")
            total = page.total
        return {user.email.lower(): user for user in users.values()}

    async def _page(self, what: str, search: str, number: int) -> UsersPage:
        params: dict[str, str | int] = {"search": search, "page": number, "limit": USERS_PER_PAGE}
        return read(UsersPage, await self._ask(what, params), what)


class _Search:
    """One search for many emails: groups without strangers are done with one number."""

    def __init__(self, look_up: LookUp, known: tuple[LivePersona, ...], workers: int) -> None:
        self.known = known
        self.found: dict[str, FoundUser | ServiceError] = {}
        self._look_up = look_up
        self._workers = workers

    async def narrow(self, emails: Sequence[str]) -> None:
        """Ask about all that begin alike, and where there is a stranger, about those that go on alike."""
        groups = [sorted(emails)]
        while groups:
            smaller: list[list[str]] = []

            async def ask(group: list[str], smaller: list[list[str]] = smaller) -> None:
                if len(group) == 1:
                    await self._one(group[0], counted=True)
                    return
                start = commonprefix(group)  # noqa: RUF071 - letter by letter is what is meant
                if not await self._is_free(group, start):
                    smaller += [
                        list(alike) for _, alike in groupby(group, lambda email: email[: len(start) + 1])
                    ]

            await spread(groups, ask, workers=self._workers)
            groups = smaller

    async def one_by_one(self, emails: Sequence[str]) -> None:
        """Read the rows of each email, where there are no numbers."""
        await spread(sorted(emails), lambda email: self._one(email, counted=False), workers=self._workers)

    async def _is_free(self, group: list[str], start: str) -> bool:
        """Whether one number tells that nobody has these emails, or that it cannot be told of any of them."""
        if len(start) < SHORTEST_SEARCH:
            return False
        try:
            return await self._look_up.count(start) == count_known(start, self.known)
        except (NotOffered, CredentialsRefused):
            raise
        except ServiceError as error:
            self.found |= dict.fromkeys(group, error)
            return True

    async def _one(self, email: str, *, counted: bool) -> None:
        try:
            somebody = counted and await self._somebody_has(email)
            if counted and not somebody:
                return
            try:
                users = await self._look_up.rows(email)
            except BadAnswer as error:
                if not somebody or isinstance(error, Disjointed):
                    raise
                # Somebody is there, and the row of somebody who is signed in cannot be read.
                self.found[email] = FoundUser(user_id="", email=email)
            else:
                if email in users:
                    self.found[email] = users[email]
        except (NotOffered, CredentialsRefused):
            raise
        except ServiceError as error:
            self.found[email] = error

    async def _somebody_has(self, email: str) -> bool:
        """Whether more users fit this email than are known to."""
        total = await self._look_up.count(email)
        if total is None:
            raise BadAnswer(f"looking up {email}: the answer does not tell how many there are")
        as_text, as_pattern = _matching(email, self.known)
        if total == 0 or total == as_text == as_pattern:
            return False
        if total == as_pattern:
            # "_" in an email stands for any letter, where a search is a pattern: then "%" changes nothing.
            return await self._look_up.count(f"%{email}") != total
        return True


def count_known(search: str, known: Iterable[LivePersona]) -> int | None:
    """How many of these users a search finds; None where it depends on how the service reads `_`."""
    as_text, as_pattern = _matching(search, known)
    return as_text if as_text == as_pattern else None


def _matching(search: str, known: Iterable[LivePersona]) -> tuple[int, int]:
    """How many of these users a search finds as a plain text, and as a pattern in which `_` is any letter."""
    texts = {user.user_id: (user.email, user.name or "") for user in known}.values()
    text = re.escape(search)
    # Letters beyond ASCII have cases on which services do not agree: too few known is the safe mistake.
    found = [
        re.compile(pattern, re.IGNORECASE | re.ASCII | re.DOTALL)
        for pattern in (text, text.replace("_", "."))
    ]
    as_text, as_pattern = (sum(any(map(one.search, both)) for both in texts) for one in found)
    return as_text, as_pattern
