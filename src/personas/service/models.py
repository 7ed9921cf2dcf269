"""What a service answers, as models: what it left unsaid is None, never a guess.

A field that the service left out, or said to be null, is None; one of a wrong kind is refused with its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    PlainValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class Told(BaseModel):
    """A JSON object that a service told; unknown keys are left, and nothing is taken for another kind."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_unsaid(cls, data: Any) -> Any:
        return {key: data[key] for key in data if data[key] is not None} if isinstance(data, dict) else data


def _in_utc(value: object) -> datetime | None:
    match value:
        case str() | datetime():
            try:
                moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
                moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            except (ValueError, OverflowError):
                return None
            # The ends of time mean "never" and "for ever", and whoever calculates with them fails.
            return moment if 1 < moment.year < 9999 else None
        case _:
            return None


Moment = Annotated[datetime | None, BeforeValidator(_in_utc)]
"""A moment in UTC; None for anything that is none."""


def _text_or_unsaid(value: object) -> str | None:
    return value if isinstance(value, str) else None


LooseText = Annotated[str | None, PlainValidator(_text_or_unsaid)]
"""A text; None for anything else, where nothing depends on it."""

Count = Annotated[int, Field(ge=0, le=2**53)]
Text = Annotated[str, Field(min_length=1)]
# Three parts of base64url: what is printed, sent and put into scripts can be nothing else.
JWT = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"


def _all_numbers(value: object) -> object:
    # Ends at the first that is none: a list of a million errors would cost a gigabyte.
    if isinstance(value, dict):
        for module, weight in value.items():
            if type(weight) not in {int, float}:
                name = {"module": module[:60]}
                raise PydanticCustomError("weight", "has a weight that is no number: {module}", name)
    return value


Weights = Annotated[Mapping[str, float], Field(strict=False), BeforeValidator(_all_numbers)]


class LivePersona(Told):
    """One persona that the service has.

    The list of a service leaves out the prompt and the weights, and some leave out the name: such a
    field is None until the details have been read.
    """

    user_id: Text
    email: Text
    name: str | None = None
    archetype: str | None = None
    tick_cadence: str | None = None
    system_prompt: str | None = None
    module_mix: Weights | None = None
    created_at: Moment = None
    last_active_at: Moment = None
    actions_7d: Count | None = Field(default=None, validation_alias="actions7d")


class RecentAction(Told):
    """One thing that a persona did lately."""

    tool: str = Field(default="?", validation_alias="toolName")
    result: str = "?"
    created_at: Moment = None
    latency_ms: float | None = None
    error_message: str | None = None


class ModuleFeedback(Told):
    """What a persona thinks of one module.

    Attributes:
        module: The module's name.
        ratings: How many ratings there are; None when the service does not say.
        mean: Their mean, from 1 to 5; None when the service does not say.
    """

    module: str = "?"
    ratings: Count | None = None
    mean: float | None = Field(default=None, validation_alias="avgRating")

    @model_validator(mode="before")
    @classmethod
    def _an_average_without_a_count_is_the_count(cls, data: Any) -> Any:
        # The service calls the number of ratings their average where it tells no number beside it.
        match data:
            case {"avgRating": bool()}:
                return data
            case {"avgRating": int() | float() as average, **rest} if average % 1 == 0:
                return data if rest.get("ratings") is not None else {**rest, "ratings": int(average)}
        return data


class LiveDetail(Told):
    """One live persona with its descriptor, its last actions and its feedback."""

    persona: LivePersona
    recent_actions: Annotated[tuple[RecentAction, ...], FailFast()] = Field(default=(), strict=False)
    feedback: Annotated[tuple[ModuleFeedback, ...], FailFast()] = Field(
        default=(), strict=False, validation_alias="feedbackByModule"
    )


class Listed(Told):
    """The list of all live personas."""

    personas: Annotated[tuple[LivePersona, ...], FailFast()] = Field(strict=False)


def _said_yes(value: bool) -> bool:
    if not value:
        raise PydanticCustomError("not_true", "is not true")
    return value


Yes = Annotated[bool, AfterValidator(_said_yes)]


class Upserted(Told):
    """The service's word that a persona was created or updated."""

    ok: Yes
    user_id: Text
    email: str | None = None


class Deleted(Told):
    """The service's word that a persona was deleted."""

    ok: Yes
    deleted: str | None = None


class FoundUser(Told):
    """A user of the service, persona or not, as the look-up tells it."""

    user_id: str = Field(default="", validation_alias="id")
    email: Text


class UsersPage(Told):
    """One page of the look-up of users.

    Attributes:
        users: The users on it.
        total: How many there are on all pages; None when the service does not say.
    """

    users: Annotated[tuple[FoundUser, ...], FailFast()] = Field(strict=False)
    total: Count | None = None


class SignedInUser(Told):
    """Who has signed in."""

    id: str | None = None
    name: str | None = None


class SignInAnswer(Told):
    """The answer to a sign-in; the session itself is in a cookie."""

    user: SignedInUser = SignedInUser()


class SessionUser(SignedInUser):
    """Whose a session is."""

    email: Text


class SessionTimes(Told):
    """Until when a session holds."""

    expires_at: Moment = None


class FoundSession(Told):
    """A session as the service knows it."""

    session: SessionTimes
    user: SessionUser


class IssuedToken(Told):
    """The answer to a call for a JWT."""

    token: Annotated[str, Field(pattern=JWT, repr=False)]


class LoggedIn(Told):
    """The answer of the older log-in."""

    access_token: Annotated[str, Field(pattern=JWT, repr=False)]


def _texts(value: object) -> tuple[str, ...]:
    match value:
        case str():
            return (value,)
        case list():
            return tuple(item for item in value if isinstance(item, str))
        case {"message": str() as text}:
            return (text,)
    return ()


def _seconds(value: object) -> float | None:
    return float(min(max(value, 0), 10**9)) if type(value) is int else None


Reason = Annotated[tuple[str, ...], PlainValidator(_texts)]


class Refusal(Told):
    """What a service says when it refuses, in any of its shapes.

    It refuses whatever else it says: here alone, what is of a wrong kind counts as unsaid.
    """

    error: Reason = ()
    message: Reason = ()
    details: Reason = ()
    hint: Reason = ()
    code: Annotated[str | None, PlainValidator(lambda value: str(value)[:100])] = None
    remaining_seconds: Annotated[float | None, PlainValidator(_seconds)] = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that it says of its reason, once each."""
        said = (*self.error, *self.message, *self.details, *self.hint)
        return tuple(dict.fromkeys(text for text in said if text.strip()))


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
