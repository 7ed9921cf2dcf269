"""The runner's side, beyond what the recordings show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from conftest import SERVICE_KEY, as_new

from personas.embedded import Embedded, schema

from .client import Client, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

INTERNAL = "/api/v1/internal/personas"
NO_KEY = (401, {"statusCode": 401, "message": "Invalid or missing service key"})
TABLES = (schema.persona_actions, schema.persona_feedback)


def _get(client: Client, path: str, key: str = SERVICE_KEY) -> httpx.Response:
    return client.call("GET", f"{INTERNAL}/{path}", headers={"x-service-key": key.encode()})


def _action(number: int = 0, **changes: Any) -> dict[str, Any]:
    action = {"tickId": f"t{number}", "toolName": "todo.create", "result": "ok", "latencyMs": 12}
    return {**action, **changes}


@pytest.mark.parametrize("path", ["due", "no/such/call", ""])
def test_a_key_that_no_header_can_hold_is_a_wrong_one_wherever_one_asks(small: Client, path: str) -> None:
    answer = _get(small, path, "é")
    assert (answer.status_code, answer.json()) == NO_KEY


def test_without_a_key_of_its_own_the_runners_side_is_closed(standing_sqlite: Embedded) -> None:
    client = Client(as_new(standing_sqlite, service_key=None))
    for key in ("", "None"):
        assert _get(client, "due", key).status_code == 401


def test_who_was_never_active_comes_first_and_then_the_longest_idle(client: Client, clock: Clock) -> None:
    emails = [f"persona.{name}@mana.test" for name in ("a", "b", "c")]
    ids = [client.seed(email) for email in emails]
    client.run(ids[0], "actions", _action(1))
    clock.advance(hours=-1)
    client.run(ids[1], "actions", _action(2))
    clock.advance(days=2)
    due = [persona["email"] for persona in _get(client, "due").json()["personas"]]
    assert due == [emails[2], emails[1], emails[0]]


@pytest.mark.parametrize(("field", "active"), [("actions", True), ("feedback", False)])
def test_actions_move_the_activity_also_known_ones(
    small: Client, clock: Clock, field: str, active: bool
) -> None:
    user_id = small.seed()
    for _ in range(2):
        clock.advance(hours=1)
        assert small.run(user_id, field, {**_action(), "module": "notes", "rating": 4}).status_code == 200
        assert (small.rows(schema.personas)[0]["last_active_at"] == clock.moment) is active


def test_an_id_is_cut_to_255_units_as_javascript_counts_them_and_its_first_row_counts(small: Client) -> None:
    user_id = small.seed()
    tick = "x" * 254 + "\N{GRINNING FACE}"
    rows = [_action(tickId=tick, inputHash=given) for given in ("first", "second")]
    assert small.run(user_id, "actions", *rows).status_code == 200
    (row,) = small.rows(schema.persona_actions)
    assert (row["id"], row["tick_id"]) == ("x" * 254 + "\N{REPLACEMENT CHARACTER}", tick)
    assert row["input_hash"] == "first"


@pytest.mark.parametrize(
    ("field", "column", "stored"),
    [
        (
            "inputHash",
            "input_hash",
            # What is no text is kept as JSON where any value may stand.
            [
                *((None, None), ("", ""), ("text", "text"), (0, "0"), (1.5, "1.5"), (True, "true")),
                *(([], "[]"), (["a"], '["a"]'), ({"a": 1}, '{"a": 1}')),
            ],
        ),
        (
            "latencyMs",
            "latency_ms",
            # Milliseconds are a number of the database, also as text.
            [
                *((0, 0), (-1, -1), (12.0, 12), (f"{12:030}", 12), (" +012 ", 12), (None, None)),
                *((2**31 - 1, 2**31 - 1), (-(2**31), -(2**31))),
            ],
        ),
    ],
)
def test_values_are_kept_as_the_database_takes_them(
    client: Client, field: str, column: str, stored: list[tuple[object, object]]
) -> None:
    user_id = client.seed()
    rows = [_action(number, **{field: given}) for number, (given, _) in enumerate(stored)]
    assert client.run(user_id, "actions", *rows).status_code == 200
    kept = {row["tick_id"]: row[column] for row in client.rows(schema.persona_actions)}
    assert [kept[f"t{number}"] for number in range(len(stored))] == [value for _, value in stored]


@pytest.mark.parametrize(("field", "most"), [("actions", 500), ("feedback", 100)])
def test_a_batch_has_so_many_rows_at_the_most(client: Client, field: str, most: int) -> None:
    user_id = client.seed()
    rows = [{**_action(number), "module": "notes", "rating": 4} for number in range(most + 1)]
    assert client.run(user_id, field, *rows[:most]).json() == {"ok": True, "written": most}
    for wrong in (rows, [{}, *rows]):
        answer = client.run(user_id, field, *wrong)
        told = {"error": f"`{field}` batch size must be ≤ {most}"}
        assert (answer.status_code, answer.json()) == (400, told)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("actions", {"latencyMs": 2**31}),
        ("actions", {"latencyMs": -(2**31) - 1}),
        ("actions", {"latencyMs": 1.5}),
        ("actions", {"latencyMs": True}),
        ("actions", {"latencyMs": "12.0"}),
        ("actions", {"latencyMs": "9" * 5000}),
        ("feedback", {"rating": True}),
        ("feedback", {"rating": "4"}),
        ("feedback", {"module": "é" * 1301}),
    ],
)
def test_a_bad_row_refuses_the_whole_batch(small: Client, field: str, change: dict[str, object]) -> None:
    user_id = small.seed()
    right = {**_action(1), "module": "notes", "rating": 4}
    answer = small.run(user_id, field, right, {**right, **change})
    word = {"actions": "action", "feedback": "feedback"}[field]
    told = {"error": f"One or more {word} rows failed validation"}
    assert (answer.status_code, answer.json()) == (400, told)
    assert [small.rows(table) for table in TABLES] == [[], []]
    assert small.rows(schema.personas)[0]["last_active_at"] is None


def test_a_persona_deleted_meanwhile_gets_no_rows(small: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = small.seed()
    service = small.embedded._service
    write = service.database.write

    def delete_first(work: Callable[[sa.Connection], Any]) -> Any:
        delete = sa.delete(schema.users).where(schema.users.c.id == user_id)
        write(lambda connection: connection.execute(delete))
        return write(work)

    with monkeypatch.context() as patch:
        patch.setattr(service.database, "write", delete_first)
        answer = small.run(user_id, "actions", _action())
    assert (answer.status_code, answer.json()) == (404, {"error": "Persona not found"})
    assert small.rows(schema.persona_actions) == []
