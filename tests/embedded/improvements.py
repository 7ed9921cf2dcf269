"""The one list of what the embedded service does better than the original on purpose, by rule.

Each rule tells of a step that is not answered as recorded whether this is the improvement it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from .recorded import Difference


def _is_refused(difference: Difference, status: int = 400) -> bool:
    """Whether the caller is told in a body what is wrong."""
    body: Any = difference.body
    return difference.status == status and isinstance(body, dict) and bool({"error", "message"} & body.keys())


def _refused_where_the_original_breaks(difference: Difference) -> bool:
    return difference.step.answer.status == 500 and _is_refused(difference)


def _cannot_be_stored(difference: Difference) -> bool:
    sent = difference.step.model_dump_json(include={"body", "raw", "call"})
    return ("\\u0000" in sent or "%00" in sent) and (_is_refused(difference) or _is_refused(difference, 404))


def _look_up_works(difference: Difference) -> bool:
    step = difference.step
    return (
        step.path.startswith("/api/v1/admin/users") and step.answer.status == 500 and difference.status == 200
    )


def _found_in_lower_case(difference: Difference) -> bool:
    body = difference.step.body
    email = body.get("email") if isinstance(body, dict) else None
    if not isinstance(email, str) or email == email.lower():
        return False
    return (difference.step.answer.status, difference.status) in ((500, 200), (200, 429))


def _is_a_humans(difference: Difference) -> bool:
    return difference.step.call == "POST /api/v1/admin/personas" and _is_refused(difference, 409)


def _is_the_page(difference: Difference) -> bool:
    return difference.step.call == "GET /" and difference.status == 200


def _has_the_mean(difference: Difference) -> bool:
    return all(how.startswith("$.feedbackByModule.") for how in difference.how)


class Improvement(NamedTuple):
    """What tells an improvement, and a sequence that has it."""

    applies: Callable[[Difference], bool]
    sequence: str


IMPROVEMENTS = {
    "400 for what the original answers 500": Improvement(_refused_where_the_original_breaks, "creating"),
    "400 for a NUL, which no database can store": Improvement(_cannot_be_stored, "spaces"),
    "the look-up of users works": Improvement(_look_up_works, "searching"),
    "emails are looked up in lower case": Improvement(_found_in_lower_case, "logging_in"),
    "409 for a human's email": Improvement(_is_a_humans, "creating"),
    "the mean of a module's ratings, and their number beside it": Improvement(_has_the_mean, "runner"),
    "a page for browsers where the original has none": Improvement(_is_the_page, "who_may"),
}

# What follows from them, where the original goes on with what is refused, kept or gone here.
CONSEQUENCES: dict[str, dict[int, str]] = {
    "creating": {
        183: "a cadence that is none of the three cannot be stored: it is daily",
        319: "the human was refused, and is still no persona",
        320: "the human was refused, and is still no persona",
    },
    "reading": {80: "the personal space was deleted with its only member: its slug is free again"},
    "registering": {
        98: "a lone surrogate cannot be stored, and without it there is no name: the local part is one",
        201: "two whose names have a NUL were refused",
    },
    "spaces": {
        435: "who was deleted is no member any more, and so the space can be shown",
        439: "the personal space was deleted with its only member: its slug is free again",
    },
}


def unexplained(sequence: str, differences: Iterable[Difference]) -> list[Difference]:
    """The differences that are no improvement."""
    consequences = CONSEQUENCES.get(sequence, {})
    return [
        difference
        for difference in differences
        if difference.number not in consequences
        and not any(improvement.applies(difference) for improvement in IMPROVEMENTS.values())
    ]


def missing(sequence: str, differences: Collection[Difference]) -> list[str]:
    """The improvements and consequences that the sequence should show, and does not."""
    unseen = CONSEQUENCES.get(sequence, {}).keys() - {difference.number for difference in differences}
    return [
        reason
        for reason, improvement in IMPROVEMENTS.items()
        if improvement.sequence == sequence and not any(map(improvement.applies, differences))
    ] + [f"step {number}" for number in unseen]
