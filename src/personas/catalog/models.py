"""What a catalog holds. The models check single values, and the JSON Schema is made from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from personas.catalog.problems import JsonPath, Problem, Problems, quote

DEFAULT_SCOPE = "*@mana.test"
MAX_SLUG = 60

_MIN_PROMPT = 20  # UTF-16 units, as every program that reads the catalog counts
_DOMAIN = r"@([a-z0-9][a-z0-9-]*\.)+[a-z]{2,}$"
# The rule of zod's .email(), in lower case because the service stores emails so.
_EMAIL = r"^(?!\.)(?!.*\.\.)[a-z0-9_'+.-]*[a-z0-9_+-]" + _DOMAIN
_EMAIL_IN_ANY_CASE = re.compile(_EMAIL, re.IGNORECASE | re.ASCII)
_SCOPE = r"^[a-z0-9_'+.*?-]+" + _DOMAIN
_SLUG = "^[a-z0-9]+(-[a-z0-9]+)*$"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_RESERVED_DOMAIN = re.compile(r"(^|\.)(test|example|invalid|localhost|example\.(com|net|org))$")

# What the patterns demand, in words.
PATTERNS = {
    _SCOPE: f'emails in lower case, with * and ? before the @ only, as in "{DEFAULT_SCOPE}"',
    _SLUG: "lower-case words and digits joined by single hyphens",
}

Cadence = Literal["daily", "weekdays", "hourly"]
SpaceType = Literal["family", "team", "practice", "brand", "club"]
Role = Literal["member", "admin"]


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern in which only `*` and `?` are special; it ignores case."""
    return re.compile(translate(pattern.replace("[", "[[]")), re.IGNORECASE)


def email_flaw(email: str) -> str:
    """Return what is wrong with an email, to be read after its name; empty if nothing is."""
    if not _EMAIL_IN_ANY_CASE.fullmatch(email):
        return f"is not a valid email address: {quote(email)}"
    if email != email.lower():
        return f"must be in lower case, as the service stores it: {quote(email.lower())}"
    return ""


def text_flaw(text: str) -> str:
    """Return which character the service's database refuses; empty if it takes all of them."""
    found = _UNSTORABLE.search(text)
    return f"contains the character U+{ord(found[0]):04X}, which cannot be stored" if found else ""


def _prompt_flaw(prompt: str) -> str:
    units = len(prompt.encode("utf-16-le", "surrogatepass")) // 2
    if units < _MIN_PROMPT:
        return f"must have at least {_MIN_PROMPT} characters, not {units}"
    return text_flaw(prompt)


def _without(find_flaw: Callable[[str], str]) -> AfterValidator:
    """Accept a text without a flaw; otherwise the flaw is the error's message."""

    def check(value: str) -> str:
        if flaw := find_flaw(value):
            # The flaw can quote braces, so it is not the template itself.
            raise PydanticCustomError("flaw", "{flaw}", {"flaw": flaw})
        return value

    return AfterValidator(check)


_Storable = Annotated[str, _without(text_flaw)]
_Text = Annotated[_Storable, Field(min_length=1)]
_Email = Annotated[str, _without(email_flaw), Field(json_schema_extra={"pattern": _EMAIL})]
_Prompt = Annotated[str, _without(_prompt_flaw), Field(json_schema_extra={"minLength": _MIN_PROMPT})]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Slug = Annotated[str, Field(max_length=MAX_SLUG, pattern=_SLUG)]
_Pattern = Annotated[str, Field(pattern=_SCOPE)]
_Patterns = Annotated[list[_Pattern], Field(min_length=1)]


