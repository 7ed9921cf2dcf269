"""What became of the steps of a plan: types alone, for whoever tells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from personas.errors import ServiceError
from personas.reconcile.changes import Change


class Result(StrEnum):
    """What became of one step."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  # sent, and no answer came
    NOT_DONE = "not-done"  # never sent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step, by the service's own word.

    Attributes:
        change: The change whose step this was.
        result: What became of it.
        message: Why it failed or is not known, or what is worth saying of a success.
        seconds: How long it took, retries and waiting included.
    """

    change: Change
    result: Result
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Applied:
    """The end of a run.

    Attributes:
        outcomes: One for every step of the plan, in the plan's order.
        error: What stopped the run before its end: refused credentials or an unreachable service.
        interrupted: The run was asked to stop.
        notes: What a reader must know about the run as a whole, each a sentence.
    """

    outcomes: tuple[Outcome, ...]
    error: ServiceError | None = None
    interrupted: bool = False
    notes: tuple[str, ...] = ()
