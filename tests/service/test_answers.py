from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.errors import BadAnswer
from personas.service.answers import LONGEST_PLACE, read
from personas.service.calls import NOTHING
from personas.service.models import (
    FoundSession,
    IssuedToken,
    Listed,
    LiveDetail,
    LivePersona,
    ModuleFeedback,
    RecentAction,
    Refusal,
    Upserted,
    UsersPage,
)

LEAST: dict[str, Any] = {"userId": "u1", "email": "persona.ada@mana.test"}
ADA = LivePersona(user_id="u1", email="persona.ada@mana.test")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


def persona(**fields: object) -> LivePersona:
    return read(LivePersona, LEAST | fields, "reading ada")


def refusal(body: object, model: type[Any] = LivePersona) -> str:
    with pytest.raises(BadAnswer) as caught:
        read(model, body, "reading ada")
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value.message.removeprefix("reading ada: the answer cannot be understood: ")


def test_a_persona_needs_no_more_than_an_id_and_an_email() -> None:
    assert persona() == ADA


def test_every_known_field_is_read_and_unknown_ones_are_left() -> None:
    assert persona(
        name="Ada",
        archetype="researcher",
        tickCadence="hourly",
        systemPrompt="You are Ada.",
        moduleMix={"todo": 1, "notes": 0.5},
        createdAt="2026-11-23T08:28:52.309Z",
        lastActiveAt=None,
        actions7d=3,
        somethingNew={"a": 1},
    ) == LivePersona(
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
    "field", ["name", "archetype", "tickCadence", "systemPrompt", "moduleMix", "createdAt", "actions7d"]
)
def test_null_says_as_little_as_a_field_that_is_not_there(field: str) -> None:
    assert persona(**{field: None}) == ADA


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (None, "it is no object"),
        ([], "it is no object"),
        ("x", "it is no object"),
        (1, "it is no object"),
        ({}, "userId is missing"),
        ({"userId": "u"}, "email is missing"),
        ({"email": "e"}, "userId is missing"),
        ({"userId": 1, "email": "e"}, "userId is no text"),
        ({"userId": "", "email": "e"}, "userId is empty"),
        ({"userId": "u", "email": "\ud800"}, "email is no text that could be stored"),
        (LEAST | {"name": 7}, "name is no text"),
        (LEAST | {"tickCadence": ["daily"]}, "tickCadence is no text"),
        (LEAST | {"actions7d": "3"}, "actions7d is no whole number"),
        (LEAST | {"actions7d": 1.5}, "actions7d is no whole number"),
        (LEAST | {"actions7d": True}, "actions7d is no whole number"),
        (LEAST | {"actions7d": -1}, "actions7d is no count"),
        (LEAST | {"actions7d": 10**400}, "actions7d is no count"),
        (LEAST | {"moduleMix": []}, "moduleMix is no object"),
        (LEAST | {"moduleMix": "x"}, "moduleMix is no object"),
        (LEAST | {"moduleMix": {"todo": "1"}}, "moduleMix has a weight that is no number: todo"),
        (LEAST | {"moduleMix": {"todo": None}}, "moduleMix has a weight that is no number: todo"),
        (LEAST | {"moduleMix": {"todo": True}}, "moduleMix has a weight that is no number: todo"),
        (LEAST | {"moduleMix": {"todo": float("inf")}}, "moduleMix.todo is no finite number"),
        (LEAST | {"moduleMix": {"todo": 10**400}}, "moduleMix.todo is no number"),
    ],
)
def test_what_is_of_a_wrong_kind_is_told_with_its_place(entry: object, place: str) -> None:
    assert refusal(entry) == place


def test_the_place_is_told_from_the_root_on() -> None:
    assert refusal({"personas": [LEAST, {"userId": "u"}]}, Listed) == "personas[1].email is missing"
    detail = {"persona": LEAST, "recentActions": [{}, "nonsense"]}
    assert refusal(detail, LiveDetail) == "recentActions[1] is no object"
    assert refusal({"persona": LEAST | {"name": 1}}, LiveDetail) == "persona.name is no text"


def test_neither_a_value_nor_a_place_without_end_is_in_the_message() -> None:
    assert len(refusal(LEAST | {"moduleMix": {"m" * 10_000: "x"}})) < 200
    assert len(refusal(LEAST | {"moduleMix": {"m" * 10_000: 10**400}})) <= LONGEST_PLACE + 20
    assert refusal({"token": "no-token-at-all"}, IssuedToken) == "token is of a wrong kind"


def test_a_wrong_answer_holds_no_frame_with_what_was_read() -> None:
    with pytest.raises(BadAnswer) as caught:
        read(IssuedToken, {"token": "hush hush"}, "getting a token")
    trace = caught.value.__traceback__
    assert trace is not None
    assert trace.tb_next is not None
    assert "hush" not in repr(trace.tb_next.tb_frame.f_locals)


def test_a_text_that_is_no_json_is_told_as_that() -> None:
    with pytest.raises(BadAnswer, match="reading ada: the answer is no JSON"):
        read(LivePersona, NOTHING, "reading ada")


