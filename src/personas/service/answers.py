"""Bodies of the service become types of `live`; what is missing is None, what is of a wrong kind is told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

from personas.errors import BadAnswer
from personas.service.models import LiveDetail, LivePersona, ModuleFeedback, RecentAction

WRONG_ENDPOINT = "Is --auth the auth service, and --endpoint its path for personas?"


def live_persona(entry: object, where: str) -> LivePersona:
    """One persona of the list or of the details.

    Args:
        entry: What the service said.
        where: Where it said so, for the error.

    Raises:
        BadAnswer: It is no persona, or a field is of a wrong kind.
    """
    if not isinstance(entry, dict):
        raise BadAnswer(f"{where} is no persona", hint=WRONG_ENDPOINT)
    user_id, email = entry.get("userId"), entry.get("email")
    if not isinstance(user_id, str) or not isinstance(email, str) or not user_id or not email:
        raise BadAnswer(f"{where} has no userId or no email", hint=WRONG_ENDPOINT)
    mix = entry.get("moduleMix")
    return LivePersona(
        user_id=user_id,
        email=email,
        name=text_or_none(entry.get("name")),
        archetype=text_or_none(entry.get("archetype")),
        tick_cadence=text_or_none(entry.get("tickCadence")),
        system_prompt=text_or_none(entry.get("systemPrompt")),
        module_mix=None if mix is None else _weights(mix, where),
        created_at=time_or_none(entry.get("createdAt")),
        last_active_at=time_or_none(entry.get("lastActiveAt")),
        actions_7d=entry["actions7d"] if is_count(entry.get("actions7d")) else None,
    )


def live_detail(body: Mapping[str, Any], what: str) -> LiveDetail:
    """The details of one persona.

    Raises:
        BadAnswer: There is no persona in it, or a field is of a wrong kind.
    """
    return LiveDetail(
        persona=live_persona(body.get("persona"), f"{what}: the answer"),
        recent_actions=tuple(
            RecentAction(
                tool=text_or_none(entry.get("toolName")) or "?",
                result=text_or_none(entry.get("result")) or "?",
                created_at=time_or_none(entry.get("createdAt")),
                latency_ms=_finite(entry.get("latencyMs")),
                error_message=text_or_none(entry.get("errorMessage")),
            )
            for entry in _entries(body.get("recentActions"))
        ),
        feedback=tuple(_feedback(entry) for entry in _entries(body.get("feedbackByModule"))),
    )


def _feedback(entry: Mapping[str, Any]) -> ModuleFeedback:
    module = text_or_none(entry.get("module")) or "?"
    average, ratings = _finite(entry.get("avgRating")), entry.get("ratings")
    if is_count(ratings):
        return ModuleFeedback(module, ratings=ratings, mean=average)
    # Without a count beside it, the service's "avgRating" is the number of ratings, not their mean.
    if average is not None and average == int(average):
        return ModuleFeedback(module, ratings=int(average))
    return ModuleFeedback(module, mean=average)


def _entries(value: object) -> Iterable[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _weights(value: object, where: str) -> Mapping[str, float]:
    if not isinstance(value, dict):
        raise BadAnswer(f"{where}: moduleMix is no object")
    weights = {module: _finite(weight) for module, weight in value.items()}
    if None in weights.values():
        raise BadAnswer(f"{where}: moduleMix has a weight that is no number")
    return {module: weight for module, weight in weights.items() if weight is not None}


def text_or_none(value: object) -> str | None:
    """A text, or None for anything else."""
    return value if isinstance(value, str) else None


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number of things."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def time_or_none(value: object) -> datetime | None:
    """A moment with its zone, or None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
