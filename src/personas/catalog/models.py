"""What a catalog holds: the models that check it, and from which its JSON Schema is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, RootModel
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from personas.catalog.positions import Positions
from personas.catalog.wording import JsonPath, find_unstorable, quote

if TYPE_CHECKING:
    from personas.errors import Problem

PERSONA_DOMAIN = "@mana.test"

_PROMPT_UNITS = 20  # of UTF-16, as every program that reads the catalog counts
# The rule of zod's .email(), for emails that end in the domain; in lower case, as the service stores them.
_EMAIL = r"^(?!\.)(?!.*\.\.)[a-z0-9_'+.-]*[a-z0-9_+-]@mana\.test$"
_EMAIL_IN_ANY_CASE = re.compile(_EMAIL, re.IGNORECASE | re.ASCII)


class Cadence(StrEnum):
    """How often a persona uses the app."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"
    HOURLY = "hourly"


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


@lru_cache
def known_keys(model: type[BaseModel]) -> frozenset[str]:
    """Return the keys that one part of a catalog knows, as the catalog writes them."""
    return frozenset(str(field.alias) for field in model.model_fields.values())


def catalog_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a catalog, for completion and help in editors."""
    return Catalog.model_json_schema()
