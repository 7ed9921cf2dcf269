"""What a service answers, as types; what it left unsaid is None, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class LivePersona:
    """One persona that the service has.

    The list of a service leaves out the prompt and the weights, and some leave out the name: such a
    field is None until the details have been read.
    """

    user_id: str
    email: str
    name: str | None = None
    archetype: str | None = None
    tick_cadence: str | None = None
    system_prompt: str | None = None
    module_mix: Mapping[str, float] | None = None
    created_at: datetime | None = None
    last_active_at: datetime | None = None
    actions_7d: int | None = None


@dataclass(frozen=True, slots=True)
class RecentAction:
    """One thing that a persona did lately."""

    tool: str
    result: str
    created_at: datetime | None = None
    latency_ms: float | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class ModuleFeedback:
    """What a persona thinks of one module.

    Attributes:
        module: The module's name.
        ratings: How many ratings there are; None when the service does not say.
        mean: Their mean, from 1 to 5; None when the service does not say.
    """

    module: str
    ratings: int | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class LiveDetail:
    """One live persona with its descriptor, its last actions and its feedback."""

    persona: LivePersona
    recent_actions: tuple[RecentAction, ...] = ()
    feedback: tuple[ModuleFeedback, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user of the service, persona or not, as the look-up tells it."""

    user_id: str
    email: str


class Login(StrEnum):
    """Whether a derived password signs in."""

    WORKS = "works"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a verdict, no password
    NOT_KNOWN = "not-known"


@dataclass(frozen=True, slots=True)
class LoginCheck:
    """The verdict of one sign-in with a derived password, and why it is not known."""

    verdict: Login
    reason: str = ""