@pytest.mark.parametrize(
    "time",
    [
        "yesterday",
        1,
        None,
        "2026-13-01",
        "",
        [],
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_time_that_is_none_or_at_the_ends_of_time_is_not_told(time: object) -> None:
    assert persona(createdAt=time).created_at is None


@pytest.mark.parametrize("time", ["2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-01T22:04:05-05:00"])
def test_a_time_is_utc_whatever_its_zone(time: str) -> None:
    assert persona(createdAt=time).created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert str(persona(createdAt=time).created_at) == "2026-01-02 03:04:05+00:00"


def test_a_time_that_is_one_already_becomes_utc_too() -> None:
    east = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert str(persona(createdAt=east).created_at) == "2026-01-02 03:04:05+00:00"


def test_details_have_actions_and_feedback() -> None:
    detail = read(
        LiveDetail,
        {
            "persona": LEAST,
            "recentActions": [
                {"toolName": "todo.add", "result": "ok", "latencyMs": 12},
                {"toolName": None, "result": "error", "errorMessage": "timed out"},
            ],
            "feedbackByModule": [{"module": "todo", "avgRating": 4.5, "ratings": 2}],
        },
        "reading ada",
    )
    assert detail.recent_actions == (
        RecentAction(tool="todo.add", result="ok", latency_ms=12),
        RecentAction(tool="?", result="error", error_message="timed out"),
    )
    assert detail.feedback == (ModuleFeedback(module="todo", ratings=2, mean=4.5),)


def test_details_without_actions_and_feedback_have_none() -> None:
    least = read(LiveDetail, {"persona": LEAST, "recentActions": None}, "reading ada")
    assert least == LiveDetail(persona=ADA)


@pytest.mark.parametrize(
    ("entry", "feedback"),
    [
        ({"module": "todo", "avgRating": 2}, ModuleFeedback(module="todo", ratings=2)),
        ({"module": "todo", "avgRating": 2.0}, ModuleFeedback(module="todo", ratings=2)),
        ({"module": "todo", "avgRating": 2, "ratings": None}, ModuleFeedback(module="todo", ratings=2)),
        ({"module": "todo", "avgRating": 3.5}, ModuleFeedback(module="todo", mean=3.5)),
        ({"module": "todo", "avgRating": 3, "ratings": 1}, ModuleFeedback(module="todo", ratings=1, mean=3)),
        ({"module": "todo", "avgRating": None}, ModuleFeedback(module="todo")),
        ({}, ModuleFeedback(module="?")),
    ],
)
def test_an_average_without_a_count_is_taken_for_what_the_service_means_by_it(
    entry: dict[str, Any], feedback: ModuleFeedback
) -> None:
    assert read(ModuleFeedback, entry, "x") == feedback


@pytest.mark.parametrize("average", ["3", True, float("inf"), []])
def test_an_average_of_a_wrong_kind_is_told(average: object) -> None:
    assert refusal({"avgRating": average}, ModuleFeedback).startswith("avgRating is no ")


@pytest.mark.parametrize("ok", [False, "true", 1, None])
def test_only_true_is_the_services_word_that_it_is_done(ok: object) -> None:
    assert refusal({"ok": ok, "userId": "u"}, Upserted) in {"ok is not true", "ok is missing"}


@pytest.mark.parametrize(
    "token", ["a.b", "a.b.c.d", "a..c", "a.b.c ", "a.b.c\n", "##[error].b.c", "ä.b.c", ""]
)
def test_a_token_is_three_parts_of_base64url_and_nothing_else(token: str) -> None:
    assert refusal({"token": token}, IssuedToken) == "token is of a wrong kind"


def test_a_model_is_compared_by_what_it_holds_and_cannot_be_changed() -> None:
    assert persona(name="Ada") == ADA.model_copy(update={"name": "Ada"}) != ADA
    with pytest.raises(ValueError, match="frozen"):
        ADA.name = "Eve"


@given(json_values)
def test_any_answer_is_understood_or_a_clear_error(entry: Any) -> None:
    bodies = (
        (LivePersona, entry),
        (LivePersona, LEAST | entry if isinstance(entry, dict) else entry),
        (LiveDetail, {"persona": LEAST, "recentActions": entry, "feedbackByModule": [entry]}),
        (UsersPage, {"users": [entry], "total": entry}),
        (FoundSession, {"session": entry, "user": entry}),
    )
    for model, body in bodies:
        try:
            read(model, body, "here")
        except BadAnswer as error:
            assert error.message.startswith("here: the answer cannot be understood: ")  # noqa: PT017


WORDS = ("error", "message", "details", "hint", "code", "remainingSeconds")


@given(st.dictionaries(st.sampled_from(WORDS), json_values))
def test_a_refusal_is_understood_whatever_else_it_says(body: dict[str, Any]) -> None:
    told = Refusal.model_validate(body)
    assert all(reason.strip() for reason in told.reasons)
