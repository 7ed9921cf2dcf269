"""When a persona's turn comes: as a condition of the database, and as a moment."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from personas.embedded.schema import personas

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

WAITS: Final = {
    "hourly": dt.timedelta(hours=1),
    "daily": dt.timedelta(days=1),
    "weekdays": dt.timedelta(days=1),
}
SATURDAY: Final = 5
WEEK: Final = 7


def is_due(now: dt.datetime) -> ColumnElement[bool]:
    """Whether it is a persona's turn at `now`: never active, or long enough ago, and never on a day off."""
    active = personas.c.last_active_at
    return sa.or_(
        *(
            sa.and_(personas.c.tick_cadence == name, sa.or_(active.is_(None), active <= now - wait))
            for name, wait in WAITS.items()
            if _days_off(name, now) == 0
        )
    )


def next_turn(cadence: str, active: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    """The moment from which it is a persona's turn; `now` when it is already."""
    turn = now if active is None else max(now, active + WAITS[cadence])
    days_off = _days_off(cadence, turn)
    if not days_off:
        return turn
    midnight = turn.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + dt.timedelta(days=days_off)


def _days_off(cadence: str, moment: dt.datetime) -> int:
    """For how many days, this one included, the persona is off: from Saturday in UTC to Monday."""
    day = moment.astimezone(dt.UTC).weekday()
    return WEEK - day if cadence == "weekdays" and day >= SATURDAY else 0
