"""Whatever a server answers: no traceback, nothing sent elsewhere, and nothing called done that is not."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .faultserver import Answer, Fault, Reset, Seen, Then, fault_server, when
from .world import ADMIN_PASSWORD, PERSONAS, SIGN_OUT, World, entry

TABLE = {0, 4, 5, 6}


def persona(local: str, **fields: Any) -> dict[str, Any]:
    """A live persona as the service tells it."""
    wanted = entry(local)
    return {
        **wanted,
        "userId": f"id-{local}",
        "lastActiveAt": None,
        "createdAt": "2026-01-02T03:04:05.678Z",
        "actions7d": 3,
        **fields,
    }


LIVE = {p["userId"]: p for p in (persona("p0"), persona("p1", archetype="other"), persona("stray"))}


Right = tuple[int, Any, tuple[tuple[str, str], ...]]


def right(seen: Seen) -> Right:
    """What a good service answers."""
    local = seen.path.rpartition("/")[2]
    if seen.path == PERSONAS and seen.method == "POST":
        user_id = f"id-{seen.email.partition('@')[0]}"
        return 200, {"ok": True, "userId": user_id, "email": seen.email}, ()
    if seen.path == PERSONAS:
        told = [{k: v for k, v in p.items() if k not in {"systemPrompt", "moduleMix"}} for p in LIVE.values()]
        return 200, {"personas": told}, ()
    if seen.method == "DELETE":
        return 200, {"ok": True, "deleted": local}, ()
    if seen.path.startswith(PERSONAS):
        action = {"toolName": "todo", "result": "ok", "createdAt": "2026-01-02T03:04:05Z", "latencyMs": 12}
        feedback = [{"module": "todo", "avgRating": 4}]
        body = {"persona": LIVE.get(local), "recentActions": [action], "feedbackByModule": feedback}
        return (200, body, ()) if local in LIVE else (404, {"error": "Not found"}, ())
    if seen.path.endswith("/users"):
        user = {"id": "id-p2", "email": "p2@mana.test", "name": "P"}
        return 200, {"users": [user], "total": 1, "page": 1, "limit": 100}, ()
    if seen.path.endswith("/sign-in/email"):
        cookie = ("set-cookie", "mana.session_token=abc.def; Max-Age=604800; Path=/; HttpOnly")
        return 200, {"token": "abc", "user": {"id": "u"}}, (cookie,)
    return 200, {"success": True}, ()


def is_word_for_done(seen: Seen, status: int, body: Any) -> bool:
    if seen.method == "DELETE" and status == 404:
        return isinstance(body, dict)
    return status == 200 and isinstance(body, dict) and body.get("ok") is True


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["\x1b[31m\r\n::error::x", "p0@mana.test", "0001-01-01T00:00:00+14:00", "id-p1", "\ud800", 10**400]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
LATIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
NAMES = """
    content-type set-cookie location content-encoding content-length transfer-encoding retry-after
    x-retry-after www-authenticate x-whatever link connection
