"""Who has an email: against a look-up as the contract has it, and against others that may be met."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import httpx
import pytest
from fake import USERS, FakeAuth
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_live_persona

from personas.errors import BadAnswer, CredentialsRefused, ServiceError
from personas.service.lookup import Disjointed, Found, LookUp, count_known
from personas.service.models import FoundUser, LivePersona
from personas.service.signing import NotOffered

pytestmark = pytest.mark.anyio

DOMAIN = "@mana.test"
ADA, BO = "persona.ada@mana.test", "persona.bo@mana.test"


class Users:
    """A service's look-up of users, and what else it might do.

    Args:
        emails: Its users; `signed_in` are those that have a session: their rows are answered with 500.
        names: The names of those users that have one.
        total: Whether it tells how many there are.
        search: Whether it heeds the search.
        paging: Whether it heeds the page.
        wildcards: Whether `_` and `%` are wildcards, as in the contract.
    """

    def __init__(
        self,
        *emails: str,
        signed_in: Collection[str] = (),
        names: dict[str, str] | None = None,
        total: bool = True,
        search: bool = True,
        paging: bool = True,
        wildcards: bool = True,
    ) -> None:
        names = names or {}
        self.users = [{"id": f"u{n}", "email": e, "name": names.get(e, "X")} for n, e in enumerate(emails)]
        self.signed_in = set(signed_in)
        self.total, self.search, self.paging, self.wildcards = total, search, paging, wildcards
        self.asked: list[str] = []

    def fits(self, user: dict[str, str], search: str) -> bool:
        pattern = re.escape(search)
        if self.wildcards:
            pattern = pattern.replace("%", ".*").replace("_", ".")
        return any(re.search(pattern, user[part], re.IGNORECASE) for part in ("email", "name"))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        page, limit = int(params["page"]), int(params["limit"])
        self.asked.append(params["search"] if page > 1000 else f"rows of {params['search']}")
        found = [user for user in self.users if not self.search or self.fits(user, params["search"])]
        shown = found[(page - 1) * limit : page * limit] if self.paging else found[:limit]
        if any(user["email"] in self.signed_in for user in shown):
            return httpx.Response(500, json={"statusCode": 500, "message": "Internal server error"})
        body: dict[str, Any] = {"users": shown, "page": page, "limit": limit}
        return httpx.Response(200, json=body | ({"total": len(found)} if self.total else {}))


async def look_up(users: Users, *emails: str, known: Collection[str | LivePersona] = ()) -> Found:
    personas = [
        k if isinstance(k, LivePersona) else make_live_persona("x", email=k, user_id=k) for k in known
    ]
    async with FakeAuth.open() as auth:
        auth.get(USERS).mock(side_effect=users)
        found = await auth.client.find_users(emails, domain=DOMAIN, known=personas)
        assert auth.client.safety_requests == auth.client.requests == len(users.asked)
        return found


def personas(number: int) -> list[str]:
    return [f"persona.p{n:03}@mana.test" for n in range(number)]


def humans(number: int) -> list[str]:
    return [f"human{n}@mana.test" for n in range(number)]


async def test_nothing_is_asked_about_nobody(auth: FakeAuth) -> None:
    assert await auth.client.find_users([], domain=DOMAIN) == Found()
    assert not auth.calls


# A service in use


async def test_one_number_tells_that_nobody_is_there_but_the_live_personas() -> None:
    live = personas(50)
    users = Users("admin@example.com", *live, signed_in=live[:5])
    assert await look_up(users, ADA, BO, known=live) == Found({}, 50)
    assert users.asked == [DOMAIN]


async def test_on_an_empty_service_the_first_page_tells_that_nobody_is_there() -> None:
    users = Users("admin@example.com", signed_in=["admin@example.com"])
    assert await look_up(users, *personas(200)) == Found({}, 0)
    assert users.asked == [f"rows of {DOMAIN}"]


@pytest.mark.parametrize("signed_in", [[], ["human0@mana.test"]])
async def test_people_with_other_emails_of_the_domain_cost_one_number_more(signed_in: list[str]) -> None:
    live = [f"persona.live{n}@mana.test" for n in range(9)]
    users = Users(*live, *humans(3), signed_in=[*live, *signed_in])
    assert await look_up(users, *personas(200), known=live) == Found({}, 12)
    assert users.asked == [DOMAIN, "persona.p"]


@pytest.mark.parametrize("signed_in", [False, True])
async def test_somebody_with_a_session_is_found_as_surely_as_somebody_without(signed_in: bool) -> None:
    live, wanted = [f"persona.live{n}@mana.test" for n in range(9)], personas(200)
    taken = wanted[123]
    users = Users(*live, taken, signed_in=[*live, taken] if signed_in else live)
    found = await look_up(users, *wanted, known=live)
    assert found == Found({taken: FoundUser(user_id="" if signed_in else "u9", email=taken)}, 10)
    # Of those that begin alike, the two, ten and ten that go on alike; then the row of the one.
    assert len(users.asked) == 2 + 2 + 10 + 10 + (2 if signed_in else 1)


MAIL_ME = f"Mail me: {ADA.upper()}"
NAMESAKE = make_live_persona("x", email="else@example.com", name=MAIL_ME, user_id="x")


@pytest.mark.parametrize(
    ("users", "known"),
    [
        (Users(f"x.{ADA}", "human@mana.test", signed_in=[f"x.{ADA}"]), [f"x.{ADA}"]),
        (
            Users(
                NAMESAKE.email, "human@mana.test", names={NAMESAKE.email: MAIL_ME}, signed_in=[NAMESAKE.email]
            ),
            [NAMESAKE],
        ),
        (Users(), ["persona.gone@mana.test"]),
        (Users(f"not.{ADA}", f"{ADA}.example.com"), []),
        (Users(f"not.{ADA}", f"{ADA}.example.com", total=False), []),
    ],
    ids=["a row not to be read", "a name", "gone since the list", "another email", "another, and no total"],
)
async def test_what_only_resembles_an_email_does_not_take_it(
    users: Users, known: list[str | LivePersona]
) -> None:
    assert (await look_up(users, ADA, BO, known=known)).users == {}


@pytest.mark.parametrize(("wildcards", "requests"), [(True, 3), (False, 2)])
async def test_an_underscore_means_any_letter_where_the_service_says_so(
    wildcards: bool, requests: int
) -> None:
    users = Users("persona.axb@mana.test", "human@mana.test", wildcards=wildcards)
    users.signed_in = {"persona.axb@mana.test"}
    found = await look_up(users, "persona.a_b@mana.test", known=["persona.axb@mana.test"])
    assert found.users == {}
    assert len(users.asked) == requests


async def test_where_an_underscore_means_itself_a_number_is_not_explained_by_another_letter() -> None:
    email = "persona.a_b@mana.test"
    users = Users("persona.axb@mana.test", email, "else@mana.test", wildcards=False)
    found = await look_up(users, email, known=["persona.axb@mana.test"])
    assert found.users == {email: FoundUser(user_id="u1", email=email)}


async def test_a_letter_that_only_some_services_take_for_k_is_not_counted_as_known() -> None:
    kim = make_live_persona("x", email="k@example.com", name="persona.\u212aim", user_id="k")
    assert count_known("persona.kim", [kim]) == 0
    assert count_known("PERSONA", [kim]) == 1


# Others


async def test_an_email_among_5000_users_is_found_by_asking_for_it() -> None:
    users = Users(*humans(4999), ADA)
    found = await look_up(users, ADA, BO)
    assert found == Found({ADA: FoundUser(user_id="u4999", email=ADA)}, 5000)
    assert len(users.asked) <= 5


@pytest.mark.parametrize("total", [True, False])
async def test_an_email_in_upper_case_is_found(total: bool) -> None:
    found = await look_up(Users("Persona.ADA@Mana.Test", total=total), ADA)
    assert found.users == {ADA: FoundUser(user_id="u0", email="Persona.ADA@Mana.Test")}


@pytest.mark.parametrize("search", [True, False])
@pytest.mark.parametrize("total", [True, False])
async def test_a_look_up_that_ignores_the_search_or_tells_no_total_still_finds_it(
    search: bool, total: bool
) -> None:
    users = Users("a@example.com", *humans(350), ADA, search=search, total=total)
    assert set((await look_up(users, ADA, BO)).users) == {ADA}


async def test_a_look_up_that_gives_the_same_page_for_ever_is_not_known_rather_than_free() -> None:
    users = Users(*humans(350), ADA, search=False, paging=False)
    assert isinstance((await look_up(users, ADA)).users[ADA], BadAnswer)


async def test_without_totals_a_row_that_cannot_be_read_is_not_known_and_told_with_its_call() -> None:
    users = Users(ADA, total=False, signed_in=[ADA])
    error = (await look_up(users, ADA, known=["persona.cy@mana.test"])).users[ADA]
    assert isinstance(error, BadAnswer)
    assert error.message.startswith(f"looking up {ADA}: refused with HTTP 500")


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotOffered), (405, NotOffered), (501, NotOffered), (403, CredentialsRefused)]
)
@pytest.mark.parametrize("known", [[], [make_live_persona("cy")]])
async def test_a_look_up_that_is_not_offered_or_forbidden_is_told_as_that(
    auth: FakeAuth, status: int, error: type[ServiceError], known: list[LivePersona]
) -> None:
    auth.get(USERS).respond(status)
    with pytest.raises(error):
        await auth.client.find_users([ADA], domain=DOMAIN, known=known)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"users": None}),
        httpx.Response(200, json={"users": [{"id": "u"}]}),
        httpx.Response(200, json={"users": [None]}),
        httpx.Response(200, text="<html>"),
    ],
)
@pytest.mark.parametrize("known", [[], ["persona.cy@mana.test"]])
async def test_a_look_up_that_fails_is_an_error_for_each_and_never_a_free_email(
    auth: FakeAuth, response: httpx.Response, known: list[str]
) -> None:
    auth.get(USERS).mock(return_value=response)
    live = [make_live_persona("cy", email=email) for email in known]
    found = await auth.client.find_users([ADA, BO], domain=DOMAIN, known=live)
    assert set(found.users) == {ADA, BO}
    assert all(isinstance(error, ServiceError) for error in found.users.values())


@pytest.mark.parametrize("fails", ["persona.", ADA])
async def test_a_number_that_cannot_be_had_leaves_not_known_what_hangs_on_it(
    auth: FakeAuth, fails: str
) -> None:
    users = Users("human@mana.test")

    def answer(request: httpx.Request) -> httpx.Response:
        search = request.url.params["search"]
        # A number that nobody explains makes each be asked for.
        if search == "persona." != fails:
            return httpx.Response(200, json={"users": [], "total": 7})
        return httpx.Response(500) if search == fails else users(request)

    auth.get(USERS).mock(side_effect=answer)
    found = await auth.client.find_users([ADA, BO], domain=DOMAIN)
    assert set(found.users) == ({ADA} if fails == ADA else {ADA, BO})
    assert all(isinstance(error, BadAnswer) for error in found.users.values())


@settings(max_examples=20)
@given(
    taken=st.sets(st.integers(0, 30), max_size=10),
    signed_in=st.sets(st.integers(0, 30)),
    live=st.integers(0, 20),
    others=st.integers(0, 400),
    total=st.booleans(),
    search=st.booleans(),
    paging=st.booleans(),
    wildcards=st.booleans(),
)
async def test_whatever_the_look_up_is_like_a_taken_email_is_never_missed(
    taken: set[int],
    signed_in: set[int],
    live: int,
    others: int,
    total: bool,
    search: bool,
    paging: bool,
    wildcards: bool,
) -> None:
    emails = [f"persona.p_{n}@mana.test" for n in range(31)]
    known = [f"persona.px{n}@mana.test" for n in range(live)]
    users = Users(
        *humans(others),
        *known,
        *(emails[n].title() for n in sorted(taken)),
        signed_in=[*known[: live // 2], *(emails[n].title() for n in signed_in)],
        total=total,
        search=search,
        paging=paging,
        wildcards=wildcards,
    )
    found = (await look_up(users, *emails, known=known)).users
    # Without paging and totals, nobody can know that there is more than the first page.
    if paging or total:
        assert {emails[n] for n in taken} <= set(found)
    if total and search and paging:
        # As the contract has it, nobody else is suspected but where an unread row may be anybody's.
        assert {email for email in found if not isinstance(found[email], FoundUser)} == set()


def page(first: int, number: int, total: int | None) -> dict[str, Any]:
    """One page of an answer: so many users, from the first on."""
    found = [{"id": f"u{n}", "email": f"persona.u{n}@mana.test"} for n in range(first, first + number)]
    return {"users": found} if total is None else {"users": found, "total": total}


@pytest.mark.parametrize(
    "pages",
    [
        [page(0, 100, 150), page(0, 100, 150)],  # the same again
        [page(0, 100, 150), page(100, 50, None)],  # no total any more
        [page(0, 100, 250), page(100, 100, 240)],  # somebody has gone: somebody else may have been skipped
        [page(0, 100, None), page(100, 100, None), page(200, 100, None)],  # more than anybody would read
    ],
)
async def test_pages_that_do_not_fit_together_are_no_answer_and_no_more_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, pages: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr("personas.service.lookup.MOST_PAGES", 3)
    left = iter(pages)

    async def ask(what: str, params: Mapping[str, str | int]) -> dict[str, Any]:
        del what, params
        return next(left)

    with pytest.raises(Disjointed, match="the pages of the answer do not fit together"):
        await LookUp(ask, workers=1).rows("persona")
    assert next(left, None) is None
