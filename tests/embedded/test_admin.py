"""The admin's calls beyond what the recordings show."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from personas.embedded import schema

from .client import PERSONAS, Client, Clock, body

USERS = "/api/v1/admin/users"


def test_a_persona_shows_its_last_twenty_actions_and_counts_those_of_a_week(
    small: Client, clock: Clock
) -> None:
    user_id = small.seed()
    same = {"persona_id": user_id, "tick_id": "t", "tool_name": "todo.create", "result": "ok"}
    rows = [
        {**same, "id": f"a{number:02}", "created_at": clock() - dt.timedelta(days=number)}
        for number in range(25)
    ]
    small.write(sa.insert(schema.persona_actions).values(rows))
    shown = small.admin("GET", f"{PERSONAS}/{user_id}").json()["recentActions"]
    assert [action["id"] for action in shown] == [f"a{number:02}" for number in range(20)]
    assert small.live()[0]["actions7d"] == 7


def test_deleting_a_persona_deletes_everything_that_hangs_on_it(client: Client, clock: Clock) -> None:
    user_id = client.seed()
    client.cookie()
    client.write(
        sa.insert(schema.persona_feedback).values(
            id="f", persona_id=user_id, tick_id="t", module="notes", rating=5, created_at=clock()
        )
    )
    assert client.admin("DELETE", f"{PERSONAS}/{user_id}").json() == {"ok": True, "deleted": user_id}
    for table in (schema.personas, schema.persona_feedback, schema.sessions):
        assert client.rows(table) == []
    assert [row["email"] for row in client.rows(schema.users)] == ["admin@embedded.localhost"]


def test_very_many_personas_are_listed_whole(small: Client) -> None:
    ids = small.add_crowd({} for _ in range(2_000))
    same = {"tick_id": "t", "tool_name": "x", "result": "ok", "created_at": small.embedded._service.now()}
    actions = [{**same, "id": f"a{number}", "persona_id": ids[number % 100]} for number in range(1000)]
    small.write(sa.insert(schema.persona_actions).values(actions))
    listed = small.live()
    assert [persona["userId"] for persona in listed] == ids
    assert sum(persona["actions7d"] for persona in listed) == 1000


def test_a_search_finds_part_of_an_email_or_a_name_in_any_case(client: Client) -> None:
    client.register("oezlem@mana.test", name="Özlem Ärmel")
    for search in ("ZLEM@mana", "özlem ä", "ÖZLEM"):
        found = client.admin("GET", USERS, params={"search": search}).json()["users"]
        assert [user["email"] for user in found] == ["oezlem@mana.test"]


@pytest.mark.parametrize(
    ("text", "number", "rows"),
    [("0", 0, 0), ("-1", -1, 1), ("٣", None, 1), ("9" * 30, 10**20 - 1, 0)],
)
def test_a_page_and_a_limit_are_numbers_that_no_database_has_to_count(
    client: Client, text: str, number: int | None, rows: int
) -> None:
    answer = client.admin("GET", USERS, params={"page": text, "limit": text}).json()
    assert (answer["page"], answer["limit"], answer["total"]) == (number, number, 1)
    assert len(answer["users"]) == rows


@pytest.mark.parametrize(("length", "status"), [(10_000, 200), (10_001, 400)])
def test_a_search_is_refused_before_it_is_too_long_for_a_database(
    client: Client, length: int, status: int
) -> None:
    assert client.admin("GET", USERS, params={"search": "x" * length}).status_code == status


def test_a_body_of_many_megabytes_is_refused(small: Client) -> None:
    answer = small.admin("POST", PERSONAS, content=b" " * (4 * 1024 * 1024 + 1))
    assert answer.status_code == 413


def test_a_service_without_its_admin_still_lets_its_owner_in(small: Client) -> None:
    small.write(sa.delete(schema.users))
    assert small.admin("POST", PERSONAS, json=body()).status_code == 200


def test_a_reset_leaves_a_fresh_service_with_a_new_admin_and_new_keys(client: Client) -> None:
    client.seed()
    old_token, old_admin = client.embedded.admin_token(), client.embedded.admin
    assert (client.embedded.count().users, client.embedded.count().personas) == (2, 1)
    client.embedded.reset()
    assert (client.embedded.count().users, client.embedded.count().personas) == (1, 0)
    assert client.embedded.admin not in (None, old_admin)
    assert client.call("GET", PERSONAS, headers={"authorization": f"Bearer {old_token}"}).status_code == 401
    client.seed()
