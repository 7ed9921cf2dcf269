from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.errors import ServiceError, UsageError
from personas.reconcile.live import Live
from personas.reconcile.plan import State, plan
from personas.report import Snapshot, read_snapshot, render

from . import scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

SNAPSHOT = render(scenarios.full_list(), "json")


def read(text: str) -> Snapshot:
    return read_snapshot(text, now=scenarios.NOW)


def changed(change: Callable[[Any], object]) -> str:
    document = json.loads(SNAPSHOT)
    change(document)
    return json.dumps(document)


def test_a_plan_against_a_snapshot_is_the_plan_against_the_service() -> None:
    snapshot = read(SNAPSHOT)
    expected = plan(scenarios.CATALOG, replace(scenarios.drifted(), service=snapshot.service))
    actual = plan(scenarios.CATALOG, snapshot.live)
    assert snapshot.service
    assert actual.changes == expected.changes
    assert actual.checksum == expected.checksum
    assert actual.notes == expected.notes


def test_a_snapshot_says_when_it_was_taken() -> None:
    assert read(SNAPSHOT).live.taken_at == scenarios.NOW
    assert read_snapshot(SNAPSHOT, now=scenarios.NOW + timedelta(hours=3)).age == 10_800
    assert read_snapshot(SNAPSHOT, now=scenarios.NOW - timedelta(hours=3)).age == 0


def test_a_snapshot_survives_being_read_and_written() -> None:
    again = render(scenarios.base("list", live=read(SNAPSHOT).live), "json")
    assert read(again) == read(SNAPSHOT)


def test_a_snapshot_with_a_byte_order_mark_is_read() -> None:
    assert read("\ufeff" + SNAPSHOT) == read(SNAPSHOT)


def test_an_empty_service_makes_a_snapshot_too() -> None:
    empty = scenarios.base("list", live=Live())
    assert read(render(empty, "json")).live.personas == ()


def test_a_snapshot_of_the_first_release_is_read_too() -> None:
    """What later releases added may be missing."""

    def older(document: Any) -> None:
        del document["only"], document["live"]["only"], document["live"]["unread"]
        for change in document["plan"]["changes"]:
            del change["live"]
            for field in change["fields"]:
                del field["line"], field["column"]

    assert read(changed(older)) == read(SNAPSHOT)


def test_of_what_a_snapshot_could_not_read_no_drift_is_made() -> None:
    anna, *rest = scenarios.everyone()
    unread = anna.model_copy(update={"system_prompt": None, "module_mix": None})
    found = Live(personas=(unread, *rest), unread={anna.email: "the service answered 500"})
    snapshot = read(render(scenarios.base("list", live=found), "json"))
    (doubtful,) = plan(scenarios.CATALOG, snapshot.live).drift
    assert (doubtful.state, doubtful.reason) == (
        State.NOT_KNOWN,
        "its details could not be read: the service answered 500",
    )


def test_what_only_left_out_of_a_snapshot_is_no_drift_and_is_told() -> None:
    anna, ben, *rest = scenarios.everyone()
    unread = {"system_prompt": None, "module_mix": None}
    listed = [one.model_copy(update=unread) for one in (anna, *rest)]
    taken = render(scenarios.base("list", live=Live(personas=(ben, *listed)), only=("ben", "ceo-*")), "json")
    snapshot = read(taken)
    assert snapshot.only == ("ben", "ceo-*")
    made = snapshot.within(plan(scenarios.CATALOG, snapshot.live))
    assert [(change.key, change.state) for change in made] == [("persona.ben@mana.test", State.IN_SYNC)]
    assert not made.whole
    (note,) = made.notes
    assert note.startswith(
        "The snapshot was taken with --only ben --only ceo-*: 9 other personas of the catalog"
    )


def test_a_whole_snapshot_leaves_nothing_out() -> None:
    snapshot = read(SNAPSHOT)
    made = plan(scenarios.CATALOG, snapshot.live)
    assert snapshot.within(made) is made


