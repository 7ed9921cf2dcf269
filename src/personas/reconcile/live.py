"""What was read from a service, or from a snapshot of it: the live side of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from personas.service.models import LivePersona, Login, LoginCheck


class Ownership(StrEnum):
    """Whose the account behind a catalog email is, where no live persona has that email."""

    FREE = "free"  # nobody has it
    OURS = "ours"  # a half-created persona: the derived password signs in
    FOREIGN = "foreign"  # somebody else's: the derived password is wrong
    NOT_KNOWN = "not-known"  # the question got no true answer
    NOT_CHECKED = "not-checked"  # the service offers no look-up


@dataclass(frozen=True, slots=True)
class Owner:
    """The answer to whose an email is, and why."""

    verdict: Ownership
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """When users were looked up last, and how many there were.

    Attributes:
        at: When it was asked, as `time.monotonic()` counts.
        total: How many users shared the personas' domain; None when the service does not tell.
    """

    at: float
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """What was read from one service, or from a snapshot of it.

    Attributes:
        personas: The live personas, in the order of the service.
        owners: For each catalog email that no live persona has, whose it is. An email that is absent
            here was not asked about.
        logins: For each email whose sign-in was tried, the verdict.
        unread: For each live persona whose details could not be read, why.
        notes: What a reader must know about this reading, such as a check that could not be made.
        taken_at: When a snapshot was taken; None for a service read just now.
        service: The address of the service; empty where it is not known.
        details: Whether prompts and weights were read; a service's list has none.
        looked_up: When the owners were asked for; None when nobody was looked up, or long ago.
    """

    personas: tuple[LivePersona, ...] = ()
    owners: Mapping[str, Owner] = field(default_factory=dict)
    logins: Mapping[str, LoginCheck] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    taken_at: datetime | None = None
    service: str = ""
    details: bool = True
    looked_up: LookedUp | None = field(default=None, compare=False)

    @property
    def secret_differs(self) -> bool:
        """Whether every derived password that was tried is wrong: they were seeded with another secret."""
        wrong = [login.verdict is Login.WRONG_PASSWORD for login in self.logins.values()]
        return len(wrong) > 1 and all(wrong)
