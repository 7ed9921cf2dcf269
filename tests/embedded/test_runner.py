"""The runner's side."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from conftest import SERVICE_KEY

from personas.embedded import Embedded, schema

from .client import ANNA, BO, Client, Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

DUE = "/api/v1/internal/personas/due"
HOURS = {"hourly": 1, "daily": 24, "weekdays": 24}


def _call(client: Client, method: str, path: str, **options: Any) -> httpx.Response:
    return client.call(method, path, headers={"x-service-key": SERVICE_KEY}, **options)


def _due(client: Client) -> list[str]:
    return [persona["email"] for persona in _call(client, "GET", DUE).json()["personas"]]


def _action(number: int = 0, **changes: Any) -> dict[str, Any]:
    action = {"tickId": f"t{number}", "toolName": "todo.create", "result": "ok", "latencyMs": 12}
    return {**action, **changes}


def _add(client: Client, user_id: str, field: str, rows: object) -> httpx.Response:
    return _call(client, "POST", f"/api/v1/internal/personas/{user_id}/{field}", json={field: rows})


@pytest.mark.parametrize("path", ["due", "nobody/actions", "no/such/call", ""])
@pytest.mark.parametrize("key", [None, "", "another", "é"])
def test_the_runners_side_needs_the_right_key_wherever_one_asks(
    small: Client, key: str | None, path: str
) -> None:
    headers = {} if key is None else {"x-service-key": key.encode()}
    answer = small.call("GET", f"/api/v1/internal/personas/{path}", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"statusCode": 401, "message": "Invalid or missing service key"}


def test_without_a_key_of_its_own_the_runners_side_is_closed(tmp_path: Path) -> None:
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as embedded:
        for key in ("", "None"):
            answer = Client(embedded).call("GET", DUE, headers={"x-service-key": key})
            assert answer.status_code == 401


@pytest.mark.parametrize("cadence", HOURS)
def test_a_persona_is_due_when_its_time_has_passed_since_its_last_activity(
    client: Client, clock: Clock, cadence: str
) -> None:
    user_id = client.seed(tickCadence=cadence)
    assert _due(client) == [ANNA]
    _add(client, user_id, "actions", [_action()])
    assert _due(client) == []
    clock.advance(hours=HOURS[cadence], seconds=-1)
    assert _due(client) == []
    clock.advance(seconds=1)
    assert _due(client) == [ANNA]


def test_a_weekday_persona_rests_on_saturday_and_sunday_in_utc(client: Client, clock: Clock) -> None:
    client.seed(tickCadence="weekdays")
    client.seed(BO, tickCadence="daily")
    friday = dt.datetime(2026, 11, 27, 23, 59, 59, tzinfo=dt.UTC)
    for days, expected in ((0, {ANNA, BO}), (1, {BO}), (2, {BO}), (3, {ANNA, BO})):
        clock.moment = friday + dt.timedelta(days=days)
        assert set(_due(client)) == expected
    # Saturday in the west is Sunday, or still Saturday, in UTC: the zone of the clock does not matter.
    clock.moment = dt.datetime(2026, 11, 27, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-2)))
    assert _due(client) == [BO]


def test_who_was_never_active_comes_first_and_then_the_longest_idle(client: Client, clock: Clock) -> None:
    emails = [f"persona.{name}@mana.test" for name in ("a", "b", "c")]
    ids = [client.seed(email) for email in emails]
    _add(client, ids[0], "actions", [_action(1)])
    clock.advance(hours=-1)
    _add(client, ids[1], "actions", [_action(2)])
    clock.advance(days=2)
    assert _due(client) == [emails[2], emails[1], emails[0]]


def test_a_due_persona_comes_with_what_the_runner_plays(small: Client) -> None:
    user_id = small.seed()
    told = _call(small, "GET", DUE).json()
    assert told["serverTime"] == "2026-11-23T12:00:00.000Z"
    (persona,) = told["personas"]
    assert persona == {
        "userId": user_id,
        "email": ANNA,
        "archetype": "researcher",
        "systemPrompt": "You are Anna, 36, and you keep careful notes.",
        "moduleMix": {"notes": 0.6, "todo": 0.4},
        "tickCadence": "daily",
        "lastActiveAt": None,
    }


def test_a_batch_is_stored_and_sets_the_last_activity(client: Client) -> None:
    user_id = client.seed()
    # An id and a moment of the runner's own are not heeded.
    rows = [_action(1, id="mine"), _action(1, result="error", errorMessage="boom", createdAt="2026-01-01")]
    answer = _add(client, user_id, "actions", rows)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "written": 2})
    detail = client.admin("GET", f"/api/v1/admin/personas/{user_id}").json()
    assert detail["persona"]["lastActiveAt"] == "2026-11-23T12:00:00.000Z"
    by_id = {action["id"]: action for action in detail["recentActions"]}
    assert set(by_id) == {"t1-0-todo.create", "t1-1-todo.create"}
    assert by_id["t1-1-todo.create"] == {
        "id": "t1-1-todo.create",
        "personaId": user_id,
        "tickId": "t1",
        "toolName": "todo.create",
        "inputHash": None,
        "result": "error",
        "errorMessage": "boom",
        "latencyMs": 12,
        "createdAt": "2026-11-23T12:00:00.000Z",
    }


@pytest.mark.parametrize(("field", "active"), [("actions", True), ("feedback", False)])
def test_a_repeated_batch_adds_nothing_and_only_actions_move_the_activity(
    client: Client, clock: Clock, field: str, active: bool
) -> None:
    user_id = client.seed()
    batch = [{**_action(number), "module": "notes", "rating": 4} for number in range(3)]
    tables = (schema.persona_actions, schema.persona_feedback)
    moments = []
    for _ in range(2):
        clock.advance(hours=1)
        assert _add(client, user_id, field, batch).json() == {"ok": True, "written": 3}
        moments.append(client.rows(schema.personas)[0]["last_active_at"] == clock.moment)
        assert sorted(len(client.rows(table)) for table in tables) == [0, 3]
    assert moments == [active, active]


def test_a_module_is_rated_once_in_a_tick_and_the_first_word_counts(client: Client) -> None:
    user_id = client.seed()
    for rating in (4, 1):
        rows = [{"tickId": "t", "module": "notes", "rating": rating}]
        assert _add(client, user_id, "feedback", rows).json() == {"ok": True, "written": 1}
    assert [row["rating"] for row in client.rows(schema.persona_feedback)] == [4]


def test_a_row_that_another_persona_has_is_not_added_a_second_time(client: Client) -> None:
    anna, bo = client.seed(ANNA), client.seed(BO)
    _add(client, anna, "actions", [_action(1)])
    assert _add(client, bo, "actions", [_action(1), _action(2)]).json() == {"ok": True, "written": 2}
    stored = {row["id"]: row["persona_id"] for row in client.rows(schema.persona_actions)}
    assert stored == {"t1-0-todo.create": anna, "t2-1-todo.create": bo}


def test_an_id_is_cut_to_255_units_as_javascript_counts_them(client: Client) -> None:
    user_id = client.seed()
    tick = "x" * 254 + "\N{GRINNING FACE}"
    assert _add(client, user_id, "actions", [_action(tickId=tick), _action(tickId=tick)]).status_code == 200
    (row,) = client.rows(schema.persona_actions)
    assert (row["id"], row["tick_id"]) == ("x" * 254 + "\N{REPLACEMENT CHARACTER}", tick)


def test_what_is_no_text_is_kept_as_json_where_any_value_may_stand(client: Client) -> None:
    user_id = client.seed()
    values: tuple[object, ...] = (None, "", "text", 0, 1.5, True, [], ["a"], {"a": 1})
    rows = [_action(number, inputHash=value) for number, value in enumerate(values)]
    assert _add(client, user_id, "actions", rows).status_code == 200
    stored = {row["tick_id"]: row["input_hash"] for row in client.rows(schema.persona_actions)}
    expected = [None, "", "text", "0", "1.5", "true", "[]", '["a"]', '{"a": 1}']
    assert [stored[f"t{number}"] for number in range(len(values))] == expected


def test_milliseconds_are_a_number_of_the_database_also_as_text(client: Client) -> None:
    user_id = client.seed()
    values = (0, -1, 12.0, f"{12:030}", " +012 ", 2**31 - 1, -(2**31), None)
    rows = [_action(number, latencyMs=value) for number, value in enumerate(values)]
    assert _add(client, user_id, "actions", rows).status_code == 200
    stored = {row["tick_id"]: row["latency_ms"] for row in client.rows(schema.persona_actions)}
    expected = [0, -1, 12, 12, 12, 2**31 - 1, -(2**31), None]
    assert [stored[f"t{number}"] for number in range(len(values))] == expected


@pytest.mark.parametrize(("field", "most"), [("actions", 500), ("feedback", 100)])
def test_a_batch_has_one_row_to_its_limit(client: Client, field: str, most: int) -> None:
    user_id = client.seed()
    rows = [{**_action(number), "module": "notes", "rating": 4} for number in range(most + 1)]
    assert _add(client, user_id, field, rows[:most]).json() == {"ok": True, "written": most}
    missing = {"error": f"`{field}` array required"}
    too_many = {"error": f"`{field}` batch size must be ≤ {most}"}
    mistakes: tuple[tuple[object, object], ...] = (
        (rows, too_many),
        ([{}, *rows], too_many),
        ([], missing),
        (None, missing),
        ({}, missing),
        ("rows", missing),
    )
    for wrong, told in mistakes:
        answer = _add(client, user_id, field, wrong)
        assert (answer.status_code, answer.json()) == (400, told)


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("actions", _action(result="perhaps")),
        ("actions", _action(latencyMs=2**31)),
        ("actions", _action(latencyMs=1.5)),
        ("actions", _action(latencyMs=True)),
        ("actions", _action(latencyMs="12.0")),
        ("actions", _action(latencyMs="9" * 5000)),
        ("actions", _action(tickId=None)),
        ("actions", _action(toolName=1)),
        ("actions", 7),
        ("feedback", {"tickId": "t", "module": "m", "rating": 6}),
        ("feedback", {"tickId": "t", "module": "m", "rating": 4.5}),
        ("feedback", {"tickId": "t", "module": "m", "rating": True}),
        ("feedback", {"tickId": "t", "module": "m", "rating": "4"}),
        ("feedback", {"tickId": "t", "module": "é" * 1301, "rating": 4}),
    ],
)
def test_a_bad_row_refuses_the_batch_and_nothing_of_it_is_stored(
    small: Client, field: str, row: object
) -> None:
    user_id = small.seed()
    right = {**_action(1), "module": "notes", "rating": 4}
    answer = _add(small, user_id, field, [right, row])
    word = {"actions": "action", "feedback": "feedback"}[field]
    told = {"error": f"One or more {word} rows failed validation"}
    assert (answer.status_code, answer.json()) == (400, told)
    assert [small.rows(table) for table in (schema.persona_actions, schema.persona_feedback)] == [[], []]
    assert small.rows(schema.personas)[0]["last_active_at"] is None


def test_rows_for_nobody_are_not_found_before_they_are_read(client: Client) -> None:
    human = client.register("human@mana.test")
    for user_id in ("nobody", human):
        for content in (b'{"actions": []}', b"{bad"):
            path = f"/api/v1/internal/personas/{user_id}/actions"
            answer = _call(client, "POST", path, content=content)
            assert (answer.status_code, answer.json()) == (404, {"error": "Persona not found"})
    assert _add(client, "%00", "actions", [_action()]).status_code == 404
    assert client.rows(schema.persona_actions) == []


def test_a_persona_that_is_deleted_while_its_rows_arrive_gets_none(small: Client) -> None:
    user_id = small.seed()
    service = small.embedded._service
    write = service.database.write

    def delete_first(work: Callable[[sa.Connection], Any]) -> Any:
        write(
            lambda connection: connection.execute(sa.delete(schema.users).where(schema.users.c.id == user_id))
        )
        return write(work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.database, "write", delete_first)
        answer = _add(small, user_id, "actions", [_action()])
    assert (answer.status_code, answer.json()) == (404, {"error": "Persona not found"})
    assert small.rows(schema.persona_actions) == []
