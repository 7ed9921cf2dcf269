"""What a service told, as a report's document holds it; a snapshot is read back from this."""

from __future__ import annotations

from pydantic import Field

from personas.reconcile.live import Ownership
from personas.report.shapes import Measure, Model, Text, Time, Weights, Whole
from personas.service.models import Login


class Facts(Model):
    """What the list of the service tells of a live persona."""

    email: Text
    name: Text | None = None
    archetype: Text | None = None
    tick_cadence: Text | None = None
    created_at: Time | None = None
    last_active_at: Time | None = None
    actions_7d: int | None = Field(default=None, alias="actions7d")


class Persona(Model):
    """One live persona, whole."""

    user_id: Text
    email: Text
    name: Text | None
    archetype: Text | None
    tick_cadence: Text | None
    system_prompt: Text | None
    module_mix: Weights | None
    created_at: Time | None
    last_active_at: Time | None
    actions_7d: Whole | None = Field(alias="actions7d")


class Action(Model):
    """One thing that a persona did lately."""

    tool: Text
    result: Text
    created_at: Time | None
    latency_ms: Measure
    error_message: Text | None


class Feedback(Model):
    """What a persona thinks of one module."""

    module: Text
    ratings: int | None
    mean: Measure = Field(description="1 to 5.")


class Detail(Model):
    """One live persona with its last actions and its feedback."""

    persona: Persona
    recent_actions: tuple[Action, ...]
    feedback: tuple[Feedback, ...]


class Owner(Model):
    """Whose the account behind a catalog email is."""

    verdict: Ownership
    reason: Text


class LoginCheck(Model):
    """Whether a derived password signs in."""

    verdict: Login
    reason: Text


class Member(Model):
    """One member of a space."""

    member_id: Text
    user_id: Text
    email: Text
    name: Text | None
    role: Text


class Invitation(Model):
    """An invitation to a space, of whatever status."""

    invitation_id: Text
    email: Text
    role: Text
    status: Text
    expires_at: Time | None
    expired: bool = Field(description="Whether it was too late to accept it when it was read.")


class Space(Model):
    """One shared space, whole."""

    space_id: Text
    slug: Text
    name: Text
    type: Text | None
    members: tuple[Member, ...]
    invitations: tuple[Invitation, ...]


class Live(Model):
    """The whole live state, such that a plan can be made of it later."""

    taken_at: Time | None
    only: tuple[Text, ...] = Field(
        default=(), description="The patterns of --only; what they left out is not here."
    )
    personas: tuple[Persona, ...]
    owners: dict[Text, Owner] = Field(description="By email.")
    logins: dict[Text, LoginCheck] = Field(description="By email.")
    unread: dict[Text, Text] = Field(
        default_factory=dict, description="Why details could not be read, by email."
    )
    notes: tuple[Text, ...]
    spaces: tuple[Space, ...] = Field(default=(), description="The shared ones of everybody who was asked.")
    unread_spaces: dict[Text, Text] = Field(
        default_factory=dict, description="Why members could not be read, by slug."
    )
    unread_by: dict[Text, tuple[Text, ...]] = Field(
        default_factory=dict, description="Who is in a space that could not be read, by slug."
    )
    slugs: dict[Text, Owner] = Field(
        default_factory=dict, description="Whose the catalog's other slugs are, by slug."
    )
    spaces_of: dict[Text, Text] = Field(
        default_factory=dict,
        description="Who was asked for spaces, by email: why that failed, or an empty text.",
    )
    no_spaces: Text = Field(
        default="the snapshot was taken by a version that reads no spaces",
        description="Why nobody was asked for spaces; empty where somebody was.",
    )
