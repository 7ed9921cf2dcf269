"""When a persona's turn comes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from personas.embedded import schema
from personas.embedded.cadence import is_due, next_turn

from .client import Client

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def _at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-11-{text}:00+00:00")


@pytest.mark.parametrize(
    ("cadence", "active", "now", "expected"),
    [  # the 27th of November 2026 is a Friday
        ("hourly", None, "27T12:00", "27T12:00"),
        ("hourly", "27T11:30", "27T12:00", "27T12:30"),
        ("hourly", "27T11:00", "27T12:00", "27T12:00"),
        ("daily", "27T11:30", "27T12:00", "28T11:30"),
        ("daily", "26T11:30", "27T12:00", "27T12:00"),
        ("weekdays", None, "27T12:00", "27T12:00"),
        ("weekdays", None, "28T12:00", "30T00:00"),
        ("weekdays", None, "29T23:59", "30T00:00"),
        ("weekdays", None, "30T00:00", "30T00:00"),
        ("weekdays", "26T13:00", "27T12:00", "27T13:00"),
        ("weekdays", "27T11:30", "27T12:00", "30T00:00"),
        ("weekdays", "29T12:00", "30T08:00", "30T12:00"),
    ],
)
def test_a_turn_comes_after_the_wait_and_never_on_a_day_off(
    cadence: str, active: str | None, now: str, expected: str
) -> None:
    assert next_turn(cadence, _at(active) if active else None, _at(now)) == _at(expected)


def test_the_database_agrees_on_whose_turn_it_is_whatever_the_clocks_zone(
    client: Client,
) -> None:
    actives = [None, *(_at("20T00:00") + dt.timedelta(hours=hours) for hours in range(0, 240, 7))]
    turns = [(cadence, active) for cadence in schema.CADENCES for active in actives]
    ids = client.add_crowd({"tick_cadence": cadence, "last_active_at": active} for cadence, active in turns)
    west = dt.timezone(dt.timedelta(hours=-2))
    for hours in range(0, 240, 5):
        now = _at("21T03:00") + dt.timedelta(hours=hours)
        query = sa.select(schema.personas.c.user_id).where(is_due(now.astimezone(west)))

        def work(connection: Connection, query: sa.Select[tuple[str]] = query) -> set[str]:
            return set(connection.scalars(query))

        due = {user_id for user_id, turn in zip(ids, turns, strict=True) if next_turn(*turn, now) == now}
        assert client.embedded._service.database.read(work) == due
