"""What services return, in one form for all of them; a field that a service left out is None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from personas.redact import Secret

Params = Mapping[str, str] | None  # the query of a call
Body = Mapping[str, object] | None  # and its JSON


class ServiceModel(BaseModel):
    """Base of the neutral models: frozen, camelCase in JSON, unknown keys ignored."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


class RecentAction(ServiceModel):
    """One action of a persona in the product."""

    tool: str = Field(default="?", validation_alias=AliasChoices("tool", "toolName"))
    result: str
    created_at: datetime | None = None
    latency_ms: float | None = None
    error_message: str | None = None


class ModuleFeedback(ServiceModel):
    """Ratings of one module by a persona; `mean` is from 1 to 5."""

    module: str
    # mana puts the number of ratings where their mean should be.
    ratings: int | None = Field(default=None, validation_alias=AliasChoices("ratings", "avgRating"))
    mean: float | None = None


class LivePersona(ServiceModel):
    """One persona on the service. A field that was not read, or that the service does not have, is None."""

    user_id: str
    email: str
    name: str | None = None
    archetype: str | None = None
    system_prompt: str | None = None
    module_mix: Mapping[str, float] | None = None
    tick_cadence: str | None = None
    email_verified: bool | None = None
    created_at: datetime | None = None
    last_active_at: datetime | None = None
    actions_7d: int | None = Field(default=None, alias="actions7d")
    recent_actions: tuple[RecentAction, ...] | None = None
    feedback: tuple[ModuleFeedback, ...] | None = None


class LiveMember(ServiceModel):
    """One member of a shared space; `email` is empty where the service does not return it."""

    member_id: str
    user_id: str
    email: str
    role: str


class LiveSpace(ServiceModel):
    """One shared space on the service.

    Attributes:
        type: None if the service has no types of spaces; empty if this space has none.
        broken: Whether the service can no longer read it: the account of a member was deleted.
        metadata: What the service stores with it; an update must send all of it again.
        reader: The email of the persona that was signed in to read it.
    """

    space_id: str
    slug: str
    name: str
    type: str | None = None
    members: tuple[LiveMember, ...] = ()
    broken: bool = False
    metadata: dict[str, object] = Field(default_factory=dict, exclude=True, repr=False)
    reader: str = Field(default="", exclude=True)

    @property
    def owners(self) -> tuple[str, ...]:
        """The emails of its owners, in lower case."""
        return tuple(m.email.lower() for m in self.members if "owner" in m.role.split(","))


@dataclass(frozen=True, slots=True)
class FoundUser:
    """An account with a catalog email that is not a live persona; `user_id` is empty if unknown."""

    user_id: str
    email: str


class Verdict(StrEnum):
    """Whether a password signs in."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """The result of one sign-in with a derived password."""

    verdict: Verdict  # wrong only after a 401 with the code INVALID_EMAIL_OR_PASSWORD
    reason: str = ""  # why it is unknown
    rate_limited: bool = False  # the service asked for fewer sign-ins, so further checks are pointless


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in account: the session cookie with its attributes as the service set them.

    `domain` starts with a dot, and is None for a cookie of the service's host alone.
    """

    email: str
    cookie_name: str
    cookie: Secret
    domain: str | None = None
    path: str = "/"
    secure: bool = False
    http_only: bool = True
    same_site: str = "Lax"
    expires_at: datetime | None = None
    bearer: Secret | None = None
    user_id: str | None = None
    name: str | None = None

    @property
    def header(self) -> Secret:
        """The value of a Cookie header."""
        return Secret(f"{self.cookie_name}={self.cookie.reveal()}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call."""

    status: int
    body: object = field(repr=False)  # the decoded JSON; None if it is not JSON
    detail: str = ""  # what the service says about an error, without secrets
    code: str = ""  # the error code of the service, such as `INVALID_ORIGIN`
    retried: bool = False  # an earlier attempt got no answer, so the call may have been applied before
    server_error: bool = False  # an earlier attempt was answered with a 5xx status
    is_json: bool = True
    set_cookies: tuple[str, ...] = field(default=(), repr=False)
    bearer: Secret | None = None  # of the header Set-Auth-Token: a session that needs no cookie
