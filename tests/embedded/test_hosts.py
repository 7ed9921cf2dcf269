"""Under which names the service is served, and whose word counts for where a request comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from personas.embedded import serving
from personas.embedded.hosts import host_of, served_hosts

from .client import ANNA, PASSWORD, SIGN_IN, Client

if TYPE_CHECKING:
    from personas.embedded import Embedded


@pytest.fixture
def embedded(small: Client) -> Embedded:
    small.seed()
    return small.embedded


def _get(url: str, host: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers={"host": host, **headers})


def test_on_loopback_only_names_of_this_machine_are_served(embedded: Embedded) -> None:
    foreign = ("evil.example", "localhost.evil.example", "embedded.localhost", "127.0.0.2", "[::2]", "[")
    with serving(embedded) as url:
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:3001"):
            assert _get(url, host).status_code == 200
        for host in foreign:
            answer = _get(url, host)
            assert (answer.status_code, ANNA in answer.text) == (400, False)
        told = _get(url, "evil.example:80").text
    assert "'evil.example'" in told
    assert "personas serve --allow-host evil.example" in told


def test_a_name_that_was_rebound_to_this_machine_signs_nobody_in(embedded: Embedded) -> None:
    form = {"email": ANNA, "password": PASSWORD}
    headers = {"host": "evil.example", "origin": "http://evil.example"}
    with serving(embedded) as url:
        for path in ("/sign-in", SIGN_IN):
            answer = httpx.post(url + path, data=form, headers=headers)
            assert (answer.status_code, "set-cookie" in answer.headers) == (400, False)


def test_allowed_names_and_the_bound_one_are_served(embedded: Embedded) -> None:
    with serving(embedded, host="127.0.0.2", allow_hosts=["Auth.Test"]) as url:
        for host, status in {"auth.test:3001": 200, "127.0.0.2": 200, "localhost": 200, "other": 400}.items():
            assert _get(f"{url}/health", host).status_code == status


@pytest.mark.parametrize(
    ("name", "address", "allowed", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", (), {"localhost", "127.0.0.1", "::1"}),
        ("Dev.Test", "127.0.0.1", (), {"localhost", "127.0.0.1", "::1", "dev.test"}),
        ("0.0.0.0", "0.0.0.0", (), None),
        ("::", "::", (), None),
        ("0.0.0.0", "0.0.0.0", ("auth",), {"localhost", "127.0.0.1", "::1", "0.0.0.0", "auth"}),
    ],
)
def test_where_other_machines_come_in_every_name_is_served_until_one_is_told(
    name: str, address: str, allowed: tuple[str, ...], expected: set[str] | None
) -> None:
    assert served_hosts(name, address, allowed) == expected


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost:3001", "localhost"),
        ("[::1]:3001", "::1"),
        ("EVIL.example", "evil.example"),
        ("localhost@evil.example", "evil.example"),
        ("", ""),
        ("[", ""),
        ("localhost/evil", "localhost"),
    ],
)
def test_a_host_is_read_without_its_port(header: str, host: str) -> None:
    assert host_of(header) == host


def test_served_to_other_machines_a_foreign_name_does_not_count_as_this_machine(embedded: Embedded) -> None:
    with serving(embedded, host="0.0.0.0") as url:
        assert ANNA in _get(url, "localhost").text
        answer = _get(url, "evil.example")
    assert (answer.status_code, ANNA in answer.text) == (200, False)


def test_x_forwarded_for_is_believed_from_trusted_proxies_alone_whatever_uvicorns_variables_say(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    foreign = {"x-forwarded-for": "203.0.113.9"}
    with serving(embedded) as url:
        assert ANNA in _get(url, "localhost", **foreign).text
    with serving(embedded, trusted_proxies=["127.0.0.1"]) as url:
        assert ANNA not in _get(url, "localhost", **foreign).text
        pretended = {"x-forwarded-for": "127.0.0.1, 203.0.113.9"}
        assert ANNA not in _get(url, "localhost", **pretended).text
        assert ANNA in _get(url, "localhost").text
    with serving(embedded, trusted_proxies=["10.0.0.0/8"]) as url:
        assert ANNA in _get(url, "localhost", **foreign).text


def test_in_process_it_is_served_under_its_own_name(embedded: Embedded) -> None:
    assert embedded.base_url == "http://embedded.localhost"
    assert ANNA in Client(embedded).call("GET", "/").text