"""
VALUES_OF_HEADERS = ["gzip", "br", "chunked", "0", "-1", "99999999999999999999", "text/html; charset=utf-7"]
HEADERS = st.tuples(st.sampled_from(NAMES.split()), LATIN | st.sampled_from(VALUES_OF_HEADERS))
WAITS = st.sampled_from(["0", "0.01", "-5", "99999", "Wed, 21 Oct 2015 07:28:00 GMT"])
# How an answer is bent; each gets (the request, status, body, headers) of the right one.
BENT = st.one_of(
    st.tuples(
        st.just("status"), st.sampled_from([204, 206, 300, 304, 400, 403, 405, 409, 418, 500, 501, 503, 599])
    ),
    st.tuples(st.just("limited"), WAITS),
    st.tuples(st.just("body"), VALUES),
    st.tuples(st.just("bytes"), st.binary(max_size=60)),
    st.tuples(st.just("field"), st.integers(0, 40), VALUES),
    st.tuples(st.just("missing"), st.integers(0, 40)),
    st.tuples(st.just("header"), HEADERS),
    st.tuples(st.just("encoding"), st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "gzip", "latin-1"])),
    st.tuples(st.just("redirect"), st.sampled_from([301, 302, 303, 307, 308])),
    st.tuples(st.just("raw"), st.binary(max_size=60)),
    st.tuples(st.just("reset")),
)


class Strange:
    """Answers as it should, bent in turn by a list of mutations; remembers what it has really said."""

    def __init__(self, mutations: list[tuple[Any, ...]], elsewhere: str) -> None:
        self.mutations = mutations
        self.elsewhere = elsewhere
        self.done: set[str] = set()
        self.told: set[str] = set()

    def __call__(self, seen: Seen) -> Fault:
        kind, *how = self.mutations[seen.number % len(self.mutations)]
        if kind == "reset":
            return Reset("before")
        if kind == "raw":
            return Answer(raw=how[0])
        if kind == "redirect":
            return Answer(how[0], right(seen)[1], (("location", f"{self.elsewhere}{seen.path}"),))
        status, body, headers = bent(right(seen), kind, how)
        content: bytes = json.dumps(body).encode()
        if kind == "bytes":
            content, body = how[0], None
        elif kind == "encoding" and how[0] == "gzip":
            content = gzip.compress(content)
        elif kind == "encoding":
            content = json.dumps(body, ensure_ascii=False).encode(how[0])
        if is_word_for_done(seen, status, body):
            self.done.add(email_in(seen))
        if seen.method == "GET" and "/id-" in seen.path and status == 200:
            self.told.add(seen.path.rpartition("/")[2])
        return Answer(status, content, (("content-type", "application/json"), *headers))


def email_in(seen: Seen) -> str:
    """Whom a write is about."""
    return seen.email if seen.method == "POST" else str(LIVE[seen.path.rpartition("/")[2]]["email"])


def bent(answer: Right, kind: str, how: list[Any]) -> Right:
    """The right answer with one thing changed."""
    status, body, headers = answer
    if kind == "status":
        return how[0], body, headers
    if kind == "limited":
        return 429, body, (("retry-after", how[0]),)
    if kind == "body":
        return status, how[0], headers
    if kind in {"field", "missing"}:
        return status, bent_inside(body, how[0], how[1:]), headers
    if kind == "header":
        return status, body, (*headers, how[0])
    if kind == "encoding" and how[0] == "gzip":
        return status, body, (*headers, ("content-encoding", "gzip"))
    return answer


def bent_inside(body: Any, number: int, value: list[Any]) -> Any:
    """A copy in which one of the fields has another value, or is not there."""
    copy = json.loads(json.dumps(body))
    places: list[tuple[Any, Any]] = []

    def walk(item: Any) -> None:
        keys = item.keys() if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            places.append((item, key))
            walk(item[key])

    walk(copy)
    if not places:
        return copy
    item, key = places[number % len(places)]
    if value:
        item[key] = value[0]
    else:
        del item[key]
    return copy


# Most answers are right, or nothing but the first of them would ever be looked at.
MUTATIONS = st.one_of(*[st.just(("right",))] * 3, BENT)
COMMANDS = st.sampled_from(
    [
        ("seed",),
        ("seed", "--check-login", "--prune", "--yes"),
        ("seed", "--recreate", "--check-login"),
        ("dry-run", "--check-login"),
        ("cleanup", "--yes"),
        ("list",),
        ("list", "--full"),
        ("show", "p0"),
    ]
)


@given(
    mutations=st.lists(MUTATIONS, min_size=1, max_size=12),
    command=COMMANDS,
    output=st.sampled_from(["text", "json", "json", "markdown", "github", "junit"]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
def test_no_answer_makes_a_traceback_or_a_wrong_done_or_a_call_elsewhere(
    real: World, mutations: list[tuple[Any, ...]], command: tuple[str, ...], output: str
) -> None:
    real.write_catalog("p0", "p1", "p2", "p3")
    with fault_server() as elsewhere:
        strange = Strange(mutations, elsewhere.url)
        ended = real.run(*command, "-o", output, "--timeout", "0.4", through=strange, exits=None)
        assert elsewhere.connections == 0
    assert ended.code in (TABLE | {2} if command[0] == "show" else TABLE), ended
    if output == "json":
        document = ended.document()
        # Whatever the service did not say it did is not done.
        assert {o["email"] for o in document["outcomes"] if o["result"] == "done"} <= strange.done
        changes = document["plan"]["changes"] if document["plan"] else []
        in_sync = {change["email"] for change in changes if change["state"] == "in-sync"}
        if command[0] in {"seed", "dry-run"}:
            assert in_sync <= {LIVE[told]["email"] for told in strange.told}


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [("seed", 302, "redirects"), ("list", 307, "redirects"), ("token", 308, "HTTP 308")],
)
def test_a_redirect_to_another_port_is_not_followed_and_told(
    real: World, command: str, status: int, words: str
) -> None:
    real.write_catalog("p0")
    admin = {"MANA_ADMIN_EMAIL": "a@b.example", "MANA_ADMIN_PASSWORD": ADMIN_PASSWORD}
    with fault_server() as elsewhere:
        redirect = Answer(status, {"ok": True}, (("location", f"{elsewhere.url}{PERSONAS}"),))
        variables = admin if command == "token" else {}
        ended = real.run(command, through=lambda _: redirect, exits=4, env=variables)
        assert elsewhere.connections == 0
    assert words in ended.err


def test_no_cookie_of_one_persona_travels_with_the_call_of_another(real: World) -> None:
    real.add_personas("a", "b", "c")
    real.write_catalog("a", "b", "c")

    def set_cookies(_: int, head: bytes, body: bytes) -> bytes:
        return head[:-2] + b"set-cookie: tracking=1; Path=/\r\n\r\n" + body

    ended = real.run("seed", "--check-login", "--concurrency", "1", through=lambda _: Then(set_cookies))
    with_cookie = [seen for seen in ended.seen if "cookie" in seen.headers]
    assert {seen.path for seen in with_cookie} == {SIGN_OUT}
    # Each signs out with its own session, and with nothing else.
    cookies = [seen.headers["cookie"] for seen in with_cookie]
    assert len(set(cookies)) == 3
    assert all("tracking" not in cookie for cookie in cookies)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Answer(200, b'{"personas": ' + b"9" * 5_000 + b"}"), "the answer is no JSON"),
        (Answer(200, "<!doctype html><title>Log in</title>"), "the answer is no JSON"),
        (Answer(200, {"personas": [None]}), "personas[0] is no object"),
        (Answer(200, gzip.compress(b"[]"), (("content-encoding", "gzip"),)), "the answer is compressed"),
        (Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), "broke before a whole answer came"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n"), "broke before a whole answer came"),
        (Answer(404, "404 Not Found"), "no such path"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_is_no_list_of_personas_is_told_in_words_and_nothing_is_written(
    real: World, fault: Fault, words: str
) -> None:
    real.write_catalog("p0")
    ended = real.run("seed", "--debug", through=lambda _: fault, exits=4)
    assert ended.seen.to("POST") == []
    assert words in ended.err


def test_a_wrong_path_is_no_word_that_a_persona_is_gone(real: World) -> None:
    real.add_personas("a")
    real.write_catalog("a")
    gone = Answer(404, "404 Not Found", (("content-type", "text/plain"),))
    ended = real.run("cleanup", "--yes", "-o", "json", through=when("DELETE", then=gone), exits=6)
    assert ended.results() == {"failed": 1}
    assert real.personas == {"a@mana.test"}
