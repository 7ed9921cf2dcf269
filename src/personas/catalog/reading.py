"""The catalog: its personas, checked all at once, with the position of everything in the file."""

from __future__ import annotations

import os
import stat
import sys
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personas.catalog.jsonsource import (
    MAX_PROBLEMS,
    JsonPath,
    Lines,
    Malformed,
    Scanner,
    find_children,
    json_path,
    quote,
)
from personas.catalog.rules import (
    MISSING,
    PERSONA_RULES,
    ROOT_KEYS,
    Cadence,
    catalog_schema,
    describe,
    find_misspelt,
    judge_unknown_key,
    judge_weight,
)
from personas.errors import CatalogError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cadence", "Catalog", "Persona", "catalog_schema", "load_catalog", "parse_catalog"]

_MAX_BYTES = 50_000_000
_NEXT_STEP = "name the catalog with --catalog FILE"


@dataclass(frozen=True, slots=True)
class Persona:
    """One test user, as the catalog wants it.

    Attributes:
        name: What the user is called; not empty.
        email: Lower case, ends in `@mana.test`, unique in the catalog.
        archetype: The kind of person; not empty.
        system_prompt: Whom a model plays; at least 20 UTF-16 units.
        module_mix: The weight of each module, 0 or more; they need not sum to 1.
        tick_cadence: How often the persona uses the app.
        line: Where the persona begins in the file, from 1; not compared.
        column: Where it begins in that line, in code points, from 1; not compared.
    """

    name: str
    email: str
    archetype: str
    system_prompt: str
    module_mix: Mapping[str, float] = field(hash=False)
    tick_cadence: Cadence = Cadence.DAILY
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


