from __future__ import annotations

import errno
import json
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from personas.errors import BadAnswer, RateLimited, TooLate, Unanswered, Unreachable
from personas.secret import MASK, Secret
from personas.service.calls import LONGEST_REASON, NOTHING, Answer, Call, Retry, reason_of
from personas.service.pacing import Gate
from personas.service.transport import LONGEST_PAUSE, MAX_ANSWER_BYTES, Line, Patience

pytestmark = pytest.mark.anyio

URL = "http://localhost:3001"
QUICK = Patience(attempts=4, first_attempts=2, wait_initial=0.001, wait_max=0.002)
ASK = Call("GET", "/thing", "asking")
ONCE = Call("POST", "/thing", "telling", body=Secret("{}"), retry=Retry.IF_UNSENT)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    opened = Line(URL, loopback=True, timeout=5, concurrency=8, patience=QUICK)
    async with opened:
        yield opened


@pytest.fixture
def thing() -> Any:
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        yield router.route(path="/thing")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the gate was told, which then do not happen."""
    told: list[float] = []
    monkeypatch.setattr(Gate, "pause", lambda _, seconds: told.append(seconds))
    return told


async def test_an_answer_is_handed_back_whatever_its_status(line: Line, thing: respx.Route) -> None:
    for status in (200, 204, 301, 400, 401, 403, 404, 500):
        thing.respond(status, json={"n": status})
        answer = await line.call(ASK)
        assert (answer.status, answer.json()) == (status, {"n": status})
    assert line.requests == 8


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("status", [429, 503])
async def test_a_service_that_stays_busy_is_told_with_its_status_and_reason(
    line: Line, thing: respx.Route, status: int
) -> None:
    thing.respond(status, json={"error": "come back later"})
    with pytest.raises(BadAnswer, match=rf"asking: .*HTTP {status}.*come back later") as caught:
        await line.call(ASK)
    assert "again later" in caught.value.hint
    assert line.requests == QUICK.attempts


async def test_a_retry_says_nothing_by_itself(
    line: Line, thing: respx.Route, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    thing.side_effect = [httpx.Response(503), httpx.Response(200)]
    await line.call(ASK)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("status", "answer", "seconds"),
    [
        (429, {"headers": {"Retry-After": "7"}}, 7.0),
        (429, {"headers": {"X-Retry-After": "9"}}, 9.0),
        (429, {"headers": {"Retry-After": "0.5"}}, 0.5),
        (429, {"headers": {"Retry-After": " 3 "}}, 3.0),
        (429, {"headers": {"Retry-After": "-4"}}, 0.0),
        (429, {"headers": {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}}, 0.0),
        (429, {"headers": {"Retry-After": "soon", "X-Retry-After": "5"}}, 5.0),
        (429, {"headers": {"Retry-After": "soon"}}, 1.0),
        (429, {"headers": {"Retry-After": "inf"}}, 1.0),
        (429, {"headers": {"Retry-After": "nan"}}, 1.0),
        (429, {"json": {"remainingSeconds": 2}}, 2.0),
        (429, {"json": {"remainingSeconds": -2}}, 0.0),
        (429, {"json": {"remainingSeconds": True}}, 1.0),
        (429, {"json": {"remainingSeconds": "2"}}, 1.0),
        (429, {"json": []}, 1.0),
        (429, {}, 1.0),
        (503, {}, QUICK.wait_initial),
        (502, {"json": {}}, QUICK.wait_initial),
        (504, {}, QUICK.wait_initial),
    ],
)
async def test_a_busy_service_is_asked_again_after_a_wait_that_is_kept_by_all(
    line: Line, thing: respx.Route, pauses: list[float], status: int, answer: dict[str, Any], seconds: float
) -> None:
    thing.side_effect = [*[httpx.Response(status, **answer)] * 2, httpx.Response(200)]
    assert (await line.call(ASK)).status == 200
    assert pauses == [seconds] * 2
    assert line.requests == 3


async def test_a_wait_can_be_a_date(line: Line, thing: respx.Route, pauses: list[float]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    thing.side_effect = [httpx.Response(429, headers={"Retry-After": date}), httpx.Response(200)]
    await line.call(ASK)
    assert 55 < pauses[0] <= 60


async def test_a_wait_beyond_patience_is_told_at_once_instead_of_slept(
    line: Line, thing: respx.Route
) -> None:
    thing.respond(429, headers={"Retry-After": str(LONGEST_PAUSE + 1)})
    with pytest.raises(BadAnswer, match="asks to wait 301 s"):
        await line.call(ASK)
    assert line.requests == 1
    assert not line.gate.paused_for


def causing(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            causing(httpx.ConnectError("x"), OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)")),
            Unreachable,
            rf"^nothing answers at {URL}: connection refused$",
        ),
        (
            causing(httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known")),
            Unreachable,
            "the host name is not known",
        ),
        (httpx.ConnectError("x"), Unreachable, "nothing answers"),
        (httpx.ConnectTimeout("x"), Unreachable, "no connection to .* within 5 s"),
        (httpx.PoolTimeout("x"), Unreachable, "no connection"),
        (
            causing(httpx.ConnectError("x"), ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED")),
            Unreachable,
            "no secure connection",
        ),
        (httpx.ReadTimeout("x"), Unanswered, "asking: no whole answer"),
        (httpx.ReadError("x"), Unanswered, "asking: the connection to .* broke"),
        (httpx.WriteError("x"), Unanswered, "broke"),
        (httpx.RemoteProtocolError("x"), Unanswered, "broke"),
        (httpx.UnsupportedProtocol("x"), Unreachable, "cannot be reached"),
        (httpx.InvalidURL("x"), Unreachable, "cannot be reached"),
        (OSError(errno.ENETUNREACH, "x"), Unanswered, "broke"),
    ],
)
async def test_what_goes_wrong_on_the_way_is_told_in_words(
    line: Line, error: Exception, kind: type[Exception], text: str
) -> None:
    cause = error.__cause__

    def fail(_: httpx.Request) -> httpx.Response:
        raise error from cause

    # Not through respx, which gives errors a cause of its own.
    line._client._transport = httpx.MockTransport(fail)
    with pytest.raises(kind, match=text) as caught:
        await line.call(ASK)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_nothing_at_the_address_names_the_way_to_try_without_a_service(
    line: Line, thing: respx.Route
) -> None:
    thing.side_effect = httpx.ConnectError("x")
    with pytest.raises(Unreachable) as caught:
        await line.call(ASK)
    assert "to try without a service: personas seed --auth embedded" in caught.value.hint
    assert line.requests == QUICK.first_attempts


def every_error_of_httpx() -> list[type[Exception]]:
    found = [e for e in vars(httpx).values() if isinstance(e, type) and issubclass(e, Exception)]
    # These two are not raised by sending: a cookie that is there twice, and a status nobody asks to raise.
    return [e for e in found if e not in {httpx.CookieConflict, httpx.HTTPStatusError}]


@pytest.mark.parametrize("error", every_error_of_httpx(), ids=lambda error: str(error.__name__))
async def test_no_error_of_the_client_comes_through(
    line: Line, thing: respx.Route, error: type[Exception]
) -> None:
    makers: list[Callable[[], Exception]] = [lambda: error("x"), error]
    for make in makers:
        try:
            thing.side_effect = make()
            break
        except TypeError:
            continue
    with pytest.raises((Unreachable, BadAnswer)):
        await line.call(ASK)


@pytest.mark.usefixtures("pauses")
async def test_what_was_not_sent_or_not_accepted_is_sent_again_always(line: Line, thing: respx.Route) -> None:
    thing.side_effect = [httpx.Response(429), httpx.ConnectError("x"), httpx.Response(200)]
    assert (await line.call(ONCE)).status == 200


@pytest.mark.parametrize(
    ("part", "told"),
    [(b" " * 1024 * 1024, "longer than 16 MiB"), (b"[],{}" * 100_000, "more than 1,000,000 values")],
    ids=["long", "many"],
)
async def test_an_answer_beyond_all_measure_is_not_read_to_its_end(
    line: Line, thing: respx.Route, part: bytes, told: str
) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += len(part)
            yield part

    thing.respond(200, content=endless())
    with pytest.raises(BadAnswer, match=told):
        await line.call(ASK)
    assert read <= MAX_ANSWER_BYTES + 2 * 1024 * 1024
    assert line.requests == 1


async def test_a_slow_drip_ends_with_the_time_for_one_call(thing: respx.Route) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await anyio.sleep(0.01)

    thing.mock(side_effect=lambda _: httpx.Response(200, content=drip()))
    async with Line(URL, loopback=True, timeout=0.1, concurrency=1, patience=QUICK) as line:
        with pytest.raises(Unanswered, match=r"within 0.1 s") as caught:
            await line.call(ASK)
    assert "--timeout" in caught.value.hint


async def test_a_call_asks_for_no_packing_names_its_own_kind_and_has_no_cookie_of_another(
    line: Line, thing: respx.Route
) -> None:
    thing.respond(200, headers={"Set-Cookie": "session=one; Path=/"})
    assert (await line.call(ASK)).cookies == ("session=one; Path=/",)
    await line.call(ONCE)
    names = ("accept-encoding", "content-type", "cookie")
    sent = [[call.request.headers.get(name) for name in names] for call in thing.calls]
    assert sent == [["identity", None, None], ["identity", "application/json", None]]


async def test_an_app_that_crashes_is_a_service_that_answers_500() -> None:
    async def app(*_: object) -> None:
        raise ZeroDivisionError

    async with Line("http://embedded.localhost", loopback=True, timeout=5, concurrency=1, app=app) as line:
        assert (await line.call(ASK)).status == 500


@pytest.mark.parametrize(
    "content", [b"", b"{", b"nonsense", b"NaN", b"Infinity", b"\xff", b"[" * 100_000, b"1" * 10_000]
)
def test_a_body_that_is_no_json_is_nothing(content: bytes) -> None:
    assert Answer(200, {}, (), content).json() is NOTHING


def answered(body: object, secrets: tuple[Secret, ...] = ()) -> Answer:
    return Answer(400, {}, (), json.dumps(body).encode(), secrets=secrets)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": "Not found"}, ": Not found"),
        ({"error": "Forbidden", "message": "Admin access required"}, ": Forbidden; Admin access required"),
        (
            {"error": "ValidationError", "details": ["email required", "name required"]},
            ": ValidationError; email required; name required",
        ),
        ({"statusCode": 500, "message": "Internal server error"}, ": Internal server error"),
        ({"error": {"message": "deep"}}, ": deep"),
        ({"error": "Refusing", "hint": "Use the other"}, ": Refusing; Use the other"),
        ({"error": " ", "message": "said elsewhere"}, ": said elsewhere"),
        ({"error": 1, "details": [1, None]}, ""),
        ({}, ""),
        ([], ""),
        ("text", ""),
    ],
)
def test_each_shape_of_error_gives_its_reason(body: object, reason: str) -> None:
    assert reason_of(answered(body)) == reason


def test_a_reason_is_cut_harmless_and_holds_no_secret() -> None:
    body = {"error": "\x1b[31m pass=hush\n" + "x" * 1000}
    reason = reason_of(answered(body), [Secret("hush"), Secret("")])
    assert "hush" not in reason
    assert "\x1b" not in reason
    assert len(reason) < 320


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_any_body_gives_a_reason_of_one_line(body: object) -> None:
    assert len(reason_of(answered({"error": body, "details": body})).splitlines()) <= 1


async def test_an_address_that_the_client_cannot_use_is_told() -> None:
    with pytest.raises(Unreachable, match="cannot be"):
        Line("http://localhost:3001\x00", loopback=True, timeout=1, concurrency=1)


def test_reasons_of_the_system_are_known_here() -> None:
    assert os.strerror(errno.ECONNREFUSED).lower() == "connection refused"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "Identity, gzip", "?"])
async def test_a_packed_answer_is_refused_before_it_is_read(
    line: Line, thing: respx.Route, encoding: str
) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    thing.respond(200, headers={"Content-Encoding": encoding}, content=unread())
    with pytest.raises(BadAnswer, match="asking: the answer is compressed, and that was not asked for"):
        await line.call(ASK)
    assert line.requests == 1


@pytest.mark.parametrize("encoding", ["identity", " Identity ", ""])
async def test_an_answer_that_says_that_it_is_not_packed_is_read(
    line: Line, thing: respx.Route, encoding: str
) -> None:
    thing.respond(200, headers={"Content-Encoding": encoding}, json={"n": 1})
    assert (await line.call(ASK)).json() == {"n": 1}


@pytest.mark.usefixtures("pauses")
async def test_each_attempt_is_told_to_an_observer_without_a_secret(thing: respx.Route) -> None:
    told: list[tuple[object, ...]] = []

    def observe(method: str, path: str, result: object, seconds: float) -> None:
        assert 0 <= seconds < 60
        told.append((method, path, result if isinstance(result, int) else type(result)))

    secret = Call(
        "POST",
        "/thing",
        "telling",
        params={"search": "@mana.test", "page": 1},
        headers={"authorization": Secret("Bearer hush")},
        body=Secret("hush"),
    )
    thing.side_effect = [httpx.Response(503), httpx.ReadError("x"), httpx.Response(200)]
    async with Line(URL, loopback=True, timeout=5, concurrency=1, patience=QUICK, observe=observe) as line:
        await line.call(secret)
    where = ("POST", "/thing?search=%40mana.test&page=1")
    assert told == [(*where, 503), (*where, Unanswered), (*where, 200)]


@pytest.mark.parametrize(
    ("date", "difference"),
    [
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(minutes=-5), timedelta(minutes=-5)),
        (timedelta(seconds=3), timedelta()),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta()),
        ("Fri, 31 Dec 9999 23:59:59 -1400", timedelta()),
        ("soon", timedelta()),
        ("\xe4", timedelta()),
        ("", timedelta()),
    ],
)
async def test_the_services_clock_is_known_by_its_answers(
    line: Line, thing: respx.Route, date: timedelta | str, difference: timedelta
) -> None:
    assert line.clock_difference == timedelta()
    told = date if isinstance(date, str) else format_datetime(datetime.now(UTC) + date, usegmt=True)
    thing.respond(200, headers=[(b"Date", told.encode("latin-1"))])
    await line.call(ASK)
    assert abs(line.clock_difference - difference) < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("error", "first", "later", "once"),
    [
        (httpx.ConnectError("x"), 2, 4, 2),
        (httpx.ConnectTimeout("x"), 2, 2, 2),
        (httpx.PoolTimeout("x"), 2, 2, 2),
        (httpx.ReadTimeout("x"), 2, 2, 1),
        (httpx.ReadError("x"), 2, 4, 1),
        (httpx.UnsupportedProtocol("x"), 1, 1, 1),
        (ZeroDivisionError("x"), 1, 1, 1),
    ],
)
async def test_a_call_is_tried_so_often_before_any_answer_and_after_one_and_when_it_must_not_be_done_twice(
    line: Line, thing: respx.Route, error: Exception, first: int, later: int, once: int
) -> None:
    async def attempts(call: Call) -> int:
        before, thing.side_effect = line.requests, error
        with pytest.raises((Unreachable, BadAnswer)):
            await line.call(call)
        return line.requests - before

    assert (await attempts(ASK), await attempts(ONCE)) == (first, once)
    thing.mock(return_value=httpx.Response(200))
    await line.call(ASK)
    assert await attempts(ASK) == later


@pytest.mark.usefixtures("pauses")
async def test_whether_an_earlier_try_got_no_answer_is_told_with_the_answer_and_with_the_error(
    line: Line, thing: respx.Route
) -> None:
    thing.respond(200)
    assert not (await line.call(ASK)).lost
    thing.side_effect = [httpx.ReadError("x"), httpx.Response(400)]
    assert (await line.call(ASK)).lost
    thing.side_effect = [httpx.Response(429), httpx.Response(400)]
    assert not (await line.call(ASK)).lost
    thing.side_effect = [httpx.ReadError("x"), *[httpx.Response(429)] * QUICK.attempts]
    with pytest.raises(RateLimited) as caught:
        await line.call(ASK)
    assert caught.value.lost
    thing.side_effect = httpx.ConnectError("x")
    with pytest.raises(Unreachable) as caught_too:
        await line.call(ASK)
    assert not caught_too.value.lost


def test_an_answer_shows_nothing_of_what_is_in_it() -> None:
    answer = Answer(200, {"x": "hush"}, ("hush",), b"hush")
    assert "hush" not in repr(answer)


def test_a_body_is_without_the_calls_secrets_wherever_they_are_in_it() -> None:
    body = {"long-secret": ["a long-secret", {"b": "long-secret"}, 1, None], "list": [["long-secret"]]}
    told = answered(body, secrets=(Secret("long-secret"),)).json()
    assert told == {"list": [[MASK]], MASK: [f"a {MASK}", {"b": MASK}, 1, None]}


def test_a_reason_is_told_once_and_whole_up_to_its_limit() -> None:
    body = {"error": "x" * LONGEST_REASON, "message": "x" * LONGEST_REASON}
    assert reason_of(answered(body)) == f": {'x' * LONGEST_REASON}"
    body["error"] = "x" * (LONGEST_REASON + 1)
    assert reason_of(answered(body)) == f": {'x' * LONGEST_REASON}…"


async def test_what_must_not_be_sent_after_a_moment_is_not_sent_after_it(
    line: Line, thing: respx.Route
) -> None:
    thing.respond(200)
    assert (await line.call(replace(ASK, not_after=time.monotonic() + 60))).status == 200
    with pytest.raises(TooLate, match="asking: held back for too long, and not sent") as caught:
        await line.call(replace(ASK, not_after=time.monotonic() - 0.001))
    assert (line.requests, thing.call_count) == (1, 1)
    assert (caught.value.held_back_by, caught.value.lost) == (None, False)


async def test_what_the_service_holds_back_until_it_is_too_late_says_who_did(
    line: Line, thing: respx.Route
) -> None:
    thing.side_effect = [httpx.Response(429, headers={"Retry-After": "0.2"}), httpx.Response(200)]
    with pytest.raises(TooLate) as caught:
        await line.call(replace(ASK, not_after=time.monotonic() + 0.1))
    assert isinstance(caught.value.held_back_by, RateLimited)
    assert thing.call_count == 1


async def test_what_got_no_answer_before_it_was_too_late_may_have_been_acted_on(
    line: Line, thing: respx.Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_patience", Patience(attempts=4, first_attempts=4, wait_initial=0.4))
    thing.side_effect = httpx.ReadError("x")
    with pytest.raises(TooLate) as caught:
        await line.call(replace(ASK, not_after=time.monotonic() + 0.1))
    assert caught.value.lost
    assert thing.call_count == 1
