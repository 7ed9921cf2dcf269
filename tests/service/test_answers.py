from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.errors import BadAnswer
from personas.service.answers import live_detail, live_persona
from personas.service.models import LivePersona, ModuleFeedback, RecentAction

LEAST: dict[str, Any] = {"userId": "u1", "email": "persona.ada@mana.test"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


def test_a_persona_needs_no_more_than_an_id_and_an_email() -> None:
    assert live_persona(LEAST, "here") == LivePersona("u1", "persona.ada@mana.test")


def test_every_known_field_is_read_and_unknown_ones_are_left() -> None:
    persona = live_persona(
        LEAST
        | {
            "name": "Ada",
            "archetype": "researcher",
            "tickCadence": "hourly",
            "systemPrompt": "You are Ada.",
            "moduleMix": {"todo": 1, "notes": 0.5},
            "createdAt": "2026-11-23T08:28:52.309Z",
            "lastActiveAt": None,
            "actions7d": 3,
            "somethingNew": {"a": 1},
        },
        "here",
    )
    assert persona == LivePersona(
        user_id="u1",
        email="persona.ada@mana.test",
        name="Ada",
        archetype="researcher",
        tick_cadence="hourly",
        system_prompt="You are Ada.",
        module_mix={"todo": 1, "notes": 0.5},
        created_at=datetime(2026, 11, 23, 8, 28, 52, 309000, UTC),
        actions_7d=3,
    )


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "x",
        1,
        {},
        {"userId": "u"},
        {"email": "e"},
        {"userId": 1, "email": "e"},
        {"userId": "", "email": "e"},
    ],
)
def test_what_is_no_persona_is_told_with_its_place(entry: object) -> None:
    with pytest.raises(BadAnswer, match="entry 3"):
        live_persona(entry, "entry 3")


@pytest.mark.parametrize(
    "mix",
    [[], "x", 1, {"todo": "1"}, {"todo": None}, {"todo": True}, {"todo": float("inf")}, {"todo": 10**400}],
)
def test_weights_of_a_wrong_kind_are_told(mix: object) -> None:
    with pytest.raises(BadAnswer, match="moduleMix"):
        live_persona(LEAST | {"moduleMix": mix}, "here")


@pytest.mark.parametrize("count", [-1, 1.5, "3", True, None, []])
def test_a_number_of_actions_that_is_no_count_is_not_told(count: object) -> None:
    assert live_persona(LEAST | {"actions7d": count}, "here").actions_7d is None


@pytest.mark.parametrize("time", ["yesterday", 1, None, "2026-13-01", ""])
def test_a_time_that_is_none_is_not_told(time: object) -> None:
    assert live_persona(LEAST | {"createdAt": time}, "here").created_at is None


def test_a_time_without_a_zone_is_utc() -> None:
    assert live_persona(LEAST | {"createdAt": "2026-01-02T03:04:05"}, "here").created_at == datetime(
        2026, 1, 2, 3, 4, 5, tzinfo=UTC
    )


def test_details_have_actions_and_feedback() -> None:
    detail = live_detail(
        {
            "persona": LEAST,
            "recentActions": [
                {"toolName": "todo.add", "result": "ok", "latencyMs": 12},
                {"result": "error", "errorMessage": "timed out"},
                "nonsense",
            ],
            "feedbackByModule": [{"module": "todo", "avgRating": 4.5, "ratings": 2}],
        },
        "reading ada",
    )
    assert detail.recent_actions == (
        RecentAction("todo.add", "ok", latency_ms=12),
        RecentAction("?", "error", error_message="timed out"),
    )
    assert detail.feedback == (ModuleFeedback("todo", ratings=2, mean=4.5),)


@pytest.mark.parametrize(
    ("entry", "feedback"),
    [
        ({"module": "todo", "avgRating": 2}, ModuleFeedback("todo", ratings=2)),
        ({"module": "todo", "avgRating": 3.5}, ModuleFeedback("todo", mean=3.5)),
        ({"module": "todo", "avgRating": 3, "ratings": 1}, ModuleFeedback("todo", ratings=1, mean=3)),
        ({"module": "todo", "avgRating": "3"}, ModuleFeedback("todo")),
        ({}, ModuleFeedback("?")),
    ],
)
def test_an_average_without_a_count_is_taken_for_what_the_service_means_by_it(
    entry: dict[str, Any], feedback: ModuleFeedback
) -> None:
    assert live_detail({"persona": LEAST, "feedbackByModule": [entry]}, "x").feedback == (feedback,)


@given(json_values)
def test_any_answer_is_a_persona_or_a_clear_error(entry: Any) -> None:
    for value in (entry, LEAST | entry if isinstance(entry, dict) else entry):
        try:
            live_persona(value, "here")
            live_detail({"persona": value, "recentActions": entry, "feedbackByModule": [entry]}, "here")
        except BadAnswer:
            continue
