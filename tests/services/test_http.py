"""One request: its retries, its pauses, its errors, and the environment that it runs in."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from personas.errors import NoResponseError, RateLimitedError, ResponseError, ServiceError, UnreachableError
from personas.redact import MASK, Secret
from personas.services import http
from personas.services.http import HttpClient, RetryPolicy, error_detail, retry_after

from .conftest import QUICK
from .server import CLOSE, HALF, RESET, STALL, Reply, Server, answer, closed_port, serve

pytestmark = pytest.mark.anyio

Patch = pytest.MonkeyPatch
OK = answer(body={"ok": True})
SECRET = Secret("a-very-secret\"token\\with 'signs'")


@asynccontextmanager
async def client(url: str, *, loopback: bool = True, **options: Any) -> AsyncIterator[HttpClient]:
    defaults: Any = {"timeout": 5.0, "concurrency": 8, "retry": QUICK}
    async with HttpClient(url, loopback=loopback, **(defaults | options)) as opened:
        yield opened


async def failure(opened: HttpClient, method: str = "GET", **arguments: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await opened.request(method, "/thing", what="asking", **arguments)
    return caught.value


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 409, 500])
async def test_answers_are_returned_whatever_their_status(server: Server, status: int) -> None:
    server.replies = [answer(status, {"n": 1})]
    async with client(server.url) as opened:
        got = await opened.request("GET", "/thing", what="asking")
    assert (got.status, opened.requests, got.retried) == (status, 1, False)
    assert got.is_json is (status != 204)


@pytest.mark.parametrize(
    ("replies", "sent", "retried", "server_error"),
    [
        ([RESET, OK], 2, True, False),
        ([CLOSE, HALF, OK], 3, True, False),
        ([STALL, OK], 2, True, False),
        ([answer(502), answer(504), OK], 3, False, True),
        ([answer(503), OK], 2, False, True),
        ([answer(429), answer(429), OK], 3, False, False),
        ([answer(429, retry_after="0"), RESET, answer(503), OK], 4, True, True),
    ],
    ids=["reset", "closed and cut", "stalled", "gateway", "unavailable", "rate limit", "all"],
)
async def test_a_failed_call_is_repeated(
    server: Server, replies: list[Reply], sent: int, retried: bool, server_error: bool
) -> None:
    server.replies = replies
    async with client(server.url, timeout=0.3) as opened:
        got = await opened.request("POST", "/thing", what="asking", body={"a": 1})
    assert (got.status, got.retried, got.server_error) == (200, retried, server_error)
    assert len(server.seen) == opened.requests == sent


@pytest.mark.parametrize(
    ("reply", "kind", "text", "maybe_applied"),
    [
        (RESET, NoResponseError, "asking: the connection to http://127.0.0.1:", True),
        (STALL, NoResponseError, "no complete answer from http://127.0.0.1:", True),
        (answer(502), NoResponseError, "asking: the service is not available (HTTP 502)", True),
        (answer(503, {"error": "later"}), NoResponseError, "(HTTP 503: later)", True),
        (answer(429, {"error": "slow"}), RateLimitedError, "asking: rate limited (HTTP 429: slow)", False),
        (b"220 smtp.example ESMTP\r\n\r\n", NoResponseError, "broke before a complete answer", True),
    ],
)
async def test_a_call_is_given_up_after_all_attempts(
    server: Server, reply: Reply, kind: type[ServiceError], text: str, maybe_applied: bool
) -> None:
    server.replies = [reply]
    async with client(server.url, timeout=0.1) as opened:
        error = await failure(opened, "POST")
        reading = await failure(opened)
    assert type(error) is type(reading) is kind
    assert text in error.message
    assert opened.requests == 2 * QUICK.attempts
    assert (error.maybe_applied, reading.maybe_applied) == (maybe_applied, False)


@pytest.mark.parametrize(
    ("replies", "sent"),
    [([RESET], 1), ([answer(503)], 1), ([answer(502)], 1), ([STALL], 1), ([answer(429), answer(429), OK], 3)],
)
async def test_without_repeat_only_a_refused_request_is_sent_again(
    server: Server, replies: list[Reply], sent: int
) -> None:
    server.replies = list(replies)
    async with client(server.url, timeout=0.1) as opened:
        if replies[-1] == OK:
            await opened.request("POST", "/thing", what="asking", repeat=False)
        else:
            assert (await failure(opened, "POST", repeat=False)).maybe_applied
    assert len(server.seen) == sent


async def test_a_later_refusal_does_not_hide_a_lost_answer(server: Server) -> None:
    server.replies = [RESET, answer(429, retry_after="3600")]
    async with client(server.url) as opened:
        error = await failure(opened, "POST")
    assert isinstance(error, RateLimitedError)
    assert error.maybe_applied
    assert "rate limited for 3600 s" in error.message


def test_the_default_policy_is_3_seconds_without_connection_and_60_in_all() -> None:
    policy = RetryPolicy()
    assert (policy.connect, policy.total) == (3.0, 60.0)
    waits = [policy.wait(attempt) for attempt in range(1, 20)]
    assert 0.05 <= waits[0] <= 0.1
    assert all(2.5 <= wait <= 5.0 for wait in waits[6:])


async def test_a_refused_connection_is_given_up_after_its_time() -> None:
    retry = RetryPolicy(attempts=1000, first_wait=0.01, max_wait=0.02, connect=0.2, total=60)
    async with client(f"http://127.0.0.1:{closed_port()}", retry=retry) as opened:
        started = asyncio.get_running_loop().time()
        error = await failure(opened, "POST", repeat=False)
        took = asyncio.get_running_loop().time() - started
    assert type(error) is UnreachableError
    assert error.message == f"Cannot connect to {opened.base_url}: nothing answers there."
    assert not error.maybe_applied
    assert 5 < opened.requests < 50
    assert took < 2


async def test_a_call_ends_after_the_total_time_without_an_answer(server: Server) -> None:
    server.replies = [answer(503)]
    retry = RetryPolicy(attempts=1000, first_wait=0.01, max_wait=0.01, total=0.3)
    async with client(server.url, retry=retry) as opened:
        assert type(await failure(opened)) is NoResponseError
    assert 10 < opened.requests < 100
    server.replies = [STALL]
    async with client(server.url, timeout=30, retry=RetryPolicy(total=1)) as opened:
        assert (await failure(opened)).message.endswith("within 1 s.")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"x-retry-after": "9"}, 9),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-4"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "soon", "x-retry-after": "5"}, 5),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_service_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_wait_until_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=900))
    assert retry_after({"retry-after": later}) == pytest.approx(880, abs=20)


@pytest.mark.parametrize("busy", [answer(429, retry_after="1"), answer(503, x_retry_after="1")])
async def test_one_pause_holds_all_workers_and_is_announced_once(server: Server, busy: bytes) -> None:
    waits: list[tuple[float, str]] = []
    times: list[float] = []
    server.replies = [busy, busy, busy, answer(503), OK]

    def observe(_: str, __: str, status: int | ServiceError, seconds: float) -> None:
        if status == 200:
            times.append(asyncio.get_running_loop().time() - seconds)

    async with (
        client(server.url, concurrency=3, observe=observe, on_wait=lambda *w: waits.append(w)) as opened,
        asyncio.TaskGroup() as group,
    ):
        started = asyncio.get_running_loop().time()
        for _ in range(6):
            group.create_task(opened.request("GET", "/thing", what="asking"))
    assert len(times) == 6
    assert min(times) - started > 0.98
    assert [seconds for seconds, _ in waits] == [1]
    assert "asking: " in waits[0][1]


async def test_a_wait_that_is_too_long_is_an_error_at_once(server: Server) -> None:
    server.replies = [answer(429, x_retry_after="61")]
    waits: list[object] = []
    async with client(server.url, retry=RetryPolicy(), on_wait=lambda *wait: waits.append(wait)) as opened:
        error = await failure(opened)
    assert type(error) is RateLimitedError
    assert error.hint == "Run again later; finished work is skipped."
    assert (opened.requests, waits) == (1, [])


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (answer(301, location="https://evil.test/"), "redirects (HTTP 301), and redirects are not followed"),
        (answer(307, location="/thing/"), "redirects (HTTP 307)"),
        (answer(304), "redirects (HTTP 304)"),
        (b"HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", "cannot be read"),
    ],
)
async def test_an_unusable_answer_is_an_error_at_once(server: Server, reply: bytes, text: str) -> None:
    server.replies = [reply]
    async with client(server.url) as opened:
        error = await failure(opened, "POST", bearer=SECRET)
    assert type(error) is ResponseError
    assert text in error.message
    assert "--auth (MANA_AUTH_URL)" in error.hint
    assert len(server.seen) == 1
    assert error.maybe_applied is ("redirects" not in text)


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
async def test_an_answer_can_have_16_mebibytes(server: Server, extra: int, fits: bool) -> None:
    server.replies = [answer(body="x" * (16 * 1024 * 1024 - 2 + extra))]
    async with client(server.url) as opened:
        if fits:
            assert (await opened.request("GET", "/thing", what="asking")).is_json
        else:
            assert "the answer is longer than 16 MiB" in (await failure(opened)).message


@pytest.mark.parametrize(
    ("content", "body", "is_json"),
    [
        (b"null", None, True),
        (b"[1]", [1], True),
        (b"404 Not Found", None, False),
        (b"", None, False),
        (b"[" * 100_000, None, False),
        (b"9" * 5000, None, False),
        (b"\xff\xfe", None, False),
    ],
)
async def test_a_body_is_json_or_not(server: Server, content: bytes, body: object, is_json: bool) -> None:
    server.replies = [b"HTTP/1.1 200 X\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content)]
    async with client(server.url) as opened:
        got = await opened.request("GET", "/thing", what="asking")
    assert (got.body, got.is_json) == (body, is_json)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"error": "Not found"}, "Not found"),
        ({"error": "Sign-up failed", "message": "Password too long"}, "Sign-up failed; Password too long"),
        ({"error": "ValidationError", "details": ["a", "b", 3]}, "ValidationError; a; b"),
        ({"statusCode": 500, "message": "Internal server error"}, "Internal server error"),
        ({"error": "No", "hint": "Use that"}, "No; Use that"),
        ({"error": "same", "message": "same"}, "same"),
        ({"error": {"message": "x"}, "message": None, "details": {}}, ""),
        ({"error": "red \x1b[31m\nline\u202e end"}, "red [31m line end"),
        ({"error": "x" * 400}, "x" * 300 + "…"),
        ({"error": "y" * 290 + SECRET.reveal()}, "y" * 290 + MASK),
        ("text", ""),
        ([], ""),
    ],
)
def test_what_an_error_says(body: object, detail: str) -> None:
    assert error_detail(body) == detail


@pytest.mark.parametrize("quoted", [str, json.dumps], ids=["plain", "escaped"])
async def test_echoed_secrets_are_masked(server: Server, quoted: Callable[[str], str]) -> None:
    echo = quoted(SECRET.reveal())
    server.replies = [answer(500, {"error": f"no {echo}", "name": echo, "code": echo})]
    async with client(server.url) as opened:
        got = await opened.request("GET", "/thing", what="asking", cookie=SECRET)
    assert "very-secret" not in f"{got!r}{got.body}{got.detail}{got.code}"
    assert MASK in got.detail


async def test_no_session_travels_with_the_next_call(server: Server) -> None:
    server.replies = [answer(body={}, set_cookie="mana.session_token=abc; Path=/")]
    async with client(server.url) as opened:
        got = await opened.request("GET", "/first", what="asking")
        await opened.request("GET", "/second", what="asking")
    assert got.set_cookies == ("mana.session_token=abc; Path=/",)
    assert "cookie" not in server.heads[1]


async def test_each_attempt_is_observed_without_secrets(server: Server) -> None:
    server.replies = [RESET, answer(503), answer(404, {"error": SECRET.reveal()})]
    seen: list[Any] = []
    async with client(server.url, observe=lambda *call: seen.append(call)) as opened:
        await opened.request("GET", "/thing", what="asking", params={"q": "a@b"}, bearer=SECRET)
    assert [call[:2] for call in seen] == [("GET", "/thing?q=a%40b")] * 3
    assert isinstance(seen[0][2], NoResponseError)
    assert [call[2] for call in seen[1:]] == [503, 404]
    assert "very-secret" not in repr(seen)


@pytest.mark.parametrize(("seconds", "connections"), [(http.KEEP_ALIVE_SECONDS, 1), (0.0, 3)])
async def test_an_idle_connection_is_left_before_the_server_closes_it(
    server: Server, monkeypatch: Patch, seconds: float, connections: int
) -> None:
    assert http.KEEP_ALIVE_SECONDS < 5
    monkeypatch.setattr(http, "KEEP_ALIVE_SECONDS", seconds)
    async with client(server.url) as opened:
        for _ in range(3):
            await opened.request("GET", "/thing", what="asking")
    assert server.connections == connections


async def test_an_application_is_called_in_this_process() -> None:
    async def app(scope: Any, _: Any, send: Any) -> None:
        if scope["path"] == "/fails":
            raise RuntimeError("a bug")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'"here"'})

    async with client("http://embedded.localhost", app=app) as opened:
        assert (await opened.request("GET", "/thing", what="asking")).body == "here"
        assert (await opened.request("GET", "/fails", what="asking")).status == 500


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_is_used_off_loopback_only(server: Server, monkeypatch: Patch, variable: str) -> None:
    monkeypatch.setenv(variable, f"http://user:p%23ss@127.0.0.1:{server.port}")
    async with client("http://auth.example.test", loopback=False) as opened:
        assert (await opened.request("GET", "/thing", what="asking")).status == 200
    assert server.seen == ["get http://auth.example.test/thing"]
    monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port()}")
    async with client(server.url) as opened:
        assert (await opened.request("GET", "/thing", what="asking")).status == 200


@pytest.mark.parametrize(
    ("hosts", "target"),
    [("::1,127.0.0.1", "/thing"), ("[::1],fd00::/8,other.test", "http://127.0.0.1:"), ("*", "/thing")],
)
async def test_no_proxy_can_have_ipv6_addresses(
    server: Server, monkeypatch: Patch, hosts: str, target: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", hosts)
    async with client(server.url, loopback=False) as opened:
        await opened.request("GET", "/thing", what="asking")
    assert server.seen[0].startswith(f"get {target}")


async def test_a_dead_proxy_is_named_as_what_does_not_answer(monkeypatch: Patch) -> None:
    port = closed_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET.reveal()[:13]}@127.0.0.1:{port}")
    async with client("https://auth.example.test", loopback=False) as opened:
        error = await failure(opened)
    assert error.message == f"Cannot connect to the proxy 127.0.0.1:{port}: nothing answers there."
    assert error.hint == "Check HTTPS_PROXY and NO_PROXY."


async def test_a_proxy_that_refuses_is_named(server: Server, monkeypatch: Patch) -> None:
    server.replies = [b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"]
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter22222@127.0.0.1:{server.port}")
    async with client("https://auth.example.test", loopback=False) as opened:
        error = await failure(opened)
    assert error.message.startswith(f"Cannot connect to the proxy 127.0.0.1:{server.port}: 407 Proxy Auth")
    assert "hunter2" not in error.message


@pytest.mark.parametrize(
    "value",
    [
        "http://user:hunter2#33@proxy.test:3128",
        "http://user:1234#hunter2@proxy.test:3128",
        "http://user:hunter2?@proxy.test",
        "http://user:hunter2@proxy.test:port",
        "socks5://user:hunter2@proxy.test",
        "ftp://hunter2@proxy.test",
    ],
)
async def test_an_unusable_proxy_names_the_variable_only(monkeypatch: Patch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(UnreachableError) as caught:
        async with client("https://auth.example.test", loopback=False):
            pass
    assert caught.value.message == "HTTPS_PROXY is not the URL of an HTTP proxy."
    assert caught.value.__cause__ is None
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), ("no PEM", "not a file of certificates")]
)
async def test_an_unusable_certificate_file_names_its_variable(
    monkeypatch: Patch, tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "hunter2.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(UnreachableError) as caught:
        async with client("https://127.0.0.1"):
            pass
    assert caught.value.message == f"SSL_CERT_FILE cannot be used: {reason}."
    async with client("http://127.0.0.1"):
        pass  # plain http does not need it


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = tmp_path / "local.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, form, serialization.NoEncryption()))
    return file


async def test_https_on_loopback_trusts_the_certificate_file(monkeypatch: Patch, certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with serve(tls) as server:
        async with client(server.url) as opened:
            error = await failure(opened)
        assert error.message.startswith(f"Cannot connect to {server.url}: [SSL: CERTIFICATE_VERIFY_FAILED] ")
        assert "SSL_CERT_FILE" in error.hint
        assert opened.requests == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with client(server.url) as opened:
            assert (await opened.request("GET", "/thing", what="asking")).status == 200
