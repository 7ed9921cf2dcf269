"""The runner's side."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from personas.embedded import Embedded, schema

from .client import ANNA, BO, Client, Clock
from .conftest import SERVICE_KEY

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

DUE = "/api/v1/internal/personas/due"
HOURS = {"hourly": 1, "daily": 24, "weekdays": 24}


def _call(client: Client, method: str, path: str, **options: Any) -> httpx.Response:
    return client.call(method, path, headers={"x-service-key": SERVICE_KEY}, **options)


def _due(client: Client) -> list[str]:
    return [persona["email"] for persona in _call(client, "GET", DUE).json()["personas"]]


def _action(number: int = 0, **changes: Any) -> dict[str, Any]:
    action = {"id": f"a{number}", "tickId": "t1", "toolName": "todo.create", "result": "ok", "latencyMs": 12}
    return {**action, **changes}


def _add(client: Client, user_id: str, field: str, rows: object) -> httpx.Response:
    return _call(client, "POST", f"/api/v1/internal/personas/{user_id}/{field}", json={field: rows})


@pytest.mark.parametrize("key", [None, "", "another", "é"])
def test_the_runners_side_needs_the_right_key(small: Client, key: str | None) -> None:
    headers = {} if key is None else {"x-service-key": key.encode()}
    answer = small.call("GET", DUE, headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"statusCode": 401, "message": "Missing or invalid X-Service-Key header"}


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
    (persona,) = _call(small, "GET", DUE).json()["personas"]
    assert persona == {
        "userId": user_id,
        "email": ANNA,
        "name": "Anna",
        "archetype": "researcher",
        "systemPrompt": "You are Anna, 36, and you keep careful notes.",
        "moduleMix": {"notes": 0.6, "todo": 0.4},
        "tickCadence": "daily",
        "lastActiveAt": None,
    }


def test_a_batch_is_stored_and_sets_the_last_activity(client: Client) -> None:
    user_id = client.seed()
    moment = "2026-11-22T10:00:00.250Z"
    rows = [_action(1, createdAt=moment), _action(2, result="error", errorMessage="boom", inputHash="ab")]
    answer = _add(client, user_id, "actions", rows)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "inserted": 2})
    detail = client.admin("GET", f"/api/v1/admin/personas/{user_id}").json()
    assert detail["persona"]["lastActiveAt"] == "2026-11-23T12:00:00.000Z"
    assert detail["recentActions"][1]["createdAt"] == moment
    assert detail["recentActions"][0] == {
        "id": "a2",
        "personaId": user_id,
        "tickId": "t1",
        "toolName": "todo.create",
        "inputHash": "ab",
        "result": "error",
        "errorMessage": "boom",
        "latencyMs": 12,
        "createdAt": "2026-11-23T12:00:00.000Z",
    }


@pytest.mark.parametrize("field", ["actions", "feedback"])
def test_a_repeated_batch_changes_nothing(client: Client, clock: Clock, field: str) -> None:
    user_id = client.seed()
    rows = [{**_action(number), "module": "notes", "rating": 4} for number in range(3)]
    without_ids = [{key: value for key, value in row.items() if key != "id"} for row in rows]
    for batch in (rows, without_ids):
        assert _add(client, user_id, field, batch).json()["inserted"] == 3
        tables = (schema.personas, schema.persona_actions, schema.persona_feedback)
        before = [client.rows(table) for table in tables]
        clock.advance(hours=1)
        assert _add(client, user_id, field, batch).json() == {"ok": True, "inserted": 0}
        assert [client.rows(table) for table in tables] == before


def test_a_row_that_is_twice_in_a_batch_is_stored_once(client: Client) -> None:
    user_id = client.seed()
    assert _add(client, user_id, "actions", [_action(1), _action(1)]).json()["inserted"] == 1


def test_a_row_of_another_persona_is_a_conflict_and_nothing_of_the_batch_is_stored(client: Client) -> None:
    anna, bo = client.seed(ANNA), client.seed(BO)
    _add(client, anna, "actions", [_action(1)])
    assert _add(client, bo, "actions", [_action(2), _action(1)]).status_code == 409
    assert [row["id"] for row in client.rows(schema.persona_actions)] == ["a1"]


@pytest.mark.parametrize(("field", "most"), [("actions", 500), ("feedback", 100)])
def test_a_batch_has_one_row_to_its_limit(client: Client, field: str, most: int) -> None:
    user_id = client.seed()
    rows = [{**_action(number), "module": "notes", "rating": 4} for number in range(most + 1)]
    assert _add(client, user_id, field, rows[:most]).json()["inserted"] == most
    mistakes: tuple[object, ...] = (rows, [], None, {}, "rows")
    for wrong in mistakes:
        assert _add(client, user_id, field, wrong).status_code == 400


@pytest.mark.parametrize(
    ("field", "row", "problem"),
    [
        ("actions", _action(result="perhaps"), "actions[0].result must be ok or error"),
        ("actions", _action(latencyMs=-1), "actions[0].latencyMs must be a whole number of milliseconds"),
        ("actions", _action(latencyMs=2**31), "actions[0].latencyMs must be a whole number of milliseconds"),
        ("actions", _action(latencyMs=True), "actions[0].latencyMs must be a whole number of milliseconds"),
        ("actions", _action(tickId=""), "actions[0].tickId required"),
        ("actions", _action(toolName=None), "actions[0].toolName required"),
        ("actions", _action(inputHash=1), "actions[0].inputHash must be text"),
        ("actions", _action(id="x" * 501), "actions[0].id must be text of at most 500 characters"),
        ("actions", _action(id=[1]), "actions[0].id must be text of at most 500 characters"),
        ("actions", 7, "actions[0] must be an object"),
        (
            "feedback",
            {"tickId": "t", "module": "m", "rating": 6},
            "feedback[0].rating must be a whole number",
        ),
        (
            "feedback",
            {"tickId": "t", "module": "m", "rating": 4.5},
            "feedback[0].rating must be a whole number",
        ),
        ("feedback", {"tickId": "t", "module": "m", "rating": True}, "feedback[0].rating must be a whole"),
        ("feedback", {"tickId": "t", "module": "", "rating": 4}, "feedback[0].module required"),
    ],
)
def test_a_bad_row_is_named_with_its_reason(small: Client, field: str, row: object, problem: str) -> None:
    answer = _add(small, small.seed(), field, [row])
    assert answer.status_code == 400
    assert answer.json()["details"][0].startswith(problem)


@pytest.mark.parametrize("moment", ["yesterday", 5, "", "2026-13-01", "0001-01-01T00:00:00+23:00", {}])
def test_a_bad_moment_is_refused(small: Client, moment: object) -> None:
    answer = _add(small, small.seed(), "actions", [_action(createdAt=moment)])
    assert (answer.status_code, "createdAt must be a moment" in answer.text) == (400, True)


def test_rows_for_nobody_are_not_found(client: Client) -> None:
    human = client.register("human@mana.test")
    for user_id in ("nobody", human, "%00"):
        assert _add(client, user_id, "actions", [_action()]).status_code == 404
    assert (
        client.embedded._service.database.read(
            lambda connection: connection.scalar(
                sa.select(sa.func.count()).select_from(schema.persona_actions)
            )
        )
        == 0
    )