@pytest.mark.parametrize(("hours", "refused"), [(23, False), (24, False), (25, True)])
def test_a_snapshot_above_the_allowed_age_is_refused(hours: int, refused: bool) -> None:
    now = scenarios.NOW + timedelta(hours=hours)
    if not refused:
        assert read_snapshot(SNAPSHOT, now=now, max_age=timedelta(days=1)).age == hours * 3_600
        return
    with pytest.raises(ServiceError, match="the snapshot is 25 h old, and --max-age allows 24 h") as caught:
        read_snapshot(SNAPSHOT, now=now, max_age=timedelta(days=1))
    assert caught.value.exit_code == 4


def persona(document: Any) -> Any:
    return document["live"]["personas"][2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is not JSON, and may be cut off: EOF while parsing a value at line 1"),
        ("{}", "is not a report of personas"),
        ("[]", "is not a report of personas"),
        ("null", "is not a report of personas"),
        ("NaN", "is not a report of personas"),
        ("[" * 100_000, "is not JSON"),
        ("1" * 5_000, "is not JSON"),
        (SNAPSHOT[: len(SNAPSHOT) // 2], "may be cut off"),
        (changed(lambda d: d.update(kind="other")), "is not a report of personas"),
        (changed(lambda d: d.update(version=2)), "version is 2; this tool reads version 1"),
        (changed(lambda d: d.pop("version")), "version is missing"),
        (changed(lambda d: d.update(live=None)), "without --full"),
        (changed(lambda d: d.update(live=[])), "live must be an object"),
        (changed(lambda d: d["live"].pop("personas")), "live.personas is missing"),
        (changed(lambda d: d["live"].update(personas={})), "live.personas must be a list"),
        (
            changed(lambda d: d["live"].update(personas=[7])),
            "live.personas[0] must be an object",
        ),
        (changed(lambda d: d["live"].update(takenAt=None)), "the age of the snapshot is not known"),
        (changed(lambda d: d["live"].update(takenAt="yesterday")), "live.takenAt must be a time"),
        (
            changed(lambda d: d["live"].update(notes=[True])),
            "live.notes[0] must be a string",
        ),
        (changed(lambda d: persona(d).pop("systemPrompt")), "live.personas[2].systemPrompt is missing"),
        (changed(lambda d: persona(d).update(email=None)), "live.personas[2].email must be a string"),
        (changed(lambda d: persona(d).update(userId="")), "live.personas[2].userId must not be empty"),
        (changed(lambda d: persona(d).update(name=3)), "live.personas[2].name must be a string"),
        (
            changed(lambda d: persona(d).update(actions7d=1.5)),
            "live.personas[2].actions7d must be a whole number",
        ),
        (
            changed(lambda d: persona(d).update(moduleMix={"a": "b"})),
            "live.personas[2].moduleMix.a must be a number",
        ),
        (
            changed(lambda d: d["live"]["owners"].update(x={"verdict": "mine", "reason": ""})),
            "live.owners.x.verdict is nothing that this version knows",
        ),
    ],
)
def test_what_is_no_snapshot_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert says in caught.value.message
    assert "personas list --full -o json" in caught.value.hint


@given(st.integers(min_value=0, max_value=len(SNAPSHOT.rstrip()) - 1))
def test_a_snapshot_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(UsageError):
        read(SNAPSHOT[:length])


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data(), values)
def test_any_value_anywhere_is_read_or_refused_but_never_a_traceback(
    data: st.DataObject, value: object
) -> None:
    document = json.loads(SNAPSHOT)
    node: Any = document["live"]
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
            node = node[key]
            continue
        node[key] = value
        break
    try:
        snapshot = read(json.dumps(document))
    except UsageError:
        return
    snapshot.within(plan(scenarios.CATALOG, snapshot.live))