class _Places:
    """Finds the position of any value; keeps no more than an offset for each persona."""

    __slots__ = ("_recent", "lines", "root", "roots", "starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = Lines(text)
        self.root = 0  # where the document begins
        self.roots: dict[
            str, tuple[int, int]
        ] = {}  # where the value and the key of each of its members begin
        self.starts = array("Q")  # where each persona begins
        # The last few that were asked for: one persona may have thousands of problems.
        self._recent: dict[int, dict[str | int, tuple[int, int]]] = {}

    def locate(self, parts: JsonPath, *, at_key: bool = False) -> tuple[int, int]:
        """Return line and column of a value, or of its key; of the nearest parent when it is missing."""
        place, rest = (self.root, self.root), parts
        if rest and rest[0] in self.roots:
            place, rest = self.roots[str(rest[0])], rest[1:]
            if parts[0] == "personas" and rest:
                index = rest[0]
                if isinstance(index, int) and 0 <= index < len(self.starts):
                    place, rest = (self.starts[index], self.starts[index]), rest[1:]
                else:
                    rest = ()
            for part in rest:
                child = self._find_children(place[0]).get(part)
                if child is None:
                    break
                place = child
        return self.lines.position(place[1 if at_key else 0])

    def _find_children(self, at: int) -> dict[str | int, tuple[int, int]]:
        if at not in self._recent:
            if len(self._recent) == 8:
                self._recent.clear()
            self._recent[at] = find_children(self.text, at, self.lines)
        return self._recent[at]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A valid catalog.

    Attributes:
        personas: In the order of the file; never empty.
        file: The file as it was named.
        warnings: What is doubtful, in the order of the file.
    """

    personas: tuple[Persona, ...]
    file: str = "catalog.json"
    warnings: tuple[Problem, ...] = ()
    _places: _Places = field(default_factory=lambda: _Places(""), repr=False, compare=False)

    def locate(self, path_parts: JsonPath) -> tuple[int, int]:
        """Return line and column, both from 1, of a value such as `("personas", 3, "systemPrompt")`.

        A missing key is stood for by its nearest parent. The persona's text is read again for this.
        """
        return self._places.locate(path_parts)


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
    try:
        decoded = _decode(text, file) if isinstance(text, bytes) else text.removeprefix("\ufeff")
        del text
        return _Reading(decoded, file).read()
    except Malformed as error:
        raise CatalogError((error.problem,)) from None


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
        Malformed: The bytes are not UTF-8; the problem names the encoding, or the first wrong byte.
    """
    if encoding := _other_encoding(data[:4]):
        raise Malformed(Problem("$", 1, 1, f"the file is in {encoding}; save it as UTF-8", file))
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
        raise Malformed(Problem("$", line, column, message, file)) from None


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
    """One pass over a catalog's text: reads, checks and collects."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.places = _Places(text)
        self.scanner = Scanner(text, lines=self.places.lines, file=file)
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.personas: list[Persona] = []
        self.emails: dict[str, int] = {}  # the first persona with each
        self.names: dict[str, int] = {}
        self.namesakes: dict[str, list[int]] = {}

    def read(self) -> Catalog:
        with suppress(_TooMany):
            self._read_document()
        if problems := self._arrange([*self.scanner.problems, *self.problems]):
            raise CatalogError(problems)
        self._warn_of_namesakes()
        return Catalog(tuple(self.personas), self.file, self._arrange(self.warnings), self.places)

    def _arrange(self, problems: list[Problem]) -> tuple[Problem, ...]:
        problems.sort(key=lambda problem: (problem.line, problem.column))
        if len(problems) >= MAX_PROBLEMS:
            last = problems[MAX_PROBLEMS - 1]
            message = f"these are {MAX_PROBLEMS:,} problems; any others are not told"
            problems[MAX_PROBLEMS - 1 :] = [Problem("$", last.line, last.column, message, self.file)]
        return tuple(problems)

    def _read_document(self) -> None:
        opener = self.scanner.peek()
        if not opener:
            self._wrong((), 'the file is empty; a catalog is {"personas": [ … ]}')
            return
        self.places.root = self.scanner.at
        if opener == "{":
            self._read_root()
        else:
            value = self.scanner.value()
            self.scanner.finish()
            self._wrong((), f'a catalog is an object, {{"personas": [ … ]}}, not {describe(value)}')

    def _read_root(self) -> None:
        for key in self.scanner.members():
            opener = self.scanner.peek()
            self.places.roots[key] = self.scanner.at, self.scanner.key_at
            if key == "personas":
                del self.places.starts[:]  # a second list, which is a problem by itself, has its own indexes
            if key == "personas" and opener == "[":
                for index in self.scanner.items():
                    self.scanner.peek()
                    self.places.starts.append(self.scanner.at)
                    self._read_persona(index, self.scanner.value())
                if not self.places.starts:
                    self._wrong(("personas",), "there must be at least one persona")
            else:
                self._check_root_member(key, self.scanner.value())
        self.scanner.finish()
        if "personas" not in self.places.roots:
            self._wrong(("personas",), '"personas" is missing: the list of personas')

    def _check_root_member(self, key: str, value: object) -> None:
        if key == "personas":
            self._wrong((key,), f'"personas" must be a list of personas, not {describe(value)}')
        elif key not in ROOT_KEYS:
            self._doubt((key,), judge_unknown_key(key, ROOT_KEYS), at_key=True)
        elif type(value) is not str:
            self._wrong((key,), f"{quote(key)} must be a string, not {describe(value)}")

    def _read_persona(self, index: int, value: Any) -> None:
        here = ("personas", index)
        if type(value) is not dict:
            self._wrong(here, f"a persona is an object, not {describe(value)}")
            return
        if not value.keys() <= PERSONA_RULES.keys():
            for key in value.keys() - PERSONA_RULES.keys():
                self._doubt((*here, key), judge_unknown_key(key, PERSONA_RULES.keys()), at_key=True)
        good = True
        for key, rule in PERSONA_RULES.items():
            if why := rule(value.get(key, MISSING)):
                good = False
                self._wrong((*here, key), f'"{key}" {why}{"" if key in value else find_misspelt(key, value)}')
        mix = value.get("moduleMix")
        for module, weight in mix.items() if type(mix) is dict else ():
            if why := judge_weight(module, weight):
                good = False
                self._wrong((*here, "moduleMix", module), why)
        email = value.get("email")
        if type(email) is str and (first := self.emails.setdefault(email.lower(), index)) != index:
            line, _ = self.places.locate(("personas", first, "email"))
            self._wrong((*here, "email"), f"the persona on line {line} has the email {quote(email)} already")
        if good:
            self._keep(index, value)

    def _keep(self, index: int, value: dict[str, Any]) -> None:
        name, archetype = value["name"], value["archetype"]
        # Interned: thousands of personas share a few archetypes and modules.
        mix = {sys.intern(module): weight for module, weight in value["moduleMix"].items()}
        cadence = Cadence(value.get("tickCadence", Cadence.DAILY))
        line, column = self.places.lines.position(self.places.starts[index])
        self.personas.append(
            Persona(
                name, value["email"], sys.intern(archetype), value["systemPrompt"], mix, cadence, line, column
            )
        )
        if (first := self.names.setdefault(name, index)) != index:
            self.namesakes.setdefault(name, [first]).append(index)
        for key in ("name", "archetype"):
            if value[key] != value[key].strip():
                self._doubt(
                    ("personas", index, key), f'"{key}" {quote(value[key])} has white space around it'
                )
        if not any(mix.values()):
            why = "only has weights of 0" if mix else "is empty"
            self._doubt(
                ("personas", index, "moduleMix"), f'"moduleMix" {why}: this persona would use no module'
            )

    def _warn_of_namesakes(self) -> None:
        for name, indexes in self.namesakes.items():
            line, _ = self.places.locate(("personas", indexes[0], "name"))
            message = (
                f"{len(indexes)} personas have the name {quote(name)}, the first on line {line}; "
                "only their emails tell them apart"
            )
            self._doubt(("personas", indexes[1], "name"), message)

    def _wrong(self, parts: JsonPath, message: str) -> None:
        line, column = self.places.locate(parts)
        self.problems.append(Problem(json_path(parts), line, column, message, self.file))
        if len(self.problems) == MAX_PROBLEMS:
            raise _TooMany

    def _doubt(self, parts: JsonPath, message: str, *, at_key: bool = False) -> None:
        if len(self.warnings) < MAX_PROBLEMS:
            line, column = self.places.locate(parts, at_key=at_key)
            self.warnings.append(Problem(json_path(parts), line, column, message, self.file))
