"""Reading a catalog: from its text to the model, or to every problem at once, each with its position."""

from __future__ import annotations

import os
import re
from array import array
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from json.decoder import JSONDecodeError
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from personas.catalog.files import decode, read_file
from personas.catalog.mistakes import MAX_PROBLEMS, Walk
from personas.catalog.models import (
    Cadence,
    Catalog,
    Member,
    ModuleMix,
    Origin,
    Persona,
    Space,
    catalog_schema,
    email_flaw,
    known_keys,
    personal_slug,
)
from personas.catalog.positions import Cursor, Positions
from personas.catalog.wording import (
    JsonPath,
    find_unstorable,
    json_path,
    quote,
    tell,
    tell_missing,
    tell_unknown_email,
    tell_unknown_key,
)
from personas.errors import CatalogError, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["Cadence", "Catalog", "Persona", "catalog_schema", "load_catalog", "parse_catalog"]

_Model = TypeVar("_Model", bound=BaseModel)

_PORTION = 1000  # of a module mix: of each wrong weight pydantic keeps some 2 KiB
_ALL_FIELDS = set(Persona.model_fields)
_MOST_EXCERPTS = 100  # problems that carry the source around their place


def load_catalog(path: str | os.PathLike[str]) -> Catalog:
    """Read and check a catalog file.

    Args:
        path: The file: JSON in UTF-8, below 50 MB.

    Raises:
        CatalogError: It cannot be read or is not valid; carries every problem.
    """
    file = os.fspath(path)
    # No name for the bytes: a large catalog needs their memory while its personas are built.
    return parse_catalog(read_file(file), file=file)


def parse_catalog(text: str | bytes, *, file: str = "catalog.json") -> Catalog:
    """Check the text of a catalog.

    Args:
        text: JSON; bytes are UTF-8, with or without a byte order mark.
        file: The name to use in problems.

    Raises:
        CatalogError: It is not valid; carries every problem, in the order of the file.
    """
    decoded = decode(text, file) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    del text
    return _Reading(decoded, file).read()


class _TooMany(Exception):
    """There are as many problems as can be told."""


