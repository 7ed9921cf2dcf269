"""One request: its retries, its pauses, its errors, and the environment that it runs in."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import respx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from personas.errors import NoResponseError, RateLimitedError, ResponseError, ServiceError, UnreachableError
from personas.redact import MASK, Secret
from personas.services import http
from personas.services.http import HttpClient, RetryPolicy, error_detail, retry_after
from personas.services.models import Answer

from .conftest import QUICK, URL, error_of
from .server import CLOSE, HALF, OK, STALL, Reply, Server, answer, closed_port, serve

pytestmark = pytest.mark.anyio

Patch = pytest.MonkeyPatch
SECRET = Secret("a-very-secret\"token\\with 'signs'")
NOT_JSON, HOUR = object(), timedelta(hours=1)


@asynccontextmanager
async def client(url: str, *, loopback: bool = True, **options: Any) -> AsyncIterator[HttpClient]:
    defaults: Any = {"timeout": 5.0, "concurrency": 8, "retry": QUICK}
    async with HttpClient(url, loopback=loopback, **(defaults | options)) as opened:
        yield opened


async def ask(opened: HttpClient, method: str = "GET", **arguments: Any) -> Answer:
    return await opened.request(method, "/thing", what="asking", **arguments)


async def failure(opened: HttpClient, method: str = "GET", **arguments: Any) -> ServiceError:
    return await error_of(ask(opened, method, **arguments))


@pytest.mark.parametrize(
    ("status", "content", "body"),
    [
        (200, b"null", None),
        (201, b"[1]", [1]),
        (400, b'{"n": 1}', {"n": 1}),
        (401, b"true", True),
        (204, b"", NOT_JSON),
        (403, b"404 Not Found", NOT_JSON),
        (404, b"[" * 100_000, NOT_JSON),
        (500, b"\xff\xfe", NOT_JSON),
    ],
    ids=lambda value: repr(value)[:12],
)
async def test_any_status_is_an_answer_with_or_without_json(
    server: Server, status: int, content: bytes, body: object
) -> None:
    server.replies = [b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(content), content)]
    async with client(server.url) as opened:
        got = await ask(opened)
    assert (got.status, got.retried, got.server_error, len(server.seen)) == (status, False, False, 1)
    assert (got.body, got.is_json) == ((None, False) if body is NOT_JSON else (body, True))


@pytest.mark.parametrize(
    ("replies", "sent", "retried", "server_error"),
    [
        ([CLOSE, HALF, OK], 3, True, False),
        ([STALL, OK], 2, True, False),
        ([answer(502), answer(504), OK], 3, False, True),
        ([answer(503), OK], 2, False, True),
        ([answer(429), answer(429), OK], 3, False, False),
        ([answer(429, retry_after="0"), CLOSE, answer(503), OK], 4, True, True),
    ],
    ids=["closed and cut", "stalled", "gateway", "unavailable", "rate limit", "all"],
)
async def test_a_failed_call_is_repeated(
    server: Server, replies: list[Reply], sent: int, retried: bool, server_error: bool
) -> None:
    server.replies = replies
    async with client(server.url, timeout=0.5 if STALL in replies else 5.0) as opened:
        got = await ask(opened, "POST", body={"a": 1})
    assert (got.status, got.retried, got.server_error) == (200, retried, server_error)
    assert len(server.seen) == sent


@pytest.mark.parametrize(
    ("replies", "repeat", "kind", "text", "maybe_applied"),
    [
        # Given up after all attempts.
        ([CLOSE] * 4, True, NoResponseError, "asking: the connection to http://127.0.0.1:", True),
        ([b"220 smtp.example ESMTP\r\n\r\n"] * 4, True, NoResponseError, "broke before a complete", True),
        ([STALL] * 4, True, NoResponseError, "within 0.1 s. Allow more time with --timeout.", True),
        ([answer(502)] * 4, True, NoResponseError, "asking: the service is not available (HTTP 502).", True),
        ([answer(503, {"error": "later"})] * 4, True, NoResponseError, "(HTTP 503: later). Run again", True),
        ([answer(429, {"error": "no"})] * 4, True, RateLimitedError, "rate limited (HTTP 429: no).", False),
        # Without `repeat`, only a call that was refused is repeated.
        ([CLOSE], False, NoResponseError, "before a complete answer arrived. |", True),
        ([STALL], False, NoResponseError, "asking: no complete answer from http://127.0.0.1:", True),
        ([answer(503)], False, NoResponseError, "the service is not available (HTTP 503).", True),
        ([answer(429), answer(429), CLOSE], False, NoResponseError, "broke before", True),
        # The wait is too long.
        ([answer(429, x_retry_after="6")], True, RateLimitedError, "for 6 s (HTTP 429). Run again la", False),
        ([CLOSE, answer(429, retry_after="3600")], True, RateLimitedError, "limited for 3600 s", True),
        # Another attempt would not help.
        ([answer(300)], True, ResponseError, "the service redirects (HTTP 300),", False),
        ([answer(399)], True, ResponseError, "the service redirects (HTTP 399),", False),
        ([answer(301, location="https://evil.test/")], True, ResponseError, "are not followed. Give", False),
        ([b"HTTP/1.1 304 X\r\n\r\n"], True, ResponseError, "the service redirects (HTTP 304),", False),
        ([answer(content_encoding="gzip")], True, ResponseError, "(DecodingError). Check --auth", True),
    ],
)  # fmt: skip
async def test_a_failure_ends_a_call(
    server: Server,
    replies: list[Reply],
    repeat: bool,
    kind: type[ServiceError],
    text: str,
    maybe_applied: bool,
) -> None:
    waits: list[object] = []
    timeout = 0.1 if STALL in replies else 5.0
    async with client(server.url, timeout=timeout, on_wait=lambda *wait: waits.append(wait)) as opened:
        for method in ("POST", "GET"):
            server.replies = replies
            error = await failure(opened, method, bearer=SECRET, repeat=repeat)
            assert type(error) is kind
            assert text in f"{error.message} {error.hint}|"
            assert error.maybe_applied is (maybe_applied and method == "POST")
    assert len(server.seen) == 2 * len(replies)
    assert waits == []


def test_the_default_policy_is_3_seconds_without_connection_and_60_in_all() -> None:
    policy = RetryPolicy()
    assert (policy.attempts, policy.connect, policy.total) == (8, 3.0, 60.0)
    waits = [policy.wait(attempt) for attempt in range(1, 20)]
    assert all(0.05 * 2**n <= waits[n] <= 0.1 * 2**n for n in range(6))
    assert all(2.5 <= wait <= 5.0 for wait in waits[6:])


async def test_a_refused_connection_is_given_up_after_its_time() -> None:
    retry = RetryPolicy(attempts=1000, first_wait=0.01, max_wait=0.02, connect=0.2, total=60)
    attempts = Counter[str]()
    url = f"http://127.0.0.1:{closed_port()}"
    async with client(url, retry=retry, observe=lambda method, *_: attempts.update([method])) as opened:
        started = asyncio.get_running_loop().time()
        error = await failure(opened, "POST", repeat=False)
        took = asyncio.get_running_loop().time() - started
    assert type(error) is UnreachableError
    assert error.message == f"Cannot connect to {opened.base_url}: nothing answers there."
    assert error.hint == "Check --auth (MANA_AUTH_URL), and that the service is running."
    assert not error.maybe_applied
    assert 5 < attempts["POST"] < 50
    assert took < 2


async def test_a_connection_has_nine_tenths_of_the_timeout_and_at_most_10_seconds(
    mana: respx.MockRouter,
) -> None:
    route = mana.get("/thing").respond(200)
    for timeout, connect in ((5.0, 4.5), (60.0, 10.0)):
        async with client(URL, timeout=timeout) as opened:
            await ask(opened)
        limits = {"connect": connect, "read": timeout, "write": timeout, "pool": None}
        assert route.calls.last.request.extensions["timeout"] == limits


async def test_a_call_ends_after_the_total_time_without_an_answer(server: Server) -> None:
    server.replies = [answer(503)]
    retry = RetryPolicy(attempts=1000, first_wait=0.01, max_wait=0.01, total=0.2)
    async with client(server.url, retry=retry) as opened:
        assert type(await failure(opened)) is NoResponseError
    assert 5 < len(server.seen) < 50
    server.replies = [STALL]
    async with client(server.url, timeout=30, retry=RetryPolicy(total=1.2)) as opened:
        assert (await failure(opened)).message.endswith("within 1.2 s.")


IN_9000_HOURS = format_datetime(datetime.now(UTC) + 9_000 * HOUR)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"x-retry-after": "9"}, 9),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-4"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": IN_9000_HOURS}, pytest.approx(32_400_000, abs=90_000)),
        ({"retry-after": "soon", "x-retry-after": "5"}, 5),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_wait_that_a_service_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize("busy", [answer(429, retry_after="1"), answer(503, x_retry_after="1")])
async def test_one_pause_holds_all_workers_and_is_announced_once(server: Server, busy: bytes) -> None:
    waits: list[tuple[float, str]] = []
    times: list[float] = []
    server.replies = [busy, busy, OK]
    calls: dict[str, Any] = {
        "observe": lambda *_: times.append(time.monotonic()),
        "on_wait": lambda *wait: waits.append(wait),
    }
    async with client(server.url, concurrency=2, **calls) as opened:
        await asyncio.gather(*(ask(opened) for _ in range(4)))
    assert len(times) == 6
    assert times[2] - times[1] > 0.9
    assert [seconds for seconds, _ in waits] == [1]
    assert "asking: " in waits[0][1]


async def test_an_answer_can_have_16_mebibytes(server: Server, monkeypatch: Patch) -> None:
    assert http.MAX_ANSWER_BYTES == 16 * 2**20
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 2**20)
    endless = answer(body="x" * (2**20 + 9))[:-10]  # the rest never comes
    server.replies = [answer(body="x" * (2**20 - 2)), endless]
    async with client(server.url) as opened:
        assert (await ask(opened)).is_json
        assert (await failure(opened)).message == "asking: the answer is longer than 1 MiB."
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"error": "Not found"}, "Not found"),
        ({"error": "Sign-up failed", "message": "Password too long"}, "Sign-up failed; Password too long"),
        ({"error": "ValidationError", "details": ["a", "b", 3]}, "ValidationError; a; b"),
        ({"statusCode": 500, "message": "Internal server error"}, "Internal server error"),
        ({"error": "No", "hint": "Use that"}, "No; Use that"),
        ({"error": "same", "message": "same"}, "same"),
        ({"error": {"message": "x"}, "message": None, "details": {}, "hint": " "}, ""),
        ({"error": "red \x1b[31m\nline\u202e end"}, "red [31m line end"),
        ({"error": "x" * 300}, "x" * 300),
        ({"error": "x" * 301}, "x" * 300 + "…"),
        ({"error": "y" * 290 + SECRET.reveal()}, "y" * 290 + MASK),
        ("text", ""),
        ([], ""),
    ],
)
def test_what_an_error_says(body: object, detail: str) -> None:
    assert error_detail(body) == detail


async def test_secrets_of_a_call_are_masked_and_not_observed(server: Server) -> None:
    echoes = [SECRET.reveal(), json.dumps(SECRET.reveal())]
    server.replies = [CLOSE, answer(503), answer(500, {"error": echoes, "name": echoes, "code": echoes})]
    seen: list[Any] = []
    async with client(server.url, observe=lambda *call: seen.append(call)) as opened:
        got = await ask(opened, params={"q": "a@b"}, bearer=SECRET, cookie=Secret("sid=hunter22"))
    assert "very-secret" not in f"{got!r}{got.body}{got.detail}{got.code}{seen}"
    assert got.detail == f'{MASK}; "{MASK}"'
    assert [call[:2] for call in seen] == [("GET", "/thing?q=a%40b")] * 3
    assert isinstance(seen[0][2], NoResponseError)
    assert [call[2] for call in seen[1:]] == [503, 500]
    assert all(0 <= call[3] < 5 for call in seen)


async def test_no_session_travels_with_the_next_call(server: Server) -> None:
    server.replies = [answer(body={}, set_cookie="mana.session_token=abc; Path=/")]
    async with client(server.url) as opened:
        got = await ask(opened, "POST", cookie=Secret("a=b"), bearer=Secret("c"), origin="http://own.test")
        await ask(opened)
    assert got.set_cookies == ("mana.session_token=abc; Path=/",)
    sent = {"cookie: a=b", "authorization: bearer c", "origin: http://own.test"}
    always = {"accept: application/json", "accept-encoding: identity", "user-agent: personas"}
    assert sent | always <= set(server.heads[0].split("\r\n"))
    assert not sent & set(server.heads[1].split("\r\n"))
    assert "cookie" not in server.heads[1]


@pytest.mark.parametrize(("seconds", "connections"), [(http.KEEP_ALIVE_SECONDS, 1), (0.0, 3)])
async def test_an_idle_connection_is_left_before_the_server_closes_it(
    server: Server, monkeypatch: Patch, seconds: float, connections: int
) -> None:
    assert http.KEEP_ALIVE_SECONDS < 5
    monkeypatch.setattr(http, "KEEP_ALIVE_SECONDS", seconds)
    async with client(server.url) as opened:
        for _ in range(3):
            await ask(opened)
    assert server.connections == connections


async def test_an_application_is_called_in_this_process() -> None:
    async def app(scope: Any, _: Any, send: Any) -> None:
        if scope["method"] == "DELETE":
            raise RuntimeError("a bug")
        if scope["method"] == "PUT":
            await asyncio.sleep(60)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'"here"'})

    async with HttpClient("http://embedded.localhost", loopback=True, app=app, timeout=0.5) as opened:
        assert (await ask(opened)).body == "here"
        assert (await ask(opened, "DELETE")).status == 500
        error = await failure(opened, "PUT", repeat=False)
    assert error.message == "asking: no complete answer from the embedded service within 0.5 s."


@pytest.mark.parametrize(
    ("loopback", "variables", "proxied"),
    [
        (False, {"HTTP_PROXY": "http://user:p%23ss@{}"}, True),
        (False, {"http_proxy": "{}"}, True),
        (False, {"ALL_PROXY": "http://{}"}, True),
        (True, {"HTTP_PROXY": "http://{}"}, False),
        # Unlike httpx, with IPv6 addresses.
        (False, {"HTTP_PROXY": "http://{}", "NO_PROXY": "::1,127.0.0.1"}, False),
        (False, {"HTTP_PROXY": "http://{}", "NO_PROXY": "[::1],fd00::/8,other.test"}, True),
        (False, {"HTTP_PROXY": "http://{}", "NO_PROXY": "*"}, False),
    ],
)
async def test_a_proxy_is_used_off_loopback_only(
    server: Server, monkeypatch: Patch, loopback: bool, variables: dict[str, str], proxied: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(server.url.removeprefix("http://")))
    async with client(server.url, loopback=loopback) as opened:
        assert (await ask(opened)).status == 200
    assert server.seen == [f"get {server.url if proxied else ''}/thing"]


@pytest.mark.parametrize(
    "url", ["http://{}?@b", "http://{}#@b", "http://{}@b:port", "socks5://{}@b", "ftp://{}@b"]
)
async def test_an_unusable_proxy_names_the_variable_only(monkeypatch: Patch, url: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url.format("hunter2"))
    with pytest.raises(UnreachableError) as caught:
        await client("https://auth.example.test", loopback=False).__aenter__()
    assert caught.value.message == "HTTPS_PROXY is not the URL of an HTTP proxy."
    assert caught.value.__cause__ is None
    assert caught.value.hint.startswith("Use http://HOST:PORT. In a user name or password, write ")


async def test_a_dead_proxy_is_named(monkeypatch: Patch) -> None:
    port = closed_port()
    for scheme in ("http", "https"):
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:hunter22@127.0.0.1:{port}")
        async with client("https://auth.example.test", loopback=False) as opened:
            error = await failure(opened)
        assert error.message == f"Cannot connect to the proxy 127.0.0.1:{port}: nothing answers there."
        assert error.hint == "Check HTTPS_PROXY and NO_PROXY."


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A new certificate of 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    text = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = tmp_path / "loopback.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *text)
    )
    return file


async def test_https_on_loopback_trusts_the_certificate_file(certificate: Path, monkeypatch: Patch) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with serve(tls) as server:
        attempts: list[tuple[object, ...]] = []
        async with client(
            server.url, retry=RetryPolicy(), observe=lambda *attempt: attempts.append(attempt)
        ) as opened:
            error = await failure(opened)
        assert error.message.startswith(f"Cannot connect to {server.url}: [SSL: CERTIFICATE_VERIFY_FAILED] ")
        assert error.hint == "Check that it uses https, and that SSL_CERT_FILE has its authority."
        assert len(attempts) == 1
        for file, reason in (("none", "No such file or directory"), (__file__, "not a file of certif")):
            monkeypatch.setenv("SSL_CERT_FILE", file)
            with pytest.raises(UnreachableError, match=f"^SSL_CERT_FILE cannot be used: {reason}"):
                await client(server.url).__aenter__()
            async with client(server.url.replace("https", "http")):
                pass  # plain http does not need it
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with client(server.url) as opened:
            assert (await ask(opened)).status == 200
