"""Whatever is sent, the answer is never an error of the service's own."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from conftest import SERVICE_KEY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personas.embedded import Embedded, serving
from personas.embedded.bodies import Body

from .client import ANNA, PASSWORD, Client, body
from .conftest import BOTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

MODELS = [model for model in Body.__subclasses__() if model.__module__.startswith("personas.")]
NAMES = {field.alias or name for model in MODELS for name, field in model.model_fields.items()}
FIELDS = sorted({*NAMES, "type", "id", "createdAt"})
PARAMETERS = (
    *("search", "page", "limit", "tier", "q", "sort", "name", "id"),
    *("organizationId", "organizationSlug", "offset", "sortBy"),
)
TEXT = st.text() | st.sampled_from(["", "\x00", "\ud800", ANNA, PASSWORD, "daily", "ok", "%", "a" * 3000])
NUMBERS = st.integers() | st.integers(-(2**70), 2**70) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | TEXT, inner, max_size=5)
    ),
    max_leaves=12,
)
RIGHT = {
    **body(),
    "slug": "s",
    "metadata": {"type": "club"},
    "role": "member",
    "actions": [{"tickId": "t", "toolName": "x", "result": "ok"}],
    "feedback": [{"tickId": "t", "module": "m", "rating": 3}],
}
NEARLY_RIGHT = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3).map(
    lambda some: {**RIGHT, **some}
)
NEARLY_ROWS = st.builds(
    lambda field, row: {field: [{"tickId": "t", "toolName": "x", "result": "ok", "rating": 3, **row}]},
    st.sampled_from(["actions", "feedback"]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
)
JSON_BODIES = (VALUES | NEARLY_RIGHT | NEARLY_ROWS).map(lambda value: json.dumps(value).encode())
BODIES = JSON_BODIES | JSON_BODIES | st.binary(max_size=50)
QUERIES = (
    st.just(b"")
    | st.binary(max_size=30)
    | st.dictionaries(
        st.sampled_from(PARAMETERS),
        st.sampled_from(["", "1", "-1", "9" * 400, "%00", "%ff", "%ed%a0%80", "x" * 1001, "٣", "%", "_"]),
    ).map(lambda some: "&".join(f"{key}={value}" for key, value in some.items()).encode())
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(b"authorization", b"cookie", b"x-service-key", b"origin", b"host", b"content-type"),
                *(b"content-length", b"user-agent", b"x-forwarded-for", b"x-anything"),
            ]
        ),
        st.binary(max_size=20)
        | st.sampled_from([b"Bearer ", b"Bearer a.b.c", b"mana.session_token=%00.%ff"]),
    ),
    max_size=3,
)
DETERMINISTIC = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Target:
    """A service, its calls, and every right on it that there is."""

    def __init__(self, embedded: Embedded) -> None:
        self.client = Client(embedded)
        self.embedded = embedded
        self.id = self.client.seed()
        self.client.seed("persona.bo@mana.test")
        self.headers = [
            (b"authorization", f"Bearer {embedded.admin_token()}".encode()),
            (b"cookie", self.client.cookie().encode()),
            (b"origin", embedded.base_url.encode()),
            (b"x-service-key", SERVICE_KEY.encode()),
        ]
        app: Any = embedded.app
        routes = app._app._router.routes
        self.calls = [(method, route.path) for route in routes for method in sorted(route.methods)]
        self.calls.remove(("POST", "/api/auth/sign-out"))  # which would take the right away
        self.calls.remove(("POST", "/sign-out"))
        self.calls.remove(("POST", "/api/v1/auth/logout"))

    def send(
        self, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Call the application as a server would, with what no client would send."""
        sent: list[MutableMapping[str, Any]] = []
        waiting = [
            {"type": "http.request", "body": content[:7], "more_body": True},
            {"type": "http.request", "body": content[7:], "more_body": False},
        ]

        async def receive() -> MutableMapping[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        anyio.run(self.embedded.app, scope, receive, send)
        start = sent[0]
        return start["status"], dict(start["headers"]), b"".join(part["body"] for part in sent[1:])


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, make_database: Callable[[str], str]) -> Iterator[Target]:
    place = make_database(getattr(request, "param", "sqlite"))
    with Embedded.open(place, scrypt_cost=2, service_key=SERVICE_KEY) as embedded:
        yield Target(embedded)