class _Reading:
    """One pass over a catalog's text: decodes, checks and collects, one persona at a time."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.cursor = Cursor(text)
        self.positions = Positions(text)
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.emails: dict[str, int] = {}  # the first persona with each
        self.names: dict[str, int] = {}
        self.namesakes: dict[str, list[int]] = {}

    def read(self) -> Catalog:
        catalog = None
        try:
            with suppress(_TooMany):
                catalog = self._read_document()
        except JSONDecodeError as error:
            explained = Walk(self.text, error.pos, self.positions, self.file).explain(error)
            raise CatalogError((explained,)) from None
        if self.cursor.doubtful:
            self.problems[:0] = Walk(self.text, self.cursor.at, self.positions, self.file).problems
        if catalog is None or self.problems:
            raise CatalogError(self._arrange(self.problems))
        return catalog

    def _read_document(self) -> Catalog | None:
        opener = self.cursor.peek()
        if not opener:
            self._wrong((), 'the file is empty; a catalog is {"personas": [ … ]}')
            return None
        self.positions.root = self.cursor.at
        root = self._read_root() if opener == "{" else self.cursor.value()
        self.cursor.finish()
        if isinstance(root, dict) and isinstance(root.get("spaces"), list):
            root["spaces"] = self._read_spaces(root["spaces"])
        self._warn_of_unknown_keys(root, known_keys(Catalog), ())
        self._warn_of_namesakes()
        origin = Origin(self.file, self._arrange(self.warnings), self.positions)
        return self._check(Catalog, root, (), context=origin)

    def _read_root(self) -> dict[str | int, object]:
        root: dict[str | int, object] = {}
        for key, begin in self.cursor.children():
            self.positions.members[key] = begin, self.cursor.at
            if key == "personas" and self.cursor.peek() == "[":
                root[key] = self._read_personas()
            else:
                root[key] = self.cursor.value()
        return root

    def _read_personas(self) -> list[Persona]:
        # A second list is a problem by itself, and has positions and emails of its own.
        self.positions.personas = array("Q")
        self.emails.clear()
        self.names.clear()
        self.namesakes.clear()
        found = []
        for index, _ in enumerate(self.cursor.children()):
            self.positions.personas.append(self.cursor.at)
            persona = self._read_persona(self.cursor.value(), index)
            if persona is not None:
                found.append(persona)
        return found

    def _read_persona(self, value: Any, index: int) -> Persona | None:
        here = ("personas", index)
        self._warn_of_unknown_keys(value, known_keys(Persona), here)
        if isinstance(value, dict) and isinstance(value.get("moduleMix"), dict):
            value["moduleMix"] = self._take_modules(value["moduleMix"], here)
        persona = self._check(Persona, value, here)
        if isinstance(value, dict):
            self._claim_email(value.get("email"), index)
        if persona is not None:
            # Of no use here, and larger than the persona itself where each has one of its own.
            object.__setattr__(persona, "__pydantic_fields_set__", _ALL_FIELDS)
            self._look_at(persona, index)
        return persona

    def _take_modules(self, mix: dict[str, object], here: JsonPath) -> dict[str, object]:
        """Tell the modules that pydantic cannot name, or of which it would keep too much; take the others."""
        told = len(self.problems)
        flaws = {module: flaw for module in mix if (flaw := find_unstorable(module))}
        for module, flaw in flaws.items():
            self._wrong((*here, "moduleMix", module), f"the name of a module {flaw}")
        good = {module: mix[module] for module in mix if module not in flaws} if flaws else mix
        if len(good) <= _PORTION:
            return good
        rest = iter(good.items())
        while portion := dict(islice(rest, _PORTION)):
            self._check(ModuleMix, portion, (*here, "moduleMix"))
        return good if len(self.problems) == told else {}

    def _read_spaces(self, values: list[Any]) -> list[Space]:
        found = []
        slugs: dict[str, int] = {}
        personal = {personal_slug(email): email for email in self.emails}
        for index, value in enumerate(values):
            here = ("spaces", index)
            self._warn_of_unknown_keys(value, known_keys(Space), here)
            if isinstance(value, dict):
                self._claim_slug(value.get("slug"), index, slugs, personal)
                self._check_people(value, here)
            if space := self._check(Space, value, here):
                self._warn_of_blank_around("name", space.name, here)
                found.append(space)
        return found

    def _claim_slug(self, slug: object, index: int, slugs: dict[str, int], personal: dict[str, str]) -> None:
        here = ("spaces", index, "slug")
        if not isinstance(slug, str):
            return
        if (first := slugs.setdefault(slug, index)) != index:
            line, _ = self.positions.locate(("spaces", first, "slug"))
            self._wrong(here, f"the space on line {line} has the slug {quote(slug)} already")
        # Whoever is deleted and created again leaves a personal space behind, and gets one with a number.
        if email := personal.get(slug) or personal.get(re.sub("-[0-9]+$", "", slug)):
            message = f"{quote(slug)} is for the personal space of {quote(email)}, which the service makes"
            self._wrong(here, f"{message}; choose another slug")

    def _check_people(self, space: dict[str, Any], here: JsonPath) -> None:
        """Check owner and members against the catalog and each other; of the members keep the good ones."""
        owner, members = space.get("owner"), space.get("members")
        if isinstance(owner, str):
            self._check_known(owner, (*here, "owner"))
        if not isinstance(members, list):
            return
        if not members:
            message = '"members" is empty: nobody shares this space with its owner'
            self._doubt((*here, "members"), message)
        found: list[Member] = []
        places: dict[str, JsonPath] = {}
        for index, value in enumerate(members):
            path: JsonPath = (*here, "members", index)
            self._warn_of_unknown_keys(value, known_keys(Member), path)
            member = self._check(Member, value, path)
            if member is None:
                continue
            found.append(member)
            place = (*path, "email") if isinstance(value, dict) else path
            if member.email == owner:
                message = f"{quote(owner)} is the owner of this space; leave it out of the members"
                self._wrong(place, message)
            elif (first := places.setdefault(member.email, place)) != place:
                line, _ = self.positions.locate(first)
                self._wrong(place, f"{quote(member.email)} is a member already, on line {line}")
            self._check_known(member.email, place)
        space["members"] = found

    def _check_known(self, email: str, path: JsonPath) -> None:
        if email not in self.emails and not email_flaw(email):
            self._wrong(path, tell_unknown_email(email, self.emails))

    def _check(
        self, model: type[_Model], value: Any, here: JsonPath, context: object = None
    ) -> _Model | None:
        """Check one part of the catalog; what is wrong with it becomes problems."""
        try:
            return model.model_validate(value, by_alias=True, by_name=False, context=context)
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                self._tell(each, here, value, known_keys(model))
        return None

    def _tell(self, error: ErrorDetails, here: JsonPath, value: Any, known: frozenset[str]) -> None:
        kind, loc = error["type"], error["loc"]
        if kind == "finite_number" or (kind == "too_short" and self.positions.personas):
            return  # told by the walk over the text; told of each persona
        if isinstance(value, str):
            loc = ()  # a member that is an email alone
        path = (*here, *loc)
        for part in loc[:-1] if kind == "missing" else loc:
            value = value[part]
        if kind == "missing":
            self._wrong(path, tell_missing(str(path[-1]), value, known))
        else:
            self._wrong(path, tell(error, path, value))

    def _claim_email(self, email: object, index: int) -> None:
        if isinstance(email, str) and (first := self.emails.setdefault(email.lower(), index)) != index:
            line, _ = self.positions.locate(("personas", first, "email"))
            message = f"the persona on line {line} has the email {quote(email)} already"
            self._wrong(("personas", index, "email"), message)

    def _look_at(self, persona: Persona, index: int) -> None:
        """Warn of what is allowed and yet hardly meant."""
        here = ("personas", index)
        if (first := self.names.setdefault(persona.name, index)) != index:
            self.namesakes.setdefault(persona.name, [first]).append(index)
        self._warn_of_blank_around("name", persona.name, here)
        self._warn_of_blank_around("archetype", persona.archetype, here)
        if persona.system_prompt.isspace():
            self._doubt((*here, "systemPrompt"), '"systemPrompt" is blank: nobody could play this persona')
        if not any(persona.module_mix.values()):
            why = "only has weights of 0" if persona.module_mix else "is empty"
            self._doubt((*here, "moduleMix"), f'"moduleMix" {why}: this persona would use no module')

    def _warn_of_blank_around(self, key: str, text: str, here: JsonPath) -> None:
        if text != text.strip():
            self._doubt((*here, key), f'"{key}" {quote(text)} has white space around it')

    def _warn_of_unknown_keys(self, value: object, known: frozenset[str], here: JsonPath) -> None:
        for key in value.keys() - known if isinstance(value, dict) else ():
            self._doubt((*here, key), tell_unknown_key(key, known), at_key=True)

    def _warn_of_namesakes(self) -> None:
        for name, indexes in self.namesakes.items():
            line, _ = self.positions.locate(("personas", indexes[0], "name"))
            message = (
                f"{len(indexes)} personas have the name {quote(name)}, the first on line {line}; "
                "only their emails tell them apart"
            )
            self._doubt(("personas", indexes[1], "name"), message)

    def _wrong(self, path: JsonPath, message: str) -> None:
        self.problems.append(self._problem(path, message))
        if len(self.problems) == MAX_PROBLEMS:
            raise _TooMany

    def _doubt(self, path: JsonPath, message: str, *, at_key: bool = False) -> None:
        if len(self.warnings) < MAX_PROBLEMS:
            self.warnings.append(self._problem(path, message, at_key=at_key))

    def _problem(self, path: JsonPath, message: str, *, at_key: bool = False) -> Problem:
        line, column = self.positions.locate(path, at_key=at_key)
        return Problem(json_path(path), line, column, message, self.file)

    def _arrange(self, problems: list[Problem]) -> tuple[Problem, ...]:
        problems.sort(key=lambda problem: (problem.line, problem.column))
        if len(problems) >= MAX_PROBLEMS:
            last = problems[MAX_PROBLEMS - 1]
            message = f"these are {MAX_PROBLEMS:,} problems; any others are not told"
            problems[MAX_PROBLEMS - 1 :] = [Problem("$", last.line, last.column, message, self.file)]
        return (*map(self._with_source, problems[:_MOST_EXCERPTS]), *problems[_MOST_EXCERPTS:])

    def _with_source(self, problem: Problem) -> Problem:
        excerpt, caret = self.positions.excerpt(problem.line, problem.column)
        return replace(problem, excerpt=excerpt, caret=caret)
