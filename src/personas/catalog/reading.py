"""Reading a catalog: from a file to the model, or to every problem at once, each with its position."""

from __future__ import annotations

import os
import stat
from array import array
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from json.decoder import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from personas.catalog.mistakes import MAX_PROBLEMS, Walk
from personas.catalog.models import Cadence, Catalog, ModuleMix, Origin, Persona, catalog_schema, known_keys
from personas.catalog.positions import Cursor, Positions
from personas.catalog.wording import (
    JsonPath,
    find_unstorable,
    json_path,
    quote,
    tell,
    tell_missing,
    tell_unknown_key,
)
from personas.errors import CatalogError, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["Cadence", "Catalog", "Persona", "catalog_schema", "load_catalog", "parse_catalog"]

_Model = TypeVar("_Model", bound=BaseModel)

_PORTION = 1000  # of a module mix: of each wrong weight pydantic keeps some 2 KiB
_ALL_FIELDS = set(Persona.model_fields)
_MAX_BYTES = 50_000_000
_MOST_EXCERPTS = 100  # problems that carry the source around their place
_NEXT_STEP = "name the catalog with --catalog FILE"


def load_catalog(path: str | os.PathLike[str]) -> Catalog:
    """Read and check a catalog file.

    Args:
        path: The file: JSON in UTF-8, below 50 MB.

    Raises:
        CatalogError: It cannot be read or is not valid; carries every problem.
    """
    file = os.fspath(path)
    # No name for the bytes: a large catalog needs their memory while its personas are built.
    return parse_catalog(_read(file), file=file)


def parse_catalog(text: str | bytes, *, file: str = "catalog.json") -> Catalog:
    """Check the text of a catalog.

    Args:
        text: JSON; bytes are UTF-8, with or without a byte order mark.
        file: The name to use in problems.

    Raises:
        CatalogError: It is not valid; carries every problem, in the order of the file.
    """
    decoded = _decode(text, file) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    del text
    return _Reading(decoded, file).read()


def _read(file: str) -> bytes:
    try:
        path = Path(file)
        refusal = _refuse(path.stat())
        if not refusal:
            return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        refusal = f"there is no such file; {_NEXT_STEP}"
    except OSError as error:
        refusal = f"the file cannot be read ({error.strerror or error}); {_NEXT_STEP}"
    except ValueError:
        refusal = f"no file can have this name; {_NEXT_STEP}"
    raise CatalogError((Problem("$", 1, 1, refusal, file),))


def _refuse(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return f"this is a directory; {_NEXT_STEP}"
    if not stat.S_ISREG(status.st_mode):
        return f"this is not a regular file; {_NEXT_STEP}"
    if status.st_size >= _MAX_BYTES:
        return f"the file has {status.st_size:,} bytes; a catalog has less than {_MAX_BYTES:,}"
    return ""


def _decode(data: bytes, file: str) -> str:
    """Decode a JSON text from UTF-8, with or without a byte order mark.

    Raises:
        CatalogError: The bytes are not UTF-8; the problem names the encoding, or the first wrong byte.
    """
    if encoding := _other_encoding(data[:4]):
        raise CatalogError((Problem("$", 1, 1, f"the file is in {encoding}; save it as UTF-8", file),))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from behind the mark.
        start = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line_start = data.rfind(b"\n", 0, start) + 1
        line = data.count(b"\n", 0, start) + 1
        column = len(data[line_start:start].decode("utf-8-sig", "replace")) + 1
        if b"\0" in data[:4096]:
            message = "this is a binary file, not a JSON text"
        else:
            message = f"the byte 0x{data[start]:02X} at offset {start} is not UTF-8; save the file as UTF-8"
        raise CatalogError((Problem("$", line, column, message, file),)) from None


def _other_encoding(head: bytes) -> str:
    if head in {b"\xff\xfe\0\0", b"\0\0\xfe\xff"}:
        return "UTF-32"
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "UTF-16"
    # Without a mark: a JSON text begins with two ASCII characters, so the NULs tell.
    match [bool(byte) for byte in head]:
        case [False, False, False, True] | [True, False, False, False]:
            return "UTF-32"
        case [False, True, False, True] | [True, False, True, False] | [True, False] | [False, True]:
            return "UTF-16"
    return ""


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
        for key, text in (("name", persona.name), ("archetype", persona.archetype)):
            if text != text.strip():
                self._doubt((*here, key), f'"{key}" {quote(text)} has white space around it')
        if persona.system_prompt.isspace():
            self._doubt((*here, "systemPrompt"), '"systemPrompt" is blank: nobody could play this persona')
        if not any(persona.module_mix.values()):
            why = "only has weights of 0" if persona.module_mix else "is empty"
            self._doubt((*here, "moduleMix"), f'"moduleMix" {why}: this persona would use no module')

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
