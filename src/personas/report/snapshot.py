"""Read the live state back from a JSON report, so that a plan can be made without the service."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, TypeVar

from personas.errors import UsageError
from personas.reconcile.live import Live, Owner, Ownership
from personas.report.jsonreport import KIND, VERSION
from personas.service.models import LivePersona, Login, LoginCheck

if TYPE_CHECKING:
    from collections.abc import Callable

_HINT = "Make one, with credentials, with: personas list --full -o json > live.json"
_Enum = TypeVar("_Enum", Ownership, Login)


def read_snapshot(text: str) -> Live:
    """The live state that a report of `list --full` carries.

    Args:
        text: The JSON document.

    Raises:
        UsageError: It is no such document; says where and what is wrong.
    """
    try:
        root = json.loads(text.removeprefix("\ufeff"), parse_constant=_no_number)
    except json.JSONDecodeError as error:
        _refuse(f"line {error.lineno}, column {error.colno}", "is not JSON; the file may be cut off")
    except (ValueError, RecursionError):
        _refuse("the document", "is not JSON that this tool has written")
    if not isinstance(root, dict) or root.get("kind") != KIND:
        _refuse("the document", "is not a report of personas")
    if root.get("version") != VERSION:
        _refuse("version", f"is {_short(root.get('version'))}; this tool reads version {VERSION}")
    if root.get("live") is None:
        _refuse("live", "is missing: the report was made without --full, or by another command")
    node = _object(root["live"], "live")
    taken_at = _time(node, "takenAt", "live")
    if taken_at is None:
        _refuse("live.takenAt", "is missing: the age of the snapshot is not known")
    return Live(
        personas=tuple(_personas(node)),
        owners={
            email: Owner(verdict, reason) for email, (verdict, reason) in _verdicts(node, "owners", Ownership)
        },
        logins={
            email: LoginCheck(verdict, reason)
            for email, (verdict, reason) in _verdicts(node, "logins", Login)
        },
        notes=_notes(node),
        taken_at=taken_at,
    )


def _refuse(where: str, what: str) -> NoReturn:
    raise UsageError(f"the snapshot cannot be used: {where} {what}", hint=_HINT) from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        _refuse(where, f"must be an object, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _list(node: dict[str, object], key: str, where: str) -> list[object]:
    value = _present(node, key, where)
    if not isinstance(value, list):
        _refuse(f"{where}.{key}", f"must be a list, not {_kind(value)}")
    return value


def _present(node: dict[str, object], key: str, where: str) -> object:
    if key not in node:
        _refuse(f"{where}.{key}", "is missing")
    return node[key]


def _personas(node: dict[str, object]) -> list[LivePersona]:
    return [
        _persona(_object(item, f"live.personas[{index}]"), f"live.personas[{index}]")
        for index, item in enumerate(_list(node, "personas", "live"))
    ]


def _persona(node: dict[str, object], where: str) -> LivePersona:
    user_id, email = _text(node, "userId", where), _text(node, "email", where)
    if not user_id or not email:
        _refuse(f"{where}.{'email' if user_id else 'userId'}", "must be a string that is not empty")
    actions = _present(node, "actions7d", where)
    if actions is not None and (isinstance(actions, bool) or not isinstance(actions, int)):
        _refuse(f"{where}.actions7d", f"must be a whole number or null, not {_kind(actions)}")
    return LivePersona.model_construct(
        user_id=user_id,
        email=email,
        name=_text(node, "name", where),
        archetype=_text(node, "archetype", where),
        tick_cadence=_text(node, "tickCadence", where),
        system_prompt=_text(node, "systemPrompt", where),
        module_mix=_mix(node, where),
        created_at=_time(node, "createdAt", where),
        last_active_at=_time(node, "lastActiveAt", where),
        actions_7d=actions,
    )


def _text(node: dict[str, object], key: str, where: str) -> str | None:
    value = _present(node, key, where)
    if value is not None and not isinstance(value, str):
        _refuse(f"{where}.{key}", f"must be a string or null, not {_kind(value)}")
    return value


def _mix(node: dict[str, object], where: str) -> dict[str, float] | None:
    value = _present(node, "moduleMix", where)
    if value is None:
        return None
    mix: dict[str, float] = {}
    for module, weight in _object(value, f"{where}.moduleMix").items():
        if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float)):
            _refuse(f"{where}.moduleMix", f"has a weight that is {_kind(weight)}, not a number")
        mix[module] = float("nan") if weight is None else weight
    return mix


def _time(node: dict[str, object], key: str, where: str) -> datetime | None:
    value = _text(node, key, where)
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        _refuse(f"{where}.{key}", "must be a time such as 2026-01-31T12:00:00Z")
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _verdicts(
    node: dict[str, object], key: str, of: Callable[[str], _Enum]
) -> list[tuple[str, tuple[_Enum, str]]]:
    found = []
    for email, item in _object(_present(node, key, "live"), f"live.{key}").items():
        where = f"live.{key}[{_short(email)}]"
        entry = _object(item, where)
        try:
            verdict = of(_text(entry, "verdict", where) or "")
        except ValueError:
            _refuse(f"{where}.verdict", "is no verdict that this version knows")
        found.append((email, (verdict, _text(entry, "reason", where) or "")))
    return found


def _notes(node: dict[str, object]) -> tuple[str, ...]:
    notes = _list(node, "notes", "live")
    for index, note in enumerate(notes):
        if not isinstance(note, str):
            _refuse(f"live.notes[{index}]", f"must be a string, not {_kind(note)}")
    return tuple(str(note) for note in notes)
