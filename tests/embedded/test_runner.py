"""The runner's calls, beyond the recorded ones: when a persona is due, batches, and known entries."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from .conftest import ANNA, BO, CLEO, KIM, MONDAY, Calls

FEEDBACK = {"tickId": "t", "module": "photos", "rating": 4}
ACTION = {"tickId": "t", "toolName": "todo.create", "result": "ok"}


def _due(calls: Calls) -> list[str]:
    return [persona["email"] for persona in calls.runner("GET", "due").json()["personas"]]


@pytest.mark.parametrize(
    ("cadence", "due_after"),
    [
        ("hourly", {0.99: False, 1: True}),
        ("daily", {23.99: False, 24: True, 5 * 24: True}),
        (
            "weekdays",
            {
                23.99: False,
                24: True,
                4 * 24 + 14.99: True,  # Friday
                4 * 24 + 15: False,  # Saturday, 0:00 UTC
                6 * 24 + 14.99: False,  # Sunday
                6 * 24 + 15: True,
            },
        ),
    ],
)
def test_persona_is_due_after_its_cadence(calls: Calls, cadence: str, due_after: dict[float, bool]) -> None:
    calls.create(KIM, tickCadence=cadence)
    calls.runner("POST", f"{calls.ids[KIM]}/actions", {"actions": [ACTION]})
    for hours, is_due in due_after.items():
        calls.now = MONDAY + dt.timedelta(hours=hours)
        assert (KIM in _due(calls)) is is_due, hours


def test_due_lists_the_never_active_then_the_longest_inactive(calls: Calls) -> None:
    for email in (BO, ANNA):
        calls.runner("POST", f"{calls.ids[email]}/actions", {"actions": [{**ACTION, "tickId": email}]})
        calls.now += dt.timedelta(minutes=1)
    calls.now += dt.timedelta(days=1)
    assert _due(calls) == [CLEO, BO, ANNA]


def test_feedback_does_not_make_a_persona_active(calls: Calls) -> None:
    calls.runner("POST", f"{calls.ids[ANNA]}/feedback", {"feedback": [FEEDBACK]})
    assert ANNA in _due(calls)


@pytest.mark.parametrize(("key", "entry", "most"), [("actions", ACTION, 500), ("feedback", FEEDBACK, 100)])
def test_batches_have_a_greatest_size(calls: Calls, key: str, entry: dict[str, Any], most: int) -> None:
    path = f"{calls.ids[ANNA]}/{key}"
    entries = [{**entry, "tickId": str(number)} for number in range(most + 1)]
    refused = calls.runner("POST", path, {key: entries})
    assert (refused.status_code, refused.json()["error"]) == (400, f"`{key}` batch size must be ≤ {most}")
    assert calls.runner("POST", path, {key: entries[:most]}).json() == {"ok": True, "written": most}


def test_entry_that_cannot_be_stored_stores_none_of_the_batch(calls: Calls) -> None:
    path = f"{calls.ids[ANNA]}/actions"
    failed = calls.runner("POST", path, {"actions": [ACTION, {**ACTION, "latencyMs": 1.5}]})
    assert failed.status_code == 500
    assert ANNA in _due(calls)
