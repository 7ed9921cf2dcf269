"""What a catalog holds: the models that check it, and from which its JSON Schema is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    RootModel,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from personas.catalog.positions import Positions
from personas.catalog.wording import JsonPath, find_unstorable, quote

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

    from personas.errors import Problem

PERSONA_DOMAIN = "@mana.test"
OWNER = "owner"

_PROMPT_UNITS = 20  # of UTF-16, as every program that reads the catalog counts
_MAX_SLUG = 60
_MAX_PERSONAL_SLUG = 30
_SLUG = "^[a-z0-9]+(-[a-z0-9]+)*$"
_SLUG_PATTERN = re.compile(_SLUG)
# The rule of zod's .email(), for emails that end in the domain; in lower case, as the service stores them.
_EMAIL = r"^(?!\.)(?!.*\.\.)[a-z0-9_'+.-]*[a-z0-9_+-]@mana\.test$"
_EMAIL_IN_ANY_CASE = re.compile(_EMAIL, re.IGNORECASE | re.ASCII)


class Cadence(StrEnum):
    """How often a persona uses the app."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"
    HOURLY = "hourly"


class SpaceType(StrEnum):
    """The kinds of spaces that are shared; everybody's personal space is made by the service itself."""

    FAMILY = "family"
    TEAM = "team"
    PRACTICE = "practice"
    BRAND = "brand"
    CLUB = "club"


class Role(StrEnum):
    """What a member of a space may do, as the service knows it."""

    MEMBER = "member"
    ADMIN = "admin"


def email_flaw(email: str) -> str:
    """Say what is wrong with a persona's email, to be read after its name; nothing when it is good."""
    if not email.endswith(PERSONA_DOMAIN):
        return f'must end in "{PERSONA_DOMAIN}", unlike {quote(email)}'
    if not _EMAIL_IN_ANY_CASE.fullmatch(email):
        return f"{quote(email)} is not an email address: before the @ stand letters, digits and single dots"
    if email != email.lower():
        return f"must be in lower case, as the service stores it: {quote(email.lower())}"
    return ""


def _prompt_flaw(prompt: str) -> str:
    if len(prompt) < _PROMPT_UNITS:
        units = len(prompt.encode("utf-16-le", "surrogatepass")) // 2
        if units < _PROMPT_UNITS:
            return f"must have at least {_PROMPT_UNITS} characters, not {units}"
    return find_unstorable(prompt)


def _slug_flaw(slug: str) -> str:
    if len(slug) > _MAX_SLUG or not _SLUG_PATTERN.fullmatch(slug):
        return (
            f"must be 1 to {_MAX_SLUG} lower-case letters and digits, in words joined by single hyphens, "
            f"not {quote(slug)}"
        )
    return ""


def personal_slug(email: str) -> str:
    """Return the slug that the service gives to somebody's personal space; where it is taken, `-2` follows.

    Empty where the service makes one up, for an email without letters and digits.
    """
    words = re.sub("[^a-z0-9]+", "-", email.rpartition("@")[0].lower())
    return words.strip("-")[:_MAX_PERSONAL_SLUG]


def _without(find_flaw: Callable[[str], str]) -> AfterValidator:
    """Accept what has no flaw; the error's message is the flaw."""

    def check(value: str) -> str:
        if flaw := find_flaw(value):
            # Not the template itself: the flaw may quote braces.
            raise PydanticCustomError("flaw", "{flaw}", {"flaw": flaw})
        return value

    return AfterValidator(check)


_Text = Annotated[str, Field(min_length=1), _without(find_unstorable)]
_Email = Annotated[str, _without(email_flaw), Field(json_schema_extra={"pattern": _EMAIL})]
_Prompt = Annotated[str, _without(_prompt_flaw), Field(json_schema_extra={"minLength": _PROMPT_UNITS})]
_Slug = Annotated[
    str, _without(_slug_flaw), Field(json_schema_extra={"pattern": _SLUG, "maxLength": _MAX_SLUG})
]
_ModuleMix = Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


def _title(name: str, _: object) -> str:
    return name.replace("_", " ").capitalize()


