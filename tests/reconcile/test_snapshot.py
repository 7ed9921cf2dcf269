from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from personas import LiveState, UsageError, make_plan, read_snapshot
from personas.report.document import Report
from tests.making import FIXED, FLEXIBLE, NOON, make_catalog, make_live, make_state

STATE = make_state("ada", make_live("bo", archetype="other", actions7d=3), only=("*", "eve"), others=2)


def write(file: Path, document: Any) -> Path:
    text = document if isinstance(document, str) else json.dumps(document)
    file.write_text(text, "utf-8", "surrogateescape")
    return file


def dump(model: LiveState | Report) -> Any:
    return model.model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    "document",
    [dump(STATE), dump(Report(command="list", live=STATE)), f"\ufeff{json.dumps(dump(STATE))}"],
)
def test_snapshot_is_what_list_prints(tmp_path: Path, document: Any) -> None:
    state = read_snapshot(write(tmp_path / "live.json", document), now=NOON + timedelta(days=1))
    assert state == STATE.model_copy(update={"capabilities": None})
    plan = make_plan(make_catalog("ada", "bo"), state)
    assert [(change.name, change.status) for change in plan.drift] == [("Bo", "update")]
    assert (plan.service, plan.others) == (STATE.service, 2)
    assert plan.notes == ("The snapshot has only personas that match *, eve; others are not compared.",)


def test_old_snapshot_has_a_note(tmp_path: Path) -> None:
    file = write(tmp_path / "live.json", dump(STATE))
    late = NOON + timedelta(days=1, seconds=1)
    assert read_snapshot(file, now=late).notes == ("The snapshot is older than a day: 2026-03-01 12:00 UTC.",)
    fresh = write(tmp_path / "new.json", dump(make_state("ada", taken_at=NOON + timedelta(days=36_500))))
    assert read_snapshot(fresh).notes == ()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("\udcff\udcfe{", "codec can't decode"),
        ("{", "line 1 column 2"),
        ("[" * 100_000, "recursion"),
        ({"version": 1, "live": None}, "live: Input should be a valid dictionary"),
        ({"version": 1}, "live.takenAt: Field required"),
        (dump(STATE) | {"takenAt": "2026-03-01T12:00:00"}, "live.takenAt: Input should have timezone info"),
        (dump(STATE) | {"personas": [{"userId": 1}]}, "live.personas.0.userId: Input should be"),
    ],
)
def test_other_file_is_a_usage_error(tmp_path: Path, document: Any, reason: str) -> None:
    file = write(tmp_path / "live.json", document)
    with pytest.raises(UsageError) as caught:
        read_snapshot(file)
    assert caught.value.message.startswith(f"{file} is not a snapshot of live personas: ")
    assert reason in caught.value.message
    assert caught.value.hint == "Make a snapshot with: personas list -o json"


def test_unreadable_file_is_a_usage_error(tmp_path: Path) -> None:
    for file, reason in ((tmp_path / "missing.json", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=f"Cannot read the snapshot .*: {reason}"):
            read_snapshot(file)


def test_snapshot_keeps_what_its_service_can_update(tmp_path: Path) -> None:
    renamed = make_live("ada", name="Eve")
    for capabilities, status in ((FIXED, "replace"), (FLEXIBLE, "update")):
        file = write(tmp_path / "live.json", dump(make_state(renamed, capabilities=capabilities)))
        (change,) = make_plan(make_catalog("ada"), read_snapshot(file, now=NOON)).drift
        assert change.status == status
