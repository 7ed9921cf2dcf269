"""Whatever is sent, the answer is never an error of the service's own."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import SERVICE_KEY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personas.embedded import serving
from personas.embedded.bodies import Body

from .client import ANNA, BO, PASSWORD, PERSONAS, Client, body, call_raw

if TYPE_CHECKING:
    from starlette.types import Message

MODELS = [model for model in Body.__subclasses__() if model.__module__.startswith("personas.")]
NAMES = {field.alias or name for model in MODELS for name, field in model.model_fields.items()}
FIELDS = sorted({*NAMES, "type", "id", "createdAt"})
PARAMETERS = "search page limit tier q sort name id organizationId organizationSlug offset sortBy"
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
        st.sampled_from(PARAMETERS.split()),
        st.sampled_from(["", "1", "-1", "9" * 400, "%00", "%ff", "%ed%a0%80", "x" * 1001, "٣", "%", "_"]),
    ).map(lambda some: "&".join(f"{key}={value}" for key, value in some.items()).encode())
)
HEADER_NAMES = (
    b"authorization cookie x-service-key origin host x-forwarded-for "
    b"content-type content-length user-agent x-anything"
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(HEADER_NAMES.split()),
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

    def __init__(self, client: Client) -> None:
        self.app = client.embedded.app
        self.id = client.seed()
        client.seed(BO)
        self.headers = [
            (b"authorization", f"Bearer {client.embedded.admin_token()}".encode()),
            (b"cookie", client.cookie().encode()),
            (b"origin", client.embedded.base_url.encode()),
            (b"x-service-key", SERVICE_KEY.encode()),
        ]
        ends = {"/api/auth/sign-out", "/sign-out", "/api/v1/auth/logout"}  # which would take the right away
        routes = [route for route in cast("Any", self.app)._app._router.routes if route.path not in ends]
        self.calls = [(method, route.path) for route in routes for method in sorted(route.methods)]

    def ask(self, method: str, path: str, content: bytes = b"", **changes: Any) -> int:
        """Call with every right; the status, which is none of an error of the service's own."""
        messages: list[Message] = [
            {"type": "http.request", "body": content[:7], "more_body": True},
            {"type": "http.request", "body": content[7:]},
        ]
        request = {"method": method, "path": path, "raw_path": path.encode("utf-8", "replace")}
        start, *rest = call_raw(self.app, messages, **{"headers": self.headers, **request, **changes})
        answer = b"".join(part["body"] for part in rest)
        assert start["status"] < 500, answer
        kind = dict(start["headers"]).get(b"content-type", b"")
        assert kind.startswith((b"text/", b"application/json")) if kind else not answer
        if kind == b"application/json" and method != "HEAD":
            json.loads(answer)
        return int(start["status"])


@pytest.fixture
def target(client: Client) -> Target:
    return Target(client)


@pytest.fixture
def small_target(small: Client) -> Target:
    return Target(small)


@DETERMINISTIC
@given(st.data(), QUERIES, BODIES)
def test_no_call_with_every_right_gets_an_error_of_the_service(
    target: Target, data: st.DataObject, query: bytes, content: bytes
) -> None:
    method, path = data.draw(st.sampled_from(target.calls))
    path = path.replace("{id}", data.draw(st.just(target.id) | TEXT) if "{id}" in path else "")
    target.ask(method, path, content, query_string=query)


@DETERMINISTIC
@given(st.data(), TEXT, QUERIES, HEADERS, BODIES)
def test_no_call_without_rights_gets_an_error_of_the_service(
    small_target: Target,
    data: st.DataObject,
    some: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    content: bytes,
) -> None:
    method, path = data.draw(st.sampled_from([*small_target.calls, ("POST", "/api/auth/sign-out")]))
    small_target.ask(method, path.replace("{id}", some), content, query_string=query, headers=headers)


@DETERMINISTIC
@given(st.sampled_from(["GET", "HEAD", "PUT", "OPTIONS", "A\x00é", ""]), TEXT, QUERIES, BODIES)
def test_no_path_and_no_method_gets_an_error_of_the_service(
    small_target: Target, method: str, path: str, query: bytes, content: bytes
) -> None:
    small_target.ask(method, f"/{path}", content, query_string=query)


@pytest.mark.parametrize(
    ("depth", "status"), [(60, 200), (490, 200), (500, 400), (990, 400), (5000, 400), (200_000, 400)]
)
@pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"a":', "}")], ids=["lists", "objects"])
def test_no_depth_of_nesting_gets_an_error_of_the_service(
    small_target: Target, opening: str, closing: str, depth: int, status: int
) -> None:
    nested = opening * depth + "1" + closing * depth
    content = json.dumps(body())[:-1] + f', "moduleMix": {{"a": {nested}}}}}'
    assert small_target.ask("POST", PERSONAS, content.encode()) == status


@pytest.mark.parametrize("digits", [300, 5000])
def test_no_length_of_a_number_gets_an_error_of_the_service(target: Target, digits: int) -> None:
    for number in ("9" * digits, "-" + "9" * digits, f"1e{digits}", f"1.{'1' * digits}"):
        for field in ("latencyMs", "rating", "createdAt"):
            row = f'{{"tickId": "t", "toolName": "x", "module": "m", "result": "ok", "{field}": {number}}}'
            for kind in ("actions", "feedback"):
                path = f"/api/v1/internal/personas/{target.id}/{kind}"
                target.ask("POST", path, f'{{"{kind}": [{row}]}}'.encode())
        mix = json.dumps(body())[:-1] + f', "moduleMix": {{"notes": {number}}}}}'
        target.ask("POST", PERSONAS, mix.encode())
        for path in (PERSONAS, f"{PERSONAS}/{target.id}"):
            target.ask("GET", path)


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
