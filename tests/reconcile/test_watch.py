"""Somebody signs up between the look-up and the write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from fake import USERS, FakeAuth
from making import SECRET, make_catalog, make_live, make_live_persona

from personas.passwords import derive_password
from personas.reconcile.live import Live, LookedUp, Owner, Ownership
from personas.reconcile.outcome import Result
from personas.reconcile.plan import Intent, Plan, Step, plan
from personas.reconcile.stop import Stop
from personas.service.endpoints import AuthService
from personas.service.signing import SIGN_IN, SIGN_OUT

from .carrying_out import DONE, FAILED, NOT_DONE, carry_out, results

pytestmark = pytest.mark.anyio

LATER = 60.0
LONG_AGO = -1000.0
ANY = "any email"


@dataclass
class Clock:
    """The time as those who watch see it."""

    later: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.later

    def pass_time(self) -> None:
        self.later += LATER


@dataclass
class Domain:
    """A service as wrong as the original: it swallows humans, and shows no row of whoever is signed in.

    Attributes:
        client: Calls it.
        users: The name of each user, by email.
        personas: Those of them that are personas.
        passwords: What signs in.
        before: Called before such a call, of one email or of any, is answered; it may answer itself, or break
            the connection.
        after: Called when such a call is done.
    """

    client: AuthService
    users: dict[str, str] = field(default_factory=dict)
    personas: set[str] = field(default_factory=set)
    passwords: dict[str, str] = field(default_factory=dict)
    signed_in: set[str] = field(default_factory=set)
    before: dict[tuple[str, str], Callable[[], httpx.Response | None]] = field(default_factory=dict)
    after: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def add_human(self, who: str, *, signed_in: bool = True) -> None:
        self.users[of(who)], self.passwords[of(who)] = "A Human", "their-own-password"
        self.signed_in |= {of(who)} if signed_in else set()

    def add_persona(self, who: str) -> None:
        self.users[of(who)] = "Eve"
        self.personas.add(of(who))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        path, email = request.url.path, body.get("email", request.url.path.rpartition("id-")[2])
        what = {USERS: "look-up", SIGN_IN: "sign-in", SIGN_OUT: "sign-out"}.get(path, request.method)
        self.log.append(what)
        before = self.before.get((what, email)) or self.before.get((what, ANY))
        if before is not None and (answer := before()) is not None:
            return answer
        answer = self.answer(what, email, body, request)
        if after := self.after.get((what, email)):
            after()
        return answer

    def answer(self, what: str, email: str, body: dict[str, str], request: httpx.Request) -> httpx.Response:
        match what:
            case "look-up":
                return self.look_up(request.url.params)
            case "sign-in":
                if self.passwords.get(email) == body["password"]:
                    return httpx.Response(403, json={"code": "EMAIL_NOT_VERIFIED"})
                return httpx.Response(401, json={"code": "INVALID_EMAIL_OR_PASSWORD"})
            case "POST":
                self.users.setdefault(email, body["name"])
                self.passwords.setdefault(email, body["password"])
                self.personas.add(email)
                return httpx.Response(200, json={"ok": True, "userId": f"id-{email}", "email": email})
            case "DELETE":
                self.users.pop(email, None)
                self.passwords.pop(email, None)
                self.personas.discard(email)
                return httpx.Response(200, json={"ok": True})
        listed = [{"userId": f"id-{e}", "email": e, "name": self.users[e]} for e in sorted(self.personas)]
        return httpx.Response(200, json={"personas": listed})

    def look_up(self, params: httpx.QueryParams) -> httpx.Response:
        found = [email for email in self.users if params["search"] in email]
        shown = [] if int(params["page"]) > 1 else found
        if self.signed_in & set(shown):
            return httpx.Response(500)
        users = [{"id": f"id-{email}", "email": email} for email in shown]
        return httpx.Response(200, json={"users": users, "total": len(found)})

    def count(self, what: str) -> int:
        return self.log.count(what)


def of(who: str) -> str:
    return f"persona.{who}@mana.test"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("personas.reconcile.watch.time", made)
    monkeypatch.setattr("personas.reconcile.owners.time", made)
    return made


@pytest.fixture
def domain(auth: FakeAuth) -> Domain:
    made = Domain(auth.client)
    auth.route().mock(side_effect=made)
    return made


def creation(*who: str, at: float | None = None, total: int | None = 0, known: bool = True) -> Plan:
    """The plan to create these, after a look-up of just now, or of another moment."""
    looked_up = LookedUp(time.monotonic() if at is None else at, total) if known else None
    owners = {of(w): Owner(Ownership.FREE) for w in who}
    return plan(make_catalog(*who), Live(owners=owners, looked_up=looked_up))


def answering(status: int, wait: str = "0") -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, headers={"Retry-After": wait})


def many(number: int) -> list[str]:
    return [f"p{n:03}" for n in range(number)]


@pytest.mark.parametrize(
    ("at", "delayed", "look_ups"),
    [(None, [], 0), (LONG_AGO, [], 1), (None, ["p010", "p030"], 2)],
    ids=["a fresh look-up", "an old one", "one that becomes old twice"],
)
async def test_one_number_serves_all_writes_of_some_seconds(
    domain: Domain, clock: Clock, at: float | None, delayed: list[str], look_ups: int
) -> None:
    for who in delayed:
        domain.before["POST", of(who)] = clock.pass_time
    assert results(await carry_out(creation(*many(50), at=at), domain.client)) == [DONE] * 50
    assert (domain.count("look-up"), domain.count("GET"), domain.count("POST")) == (look_ups, 1, 50)


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("workers", [1, 8])
async def test_a_human_who_signs_up_meanwhile_is_not_sent_and_all_others_are_created(
    domain: Domain, clock: Clock, signed_in: bool, workers: int
) -> None:
    def sign_up() -> None:
        domain.add_human("p040", signed_in=signed_in)
        clock.pass_time()

    domain.before["POST", of("p010")] = sign_up
    applied = await carry_out(creation(*many(50)), domain.client, workers=workers)
    assert results(applied) == [DONE] * 40 + [FAILED] + [DONE] * 9
    assert applied.outcomes[40].message.startswith(
        f"{of('p040')} belongs by now to somebody who is not one of ours; nothing was sent for it"
    )
    assert of("p040") not in domain.personas
    assert domain.count("sign-in") == 1
    # One number that differs, the list, and who it is; not each of those that are left.
    assert domain.count("look-up") < 20
    assert domain.client.safety_requests == domain.client.requests - domain.count("POST")


async def test_somebody_else_who_signs_up_meanwhile_is_in_nobodys_way(domain: Domain, clock: Clock) -> None:
    def sign_up() -> None:
        domain.users["a.human@mana.test"] = "A Human"
        domain.signed_in.add("a.human@mana.test")
        clock.pass_time()

    domain.before["POST", of("p010")] = sign_up
    assert results(await carry_out(creation(*many(50)), domain.client, workers=1)) == [DONE] * 50
    assert domain.count("look-up") == 3


async def test_a_persona_of_ours_that_is_half_created_meanwhile_is_healed(domain: Domain) -> None:
    domain.users[of("bo")], domain.passwords[of("bo")] = "Bo", derive_password(of("bo"), SECRET)
    applied = await carry_out(creation("ada", "bo", at=LONG_AGO), domain.client)
    assert results(applied) == [DONE, DONE]
    assert domain.personas == {of("ada"), of("bo")}


@pytest.mark.parametrize(
    "made", [creation("ada", "bo", known=False), creation("ada", "bo", at=LONG_AGO, total=None)]
)
async def test_without_a_look_up_to_rely_on_it_is_made_before_the_first_write(
    domain: Domain, made: Plan
) -> None:
    domain.add_human("bo")
    applied = await carry_out(made, domain.client)
    assert results(applied) == [DONE, FAILED]
    assert domain.personas == {of("ada")}


async def test_what_is_still_not_known_is_not_written_and_told_with_its_reason(domain: Domain) -> None:
    domain.add_human("bo")
    domain.before["sign-in", ANY] = answering(429, "1800")
    applied = await carry_out(creation("ada", "bo", at=LONG_AGO), domain.client)
    assert results(applied) == [DONE, FAILED]
    assert f"whose {of('bo')} is by now, is not known; nothing was sent" in applied.outcomes[1].message
    assert "asks to wait 1800 s" in applied.outcomes[1].message


@pytest.mark.parametrize(("status", "result"), [(401, NOT_DONE), (403, NOT_DONE), (500, FAILED)])
async def test_a_look_up_that_fails_by_now_writes_nothing_and_one_that_is_forbidden_ends_the_run(
    domain: Domain, status: int, result: Result
) -> None:
    domain.before["look-up", ANY] = answering(status)
    applied = await carry_out(creation("ada", "bo", at=LONG_AGO), domain.client)
    assert results(applied) == [result] * 2
    assert (applied.error is not None) is (result is NOT_DONE)
    assert domain.count("POST") == 0


async def test_a_pause_that_the_service_asks_for_makes_the_look_up_old(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.reconcile.watch.FRESH_SECONDS", 0.2)

    def pause() -> httpx.Response:
        # While everybody waits, somebody comes.
        domain.add_human("bo")
        del domain.before["POST", of("ada")]
        return httpx.Response(429, headers={"Retry-After": "0.3"})

    domain.before["POST", of("ada")] = pause
    applied = await carry_out(creation("ada", "bo", "cy", at=time.monotonic()), domain.client, workers=1)
    assert results(applied) == [DONE, FAILED, DONE]
    assert domain.personas == {of("ada"), of("cy")}


async def test_a_service_that_only_ever_asks_to_wait_ends_the_run(domain: Domain, clock: Clock) -> None:
    # A write that is begun in time meets a limit, and then it is too late; so it goes for ever.
    def limit() -> httpx.Response:
        clock.pass_time()
        return httpx.Response(429, headers={"retry-after": "0"})

    domain.before["POST", ANY] = limit
    applied = await carry_out(creation(*many(20), at=LONG_AGO), domain.client)
    assert set(results(applied)) == {FAILED, NOT_DONE}
    assert applied.error is not None
    assert "asks for fewer calls" in applied.error.message
    assert domain.personas == set()


@pytest.mark.parametrize("lost", [500, httpx.ReadError("x"), 400])
async def test_a_write_of_which_nobody_knows_what_it_did_is_not_counted_on(
    domain: Domain, clock: Clock, lost: int | Exception
) -> None:
    def lose() -> httpx.Response:
        domain.add_human("p017")
        clock.pass_time()
        if isinstance(lost, Exception):
            raise lost
        return httpx.Response(lost)

    domain.before["POST", of("p003")] = lose
    applied = await carry_out(creation(*many(20)), domain.client, workers=4)
    assert of("p017") not in domain.personas
    assert sum(result is DONE for result in results(applied)) == 18


async def test_recreating_and_deleting_are_part_of_the_number(domain: Domain, clock: Clock) -> None:
    renamed, strays = many(10), [f"stray{n}" for n in range(5)]
    for who in (*renamed, *strays):
        domain.add_persona(who)

    for who in renamed:
        domain.before["DELETE", of(who)] = clock.pass_time
    eves = (make_live_persona(who, name="Eve") for who in (*renamed, *strays))
    live = make_live(*eves, looked_up=LookedUp(time.monotonic(), 15))
    made = plan(make_catalog(*renamed), live, Intent(recreate=True, prune=True))
    applied = await carry_out(made, domain.client, workers=4)
    assert {(outcome.result, outcome.message) for outcome in applied.outcomes} == {(DONE, "")}
    assert domain.personas == {of(who) for who in renamed}
    # Only the number is asked again: it is always what it should be, and the list is read at the end alone.
    assert domain.count("GET") == 1
    assert domain.count("look-up") >= 2


async def test_a_human_who_takes_the_email_of_a_persona_that_was_just_deleted_is_not_taken(
    domain: Domain, clock: Clock
) -> None:
    domain.add_persona("ada")
    live = make_live(make_live_persona("ada", name="Eve"), looked_up=LookedUp(time.monotonic(), 1))
    made = plan(make_catalog("ada"), live, Intent(recreate=True))

    def sign_up() -> None:
        domain.add_human("ada")
        clock.pass_time()

    domain.after["DELETE", of("ada")] = sign_up
    applied = await carry_out(made, domain.client)
    assert results(applied) == [FAILED]
    assert "deleted, but not known to be created again" in applied.outcomes[0].message
    assert domain.personas == set()


async def test_an_interrupt_while_the_number_is_asked_leaves_nothing_told_as_sent(auth: FakeAuth) -> None:
    stop = Stop()

    async def answer(_: httpx.Request) -> None:
        stop.ask()
        stop.ask()
        await anyio.sleep_forever()

    auth.route().mock(side_effect=answer)
    applied = await carry_out(creation(*many(10), at=LONG_AGO), auth.client, stop=stop)
    assert results(applied) == [NOT_DONE] * 10
    assert applied.interrupted


async def test_an_interrupt_begins_nothing_anew_that_was_held_back(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.reconcile.watch.FRESH_SECONDS", 0.05)
    stop = Stop()

    def interrupt() -> httpx.Response:
        stop.ask()
        return httpx.Response(429, headers={"Retry-After": "0.1"})

    domain.before["POST", ANY] = interrupt
    applied = await carry_out(creation("ada", "bo"), domain.client, workers=1, stop=stop)
    assert results(applied) == [FAILED, NOT_DONE]
    assert domain.count("POST") == 1


async def test_a_plan_that_creates_nobody_watches_nothing(domain: Domain) -> None:
    domain.add_persona("ada")
    domain.add_persona("eve")
    made = plan(make_catalog("ada"), make_live("ada", "eve"), Intent("cleanup"))
    applied = await carry_out(made, domain.client)
    assert [(o.change.step, o.result) for o in applied.outcomes] == [(Step.DELETE, DONE)] * 2
    assert domain.log == ["DELETE"] * 2