class _Entry(BaseModel):
    """What all parts of a catalog share: nothing is coerced or changed, unknown keys are dropped."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        field_title_generator=_title,
        hide_input_in_errors=True,
    )


class Persona(_Entry):
    """One test user of the auth service."""

    name: _Text = Field(
        description="What the user is called. The service never changes it after the creation.",
        examples=["Anna"],
    )
    email: _Email = Field(
        description="Identifies the persona: lower case, unique here, ends in @mana.test.",
        examples=["persona.anna@mana.test"],
    )
    archetype: _Text = Field(
        description="The kind of person, by which personas are chosen and counted.",
        examples=[
            "adhd-student",
            "ceo-busy",
            "creative-parent",
            "solo-dev",
            "researcher",
            "freelancer",
            "overwhelmed-newbie",
        ],
    )
    system_prompt: _Prompt = Field(
        description="Whom a model plays: age, life, habits with the app, tone, mistakes.",
        examples=["You are Anna, 24. You plan everything on Sunday and forget it by Tuesday."],
    )
    module_mix: _ModuleMix = Field(
        description="How much each module is used; the weights need not sum to 1.",
        examples=[{"todo": 0.5, "calendar": 0.3, "notes": 0.2}],
    )
    tick_cadence: Cadence = Field(
        default=Cadence.DAILY, strict=False, description="How often the persona uses the app."
    )

    def __hash__(self) -> int:
        return hash(self.email)

    @cached_property
    def spaces(self) -> tuple[Space, ...]:
        """The spaces that it shares in the catalog that it was read from, in the catalog's order.

        Not a part of it: personas are equal, hashed and written without them.
        """
        return ()


class Member(_Entry):
    """Somebody who shares a space: an email alone, or an email with a role."""

    email: _Email = Field(description="A persona of this catalog, not the owner of the space.")
    role: Role = Field(default=Role.MEMBER, strict=False, description="What the member may do.")

    @model_validator(mode="before")
    @classmethod
    def _take_email_alone(cls, value: Any) -> Any:
        return {"email": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe both forms in which a member is written."""
        whole = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [whole["properties"]["email"], whole]}


class Space(_Entry):
    """A place that some personas share on the service: an organization of the auth service."""

    slug: _Slug = Field(
        description="Identifies the space: lower case, unique here and on the service.",
        examples=["familie-brandt"],
    )
    name: _Text = Field(description="What the space is called.", examples=["Familie Brandt"])
    type: SpaceType = Field(strict=False, description="The kind of space.")
    owner: _Email = Field(
        description="The persona to whom the space belongs, and who creates it.",
        examples=["persona.anna@mana.test"],
    )
    members: tuple[Member, ...] = Field(
        strict=False,
        description="The personas who share the space with its owner.",
        examples=[["persona.jonas@mana.test"]],
    )

    def role_of(self, who: Persona | str) -> str | None:
        """Return what somebody is in this space: `owner`, `admin` or `member`; None for a stranger."""
        email = who if isinstance(who, str) else who.email
        if email == self.owner:
            return OWNER
        return next((member.role.value for member in self.members if member.email == email), None)


class ModuleMix(RootModel[_ModuleMix]):
    """The weights of some modules, by themselves."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a catalog was read from.

    Attributes:
        file: The file as it was named.
        warnings: What is doubtful in it, in the order of the file.
        positions: Where everything stands in it; not compared.
    """

    file: str = "catalog.json"
    warnings: tuple[Problem, ...] = ()
    positions: Positions = field(default_factory=Positions, compare=False, repr=False)


class Catalog(_Entry):
    """The test users of an auth service, kept true on the service by the command personas."""

    model_config = ConfigDict(
        title="Catalog of personas",
        json_schema_extra={"$schema": "https://json-schema.org/draft/2020-12/schema"},
    )

    editor_schema: str = Field(
        default="",
        alias="$schema",
        title="Schema",
        description="Where editors find this schema.",
        examples=["./catalog.schema.json"],
    )
    description: str = Field(default="", description="What this catalog is for; read by people only.")
    personas: tuple[Persona, ...] = Field(
        min_length=1, strict=False, description="The personas, in any order."
    )
    spaces: tuple[Space, ...] = Field(
        default=(), strict=False, description="The spaces that personas share, in any order."
    )

    _origin: Origin = PrivateAttr(default_factory=Origin)

    def model_post_init(self, context: Any, /) -> None:
        """Keep where the catalog was read from."""
        if isinstance(context, Origin):
            self._origin = context

    @property
    def file(self) -> str:
        """The file as it was named."""
        return self._origin.file

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is doubtful, in the order of the file."""
        return self._origin.warnings

    def locate(self, path: JsonPath) -> tuple[int, int]:
        """Return line and column, both from 1, of a value such as `("personas", 3, "systemPrompt")`.

        Columns count code points. A missing key is stood for by its nearest parent.
        """
        return self._origin.positions.locate(path)


def tell_spaces(catalog: Catalog) -> None:
    """Let each persona of a catalog know the spaces that it shares."""
    shared: dict[str, list[Space]] = {}
    for space in catalog.spaces:
        for email in (space.owner, *(member.email for member in space.members)):
            shared.setdefault(email, []).append(space)
    for persona in catalog.personas if shared else ():
        # Where a cached property keeps its value: no field, so that nothing else of the persona changes.
        vars(persona)["spaces"] = tuple(shared.get(persona.email, ()))


@lru_cache
def known_keys(model: type[BaseModel]) -> frozenset[str]:
    """Return the keys that one part of a catalog knows, as the catalog writes them."""
    return frozenset(str(field.alias) for field in model.model_fields.values())


def catalog_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a catalog, for completion and help in editors."""
    return Catalog.model_json_schema()
