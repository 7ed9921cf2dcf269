"""What is answered when something goes wrong in the service itself."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from personas.embedded import Embedded, schema

from .client import ANNA, PERSONAS, SIGN_IN, Client, Clock, body, call_raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Broken(Clock):
    """A clock that fails, or does something else first, when it is told to."""

    action: Any = None

    def __call__(self) -> dt.datetime:
        if self.action is not None:
            self.action()
        return super().__call__()


@pytest.fixture
def broken() -> Broken:
    return Broken()


@pytest.fixture
def client_of_broken(tmp_path: Path, broken: Broken) -> Iterator[Client]:
    with Embedded.open(tmp_path / "auth.db", clock=broken, scrypt_cost=2) as embedded:
        yield Client(embedded)


def test_a_bug_is_a_500_without_details_and_logged_for_the_developer(
    client_of_broken: Client, broken: Broken, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("secret-in-a-message")

    broken.action = fail
    answer = client_of_broken.call("GET", "/health")
    assert answer.status_code == 500
    assert answer.json() == {"statusCode": 500, "message": "Internal server error"}
    assert "a bug in the embedded service" in caplog.text


def test_a_database_that_fails_is_a_503(client_of_broken: Client, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of_broken
    token = client.embedded.admin_token()
    client.write(sa.text("DROP TABLE persona_feedback"), sa.text("DROP TABLE persona_actions"))
    answer = client.call("GET", PERSONAS, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 503
    assert answer.json() == {"statusCode": 503, "message": "Database unavailable"}
    assert "the database does not answer" in caplog.text


def test_a_user_deleted_in_the_middle_of_a_call_is_a_conflict(
    client_of_broken: Client, broken: Broken
) -> None:
    client = client_of_broken
    client.seed()
    cookie = client.cookie()
    calls = []

    def delete() -> None:
        calls.append(1)
        if len(calls) == 2:  # the first is the look-up of the session
            broken.action = None
            client.write(sa.delete(schema.users).where(schema.users.c.email == ANNA))

    broken.action = delete
    space = {"name": "X", "slug": "x", "metadata": {"type": "club"}}
    answer = client.as_user(cookie, "POST", "/api/auth/organization/create", json=space)
    assert (answer.status_code, answer.json()["error"]) == (409, "Conflict")


def test_a_client_that_goes_away_is_no_error(small: Client, caplog: pytest.LogCaptureFixture) -> None:
    half_a_body = {"type": "http.request", "body": b"{", "more_body": True}
    sent = call_raw(small.embedded.app, [half_a_body])
    assert (sent, caplog.records) == ([], [])


def test_an_error_of_the_database_shows_no_value(client: Client) -> None:
    row = {"name": "cookie", "value": "a-secret-value"}
    with pytest.raises(exc.IntegrityError) as caught:
        client.write(sa.insert(schema.secrets).values(row))
    assert "a-secret-value" not in str(caught.value)


def test_a_creation_logs_nothing(small: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="personas"):
        assert small.admin("POST", PERSONAS, json=body()).status_code == 200
    assert [record for record in caplog.records if record.name.startswith("personas")] == []


@pytest.mark.parametrize(("path", "status"), [("/sign-in", 401), (SIGN_IN, 400)])
def test_a_form_of_very_many_fields_is_no_error_of_the_service(small: Client, path: str, status: int) -> None:
    headers = {"origin": small.embedded.base_url, "content-type": "application/x-www-form-urlencoded"}
    assert small.call("POST", path, content="a=1&" * 1000, headers=headers).status_code == status