class _Entry(BaseModel):
    """Values are not coerced. The loader ignores unknown keys, the models and the JSON Schema reject them."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        field_title_generator=lambda name, field: field.alias or name,
        hide_input_in_errors=True,
    )


class Persona(_Entry):
    """One test user of the auth service."""

    name: _Text = Field(description="The display name; the service cannot change it.", examples=["Anna"])
    email: _Email = Field(
        description="Identifies the persona; in lower case.", examples=["persona.anna@mana.test"]
    )
    archetype: _Text = Field(description="The kind of person.", examples=["solo-dev", "researcher"])
    system_prompt: _Prompt = Field(
        description="Who acts: age, life, habits with the app, tone, mistakes.",
        examples=["You are Anna, 24. You plan everything on Sunday and forget it by Tuesday."],
    )
    module_mix: Mapping[_Storable, _Weight] = Field(
        description="How much each module is used; the weights need not sum to 1.",
        examples=[{"todo": 0.5, "calendar": 0.3, "notes": 0.2}],
    )
    tick_cadence: Cadence = Field(default="daily", description="How often the persona acts.")

    def __hash__(self) -> int:
        return hash(self.email)


class Member(_Entry):
    """A member of a space; in JSON an email alone is enough."""

    email: _Email = Field(description="The email of a persona of this catalog, not the owner.")
    role: Role = Field(default="member", description="What the member may do.")


def _read_member(value: Any) -> Any:
    return {"email": value} if isinstance(value, str) else value


_MemberOrEmail = Annotated[Member, BeforeValidator(_read_member, json_schema_input_type=_Email | Member)]


class Space(_Entry):
    """A space that personas share: an organization of the auth service."""

    slug: _Slug = Field(description="Identifies the space on the service.", examples=["familie-brandt"])
    name: _Text = Field(description="The display name.", examples=["Familie Brandt"])
    type: SpaceType = Field(description="The kind of group; the service makes personal spaces itself.")
    owner: _Email = Field(description="The persona that owns it.", examples=["persona.anna@mana.test"])
    members: tuple[_MemberOrEmail, ...] = Field(
        strict=False, description="The other personas.", examples=[["persona.jonas@mana.test"]]
    )

    @property
    def emails(self) -> tuple[str, ...]:
        """The emails of the owner and the members, the owner first."""
        return (self.owner, *(member.email for member in self.members))


class Scope(_Entry):
    """The emails that a catalog owns: patterns with a literal domain."""

    patterns: tuple[_Pattern, ...] = Field(default=(DEFAULT_SCOPE,), min_length=1, strict=False)

    def contains(self, email: str) -> bool:
        """Whether a pattern matches the email; case is ignored."""
        return any(glob(pattern).match(email) for pattern in self.patterns)

    @property
    def real_domains(self) -> tuple[str, ...]:
        """The domains that RFC 2606 and RFC 6761 do not reserve for tests and examples, each once."""
        domains = dict.fromkeys(pattern.rpartition("@")[2] for pattern in self.patterns)
        return tuple(domain for domain in domains if not _RESERVED_DOMAIN.search(domain))

    def __str__(self) -> str:
        return ", ".join(self.patterns)


def _read_scope(value: Any) -> Any:
    if isinstance(value, Scope):
        return value
    if isinstance(value, str | list):
        return {"patterns": [value] if isinstance(value, str) else value}
    raise PydanticCustomError("scope_type", "must be a pattern or a list of patterns")


_PatternOrList = Annotated[Scope, BeforeValidator(_read_scope, json_schema_input_type=_Pattern | _Patterns)]


class Catalog(_Entry):
    """The personas and spaces that the command `personas` keeps on an auth service."""

    editor_schema: str = Field(default="", alias="$schema", description="Where editors find this schema.")
    description: str = Field(default="", description="What this catalog is for.")
    scope: _PatternOrList = Field(
        default_factory=Scope,
        description=f"The emails that this catalog owns, by default {DEFAULT_SCOPE}; other personas are left "
        "alone. Wildcards * and ? stand before the @ only.",
        examples=["books.*@acme.test"],
    )
    allow_real_domain: bool = Field(
        default=False, description="Allow a real domain: one that is not reserved for tests, as .test is."
    )
    personas: tuple[Persona, ...] = Field(min_length=1, strict=False, description="The personas.")
    spaces: tuple[Space, ...] = Field(default=(), strict=False, description="The spaces that personas share.")

    _problems: Problems = PrivateAttr(default_factory=Problems)

    def model_post_init(self, context: Any, /) -> None:
        """Keep the problems of the file, which the loader passes as the context."""
        if isinstance(context, Problems):
            self._problems = context

    @property
    def file(self) -> str:
        """The file as it was named."""
        return self._problems.file

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, in file order."""
        return self._problems.in_order()

    def locate(self, path: JsonPath) -> tuple[int, int]:
        """Return line and column, from 1, of a value such as `("personas", 3, "email")` or its parent."""
        return self._problems.positions.locate(path)

    def persona(self, email: str) -> Persona | None:
        """Return the persona with this email; case is ignored."""
        return self._by_email.get(email.lower())

    @cached_property
    def _by_email(self) -> dict[str, Persona]:
        return {persona.email: persona for persona in self.personas}


def catalog_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12); it rejects unknown keys, so that editors mark typos."""
    in_default_scope = {"pattern": re.escape(DEFAULT_SCOPE.lstrip("*")) + "$"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Catalog.model_json_schema(),
        # The patterns of another scope cannot be compared with the emails here; the loader does that.
        "if": {"not": {"required": ["scope"]}},
        "then": {"properties": {"personas": {"items": {"properties": {"email": in_default_scope}}}}},
    }
