"""The admin's calls beyond what the recording shows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from personas.embedded import schema

from .client import ANNA, BO, PASSWORD, PERSONAS, Client, Clock, body

if TYPE_CHECKING:
    from pathlib import Path

USERS = "/api/v1/admin/users"


def _found(client: Client, **params: str | int) -> list[str]:
    return [user["email"] for user in client.admin("GET", USERS, params=params).json()["users"]]


def test_an_update_changes_the_descriptor_and_neither_name_nor_password(client: Client, clock: Clock) -> None:
    user_id = client.seed()
    before = client.user(ANNA), client.rows(schema.accounts), client.live()[0]["createdAt"]
    clock.advance(minutes=1)
    client.seed(name="Another", password="another-password", archetype="solo-dev", tickCadence="hourly")
    detail = client.admin("GET", f"{PERSONAS}/{user_id}").json()["persona"]
    assert (detail["archetype"], detail["tickCadence"], detail["name"]) == ("solo-dev", "hourly", "Anna")
    assert (client.rows(schema.accounts), client.live()[0]["createdAt"]) == (before[1], before[2])
    assert client.login().status_code == 200


def test_a_persona_without_a_name_is_called_by_the_local_part_of_its_email(client: Client) -> None:
    client.admin("POST", PERSONAS, json={key: value for key, value in body().items() if key != "name"})
    assert client.live()[0]["name"] == "persona.anna"


def test_every_mistake_of_a_body_is_named_at_once(small: Client) -> None:
    wrong = {"email": 1, "name": [], "password": "é" * 7, "moduleMix": 1, "tickCadence": {}}
    answer = small.admin("POST", PERSONAS, json=wrong)
    assert answer.json()["details"] == [
        "email required",
        "password ≥ 8 chars required",
        "archetype required",
        "systemPrompt required",
        "moduleMix object required",
        "tickCadence must be one of daily, weekdays, hourly",
    ]


def test_a_password_is_measured_in_utf16_units_as_javascript_does(small: Client) -> None:
    assert small.admin("POST", PERSONAS, json=body(password="😀" * 4)).status_code == 200
    assert small.admin("POST", PERSONAS, json=body(BO, password="😀" * 65)).status_code == 400


def test_personas_are_listed_newest_first(client: Client, clock: Clock) -> None:
    for email in (BO, ANNA, "persona.cleo@mana.test"):
        client.seed(email)
        clock.advance(seconds=1)
    assert [persona["email"] for persona in client.live()] == ["persona.cleo@mana.test", ANNA, BO]


def test_a_persona_shows_its_last_twenty_actions_newest_first(client: Client, clock: Clock) -> None:
    user_id = client.seed()
    client.write(
        sa.insert(schema.persona_actions).values(
            [
                {
                    "id": f"a{number:02}",
                    "persona_id": user_id,
                    "tick_id": "t",
                    "tool_name": "todo.create",
                    "result": "ok",
                    "created_at": clock() - dt.timedelta(days=number),
                }
                for number in range(25)
            ]
        )
    )
    shown = client.admin("GET", f"{PERSONAS}/{user_id}").json()["recentActions"]
    assert [action["id"] for action in shown] == [f"a{number:02}" for number in range(20)]
    assert client.live()[0]["actions7d"] == 7


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


def test_the_same_calls_are_at_the_second_path(client: Client) -> None:
    second = "/api/v1/personas/admin"
    made = client.admin("POST", second, json=body()).json()["userId"]
    assert client.admin("GET", second).json() == client.admin("GET", PERSONAS).json()
    assert client.admin("GET", f"{second}/{made}").json()["persona"]["userId"] == made
    assert client.admin("DELETE", f"{second}/{made}").status_code == 200


def test_in_a_search_percent_and_underscore_stand_for_whatever(client: Client) -> None:
    for email in ("per_cent@mana.test", "perxcent@mana.test"):
        client.register(email, name="100% sure" if "_" in email else "100 sure")
    both = ["per_cent@mana.test", "perxcent@mana.test"]
    assert sorted(_found(client, search="per_cent")) == both
    assert sorted(_found(client, search="p%_cent@")) == both
    assert _found(client, search="0%sure%per") == []
    assert _found(client, search="per\\_cent") == ["per_cent@mana.test"]
    assert _found(client, search="100\\%") == ["per_cent@mana.test"]
    assert _found(client, search="\\") == []


def test_a_search_finds_part_of_an_email_or_a_name_in_any_case(client: Client) -> None:
    client.register("oezlem@mana.test", name="Özlem Ärmel")
    assert _found(client, search="ZLEM@mana") == ["oezlem@mana.test"]
    assert _found(client, search="özlem ä") == ["oezlem@mana.test"]
    assert _found(client, search="ÖZLEM") == ["oezlem@mana.test"]


def test_users_come_newest_first_in_pages(client: Client, clock: Clock) -> None:
    emails = [f"user{number:03}@mana.test" for number in range(130)]
    for_insert = [
        {
            "id": email,
            "name": "U",
            "email": email,
            "kind": "human",
            "created_at": clock() + dt.timedelta(seconds=number),
            "updated_at": clock(),
        }
        for number, email in enumerate(emails)
    ]
    client.write(sa.insert(schema.users).values(for_insert))
    every = client.admin("GET", USERS, params={"search": "user", "limit": 1000}).json()
    assert [user["email"] for user in every["users"]] == emails[::-1]
    first = client.admin("GET", USERS, params={"search": "user", "limit": 100}).json()
    assert (first["total"], first["page"], first["limit"]) == (130, 1, 100)
    assert [user["email"] for user in first["users"]] == emails[:29:-1]
    second = client.admin("GET", USERS, params={"search": "user", "limit": 100, "page": 2}).json()
    assert [user["email"] for user in second["users"]] == emails[29::-1]
    assert _found(client, search="user", page=9) == []


@pytest.mark.parametrize(
    ("text", "number", "rows"),
    [
        ("", (1, 20), 1),
        ("1.5", (1, 1), 1),
        (" +1x", (1, 1), 1),
        ("0", (0, 0), 0),
        ("-1", (-1, -1), 1),
        ("x", (None, None), 1),
        ("٣", (None, None), 1),
    ],
)
def test_a_page_and_a_limit_are_read_as_parse_int_reads_them(
    small: Client, text: str, number: tuple[int | None, int | None], rows: int
) -> None:
    answer = small.admin("GET", USERS, params={"page": text, "limit": text}).json()
    assert ((answer["page"], answer["limit"]), answer["total"]) == (number, 1)
    assert len(answer["users"]) == rows


def test_a_tier_that_there_is_none_of_is_refused(small: Client) -> None:
    small.seed()
    assert _found(small, tier="beta") == []
    assert _found(small, tier="founder") == ["admin@embedded.localhost", ANNA]
    answer = small.admin("GET", USERS, params={"tier": "gold"})
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid tier"})


def test_a_huge_page_is_empty(client: Client) -> None:
    assert _found(client, page="9" * 30) == []


def test_a_very_long_search_is_refused_rather_than_too_much_for_the_database(client: Client) -> None:
    assert client.admin("GET", USERS, params={"search": "x" * 60_000}).status_code == 400


def test_an_id_that_no_database_could_store_is_not_found(client: Client) -> None:
    assert client.admin("GET", f"{PERSONAS}/a%00b").status_code == 404
    assert client.admin("DELETE", f"{PERSONAS}/%00").status_code == 404
    assert client.admin("GET", USERS, params={"search": "\x00"}).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_a_wrong_method_is_a_wrong_path(small: Client, method: str) -> None:
    answer = small.admin(method, PERSONAS)
    assert (answer.status_code, answer.text) == (404, "404 Not Found")
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"


def test_a_body_of_many_megabytes_is_refused(small: Client) -> None:
    answer = small.admin("POST", PERSONAS, content=b" " * (4 * 1024 * 1024 + 1))
    assert answer.status_code == 413


def test_a_service_without_its_admin_still_lets_its_owner_in(tmp_path: Path) -> None:
    from personas.embedded import Embedded

    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as embedded:
        client = Client(embedded)
        client.write(sa.delete(schema.users))
        assert client.admin("POST", PERSONAS, json=body(password=PASSWORD)).status_code == 200


def test_a_reset_leaves_a_fresh_service_with_a_new_admin_and_new_keys(client: Client) -> None:
    client.seed()
    old_token, old_admin = client.embedded.admin_token(), client.embedded.admin
    assert (client.embedded.count().users, client.embedded.count().personas) == (2, 1)
    client.embedded.reset()
    assert (client.embedded.count().users, client.embedded.count().personas) == (1, 0)
    assert client.embedded.admin not in (None, old_admin)
    assert client.call("GET", PERSONAS, headers={"authorization": f"Bearer {old_token}"}).status_code == 401
    client.seed()