def _check(answer: tuple[int, dict[bytes, bytes], bytes], method: str) -> None:
    status, headers, content = answer
    assert status < 500, content
    kind = headers.get(b"content-type", b"")
    if kind == b"application/json" and method != "HEAD":
        json.loads(content)
    elif kind:
        assert kind.startswith((b"text/", b"application/json"))
    else:
        assert content == b""


@pytest.mark.parametrize("target", BOTH, indirect=True)
@DETERMINISTIC
@given(st.data(), QUERIES, BODIES)
def test_no_call_with_every_right_gets_an_error_of_the_service(
    target: Target, data: st.DataObject, query: bytes, content: bytes
) -> None:
    method, path = data.draw(st.sampled_from(target.calls))
    path = path.replace("{id}", data.draw(st.just(target.id) | TEXT) if "{id}" in path else "")
    _check(target.send(method, path, query, target.headers, content), method)


@DETERMINISTIC
@given(st.data(), TEXT, QUERIES, HEADERS, BODIES)
def test_no_call_without_rights_gets_an_error_of_the_service(
    target: Target,
    data: st.DataObject,
    some: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    content: bytes,
) -> None:
    method, path = data.draw(st.sampled_from([*target.calls, ("POST", "/api/auth/sign-out")]))
    _check(target.send(method, path.replace("{id}", some), query, headers, content), method)


@DETERMINISTIC
@given(st.sampled_from(["GET", "HEAD", "PUT", "OPTIONS", "A\x00é", ""]), TEXT, QUERIES, BODIES)
def test_no_path_and_no_method_gets_an_error_of_the_service(
    target: Target, method: str, path: str, query: bytes, content: bytes
) -> None:
    _check(target.send(method, f"/{path}", query, target.headers, content), method)


@pytest.mark.parametrize(
    ("depth", "status"), [(60, 200), (490, 200), (500, 400), (990, 400), (5000, 400), (200_000, 400)]
)
def test_no_depth_of_nesting_gets_an_error_of_the_service(target: Target, depth: int, status: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        nested = opening * depth + "1" + closing * depth
        content = json.dumps(body("persona.deep@mana.test"))[:-1] + f', "moduleMix": {{"a": {nested}}}}}'
        answer = target.send("POST", "/api/v1/admin/personas", b"", target.headers, content.encode())
        _check(answer, "POST")
        assert answer[0] == status


@pytest.mark.parametrize("target", BOTH, indirect=True)
@pytest.mark.parametrize("digits", [300, 5000])
def test_no_length_of_a_number_gets_an_error_of_the_service(target: Target, digits: int) -> None:
    for number in ("9" * digits, "-" + "9" * digits, f"1e{digits}", f"1.{'1' * digits}"):
        for field in ("latencyMs", "rating", "createdAt"):
            row = f'{{"tickId": "t", "toolName": "x", "module": "m", "result": "ok", "{field}": {number}}}'
            for kind in ("actions", "feedback"):
                path = f"/api/v1/internal/personas/{target.id}/{kind}"
                content = f'{{"{kind}": [{row}]}}'.encode()
                _check(target.send("POST", path, b"", target.headers, content), "POST")
        mix = json.dumps(body())[:-1] + f', "moduleMix": {{"notes": {number}}}}}'
        for method, content in (("POST", mix.encode()), ("GET", b"")):
            answer = target.send(method, "/api/v1/admin/personas", b"", target.headers, content)
            _check(answer, method)
        _check(target.send("GET", f"/api/v1/admin/personas/{target.id}", b"", target.headers, b""), "GET")


WIRE = (
    b"",
    b"\x00" * 100,
    b"GET\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%ff%00%ed%a0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1/x HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
)


def test_nothing_on_the_wire_stops_the_server_or_gets_an_error_of_it(small: Client) -> None:
    with serving(small.embedded) as url:
        split = urlsplit(url)
        address = (split.hostname or "", split.port or 0)
        for raw in WIRE:
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.makefile("rb").read()
            assert not answer.startswith(b"HTTP/1.1 5"), raw
        health = httpx.get(f"{url}/health")
    assert health.json()["status"] == "ok"
