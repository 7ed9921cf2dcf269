"""What was read from a service, or from a snapshot of it: the live side of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from personas.service.models import LivePersona, LiveSpace, Login, LoginCheck

WRONG_PASSWORD = "the derived password does not sign in"  # noqa: S105 - a reason, no password
NO_SPACES = "the service offers no spaces"


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
        spaces: The shared spaces of everybody who was asked for them, each once; personal ones are not here.
        unread_spaces: For each of these that could not be read, by its slug, why.
        unread_by: Who had such a space in their list, by its slug.
        slugs: For each slug of the catalog that none of these spaces has, whose it is. A slug that is absent
            here was not asked about.
        spaces_of: For each persona who was asked, by email, why its spaces are not known; empty where they
            are.
        no_spaces: Why nobody was asked for spaces, or not everybody who should be; empty where they were.
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
    spaces: tuple[LiveSpace, ...] = ()
    unread_spaces: Mapping[str, str] = field(default_factory=dict)
    unread_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slugs: Mapping[str, Owner] = field(default_factory=dict)
    spaces_of: Mapping[str, str] = field(default_factory=dict)
    no_spaces: str = ""

    @property
    def secret_differs(self) -> bool:
        """Whether every derived password that was tried is wrong: they were seeded with another secret."""
        wrong = [login.verdict is Login.WRONG_PASSWORD for login in self.logins.values()]
        return len(wrong) > 1 and all(wrong)
