"""The two limits on signing in: the lock after wrong passwords, and the rate limit behind a proxy."""

from __future__ import annotations

import datetime as dt
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeGuard

import sqlalchemy as sa

from personas.embedded.schema import login_attempts
from personas.embedded.users import MAX_EMAIL

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

FAILURES: Final = 5
FAILURE_WINDOW: Final = dt.timedelta(minutes=15)
LOCK: Final = dt.timedelta(minutes=30)

SIGN_INS: Final = 3
SIGN_IN_WINDOW: Final = dt.timedelta(seconds=10)
MAX_ADDRESSES: Final = 10_000


def is_countable(email: object) -> TypeGuard[str]:
    """Tell whether failures of this email are counted: it is text that could be somebody's, however wrong."""
    return isinstance(email, str) and 0 < len(email) <= MAX_EMAIL


def locked_seconds(connection: Connection, email: str, now: dt.datetime) -> int:
    """For how many more seconds an email is said to be locked; 0 when it is not.

    The original says half an hour from the last failure, and yet counts the failures of a quarter of an hour.
    """
    table = login_attempts
    recent = connection.scalars(
        sa.select(table.c.created_at)
        .where(table.c.email == email.lower(), table.c.created_at > now - FAILURE_WINDOW)
        .order_by(table.c.created_at.desc())
        .limit(FAILURES)
    ).all()
    if len(recent) < FAILURES:
        return 0
    left: dt.timedelta = recent[0] + LOCK - now
    return math.ceil(left.total_seconds())


def record_failure(connection: Connection, email: str, now: dt.datetime) -> None:
    """Count a wrong password, and forget the ones that no longer matter."""
    table = login_attempts
    connection.execute(sa.delete(table).where(table.c.created_at <= now - FAILURE_WINDOW))
    connection.execute(sa.insert(table).values(email=email.lower(), created_at=now))


def forget_failures(connection: Connection, email: str) -> None:
    """Start counting anew, after the right password."""
    connection.execute(sa.delete(login_attempts).where(login_attempts.c.email == email.lower()))


@dataclass(slots=True)
class _Calls:
    count: int
    last: dt.datetime


class SignInLimit:
    """Three sign-ins in ten seconds for each address, as Better Auth counts them."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, _Calls] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, address: str, now: dt.datetime) -> int:
        """Count a call; 0 when it may go on, else the seconds to wait."""
        with self._lock:
            calls = self._by_address.get(address)
            if calls is None or now - calls.last > SIGN_IN_WINDOW:
                self._by_address[address] = _Calls(1, now)
            elif calls.count >= SIGN_INS:
                return max(1, math.ceil((calls.last + SIGN_IN_WINDOW - now).total_seconds()))
            else:
                self._by_address[address] = _Calls(calls.count + 1, now)
            self._by_address.move_to_end(address)
            if len(self._by_address) > MAX_ADDRESSES:
                self._by_address.popitem(last=False)
            return 0
