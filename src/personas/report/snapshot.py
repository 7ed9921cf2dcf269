"""A JSON report of `list --full`, read back: the live state of another day, to be compared with."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from pydantic import ValidationError

from personas.errors import ServiceError, UsageError
from personas.reconcile.live import Live, Owner
from personas.reconcile.plan import matches
from personas.report import wording
from personas.report.document import Report
from personas.service.models import LivePersona, LoginCheck

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from pydantic_core import ErrorDetails

    from personas.reconcile.plan import Plan

_HOW = "personas list --full -o json > live.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was live once.

    Attributes:
        live: The live state, to be planned with.
        age: Seconds since it was taken.
        service: The address of the service; empty when the snapshot does not tell.
        only: The patterns of `--only` with which it was taken; empty for a whole one.
    """

    live: Live
    age: float
    service: str = ""
    only: tuple[str, ...] = ()

    def within(self, plan: Plan) -> Plan:
        """The plan without what the snapshot does not hold, and a note that says so."""
        if not self.only:
            return plan
        held = tuple(
            change for change in plan.changes if any(matches(change, pattern) for pattern in self.only)
        )
        left_out = sum(change.wanted is not None for change in plan.changes) - sum(
            change.wanted is not None for change in held
        )
        patterns = " ".join(f"--only {pattern}" for pattern in self.only)
        note = (
            f"The snapshot was taken with {patterns}: "
            f"{wording.count(left_out, 'other persona')} of the catalog {'is' if left_out == 1 else 'are'} "
            "not in it and compared with nothing."
        )
        return replace(plan, changes=held, whole=False, notes=(*plan.notes, note))


def read_snapshot(text: str, *, now: datetime, max_age: timedelta | None = None) -> Snapshot:
    """The snapshot that a report of `list --full` is.

    Args:
        text: The JSON document.
        now: The time from which its age is counted.
        max_age: The age above which it is refused; None takes any.

    Raises:
        UsageError: It is no such document; says where and what is wrong.
        ServiceError: It is older than `max_age`.
    """
    try:
        report = Report.model_validate_json(text.removeprefix("\ufeff").encode("utf-8", "replace"))
    except ValidationError as error:
        _refuse(_what_is_wrong(error.errors(include_url=False)))
    found = report.live
    if found is None:
        _refuse("live is missing: the report was made without --full, or by another command")
    if found.taken_at is None:
        _refuse("live.takenAt is missing: the age of the snapshot is not known")
    for index, persona in enumerate(found.personas):
        if not persona.user_id or not persona.email:
            _refuse(f"live.personas[{index}].{'email' if persona.user_id else 'userId'} must not be empty")
    age = max((now - found.taken_at).total_seconds(), 0.0)
    if max_age is not None and age > max_age.total_seconds():
        raise ServiceError(
            f"the snapshot is {wording.duration(age)} old, and --max-age allows "
            f"{wording.duration(max_age.total_seconds())}",
            hint=f"Take a new one: {_HOW}",
        )
    live = Live(
        personas=tuple(LivePersona.model_construct(**persona.model_dump()) for persona in found.personas),
        owners={email: Owner(owner.verdict, owner.reason) for email, owner in found.owners.items()},
        logins={email: LoginCheck(login.verdict, login.reason) for email, login in found.logins.items()},
        unread=found.unread,
        notes=found.notes,
        taken_at=found.taken_at,
    )
    return Snapshot(live, age, report.service or "", found.only)


def _refuse(what: str) -> NoReturn:
    raise UsageError(
        f"the snapshot cannot be used: {what}", hint=f"Make one, with credentials: {_HOW}"
    ) from None


_NOT_JSON = "it is not JSON, and may be cut off"
_NO_REPORT = "it is not a report of personas"
_TIME = "must be a time such as 2026-01-31T12:00:00Z"
_SAYS = {
    "missing": "is missing",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "enum": "is nothing that this version knows",
}


def _what_is_wrong(errors: list[ErrorDetails]) -> str:
    """One of the reasons, with its place; that it is another kind of document comes first."""
    by_place = {error["loc"][:1]: error for error in reversed(errors)}
    if root := by_place.get(()):
        return f"{_NOT_JSON}: {root['ctx']['error']}" if root["type"] == "json_invalid" else _NO_REPORT
    if ("kind",) in by_place:
        return _NO_REPORT
    if version := by_place.get(("version",)):
        has = "missing" if version["type"] == "missing" else json.dumps(version["input"])[:40]
        return f"its version is {has}; this tool reads version 1"
    error = by_place.get(("live",)) or errors[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return f"{place[1:][:200]} {_SAYS.get(error['type'], 'is not what it should be')}"
