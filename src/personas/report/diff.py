"""How the fields of a change differ, as lines of styled pieces for text and markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

from personas.reconcile.changes import FieldChange
from personas.report.messages import entry_changes, one_line
from personas.report.sanitize import shorten

# A text and its style in rich's words; markdown ignores the styles.
Piece = tuple[str, str]
Line = list[Piece]


class _Chunk(NamedTuple):
    """A piece of both texts: the same, or changed."""

    same: bool
    old: str
    new: str


_OLD, _NEW = "red", "green"
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_SENTENCE = re.compile(r"[^.\n]+[.\n]*|[.\n]+")
_CONTEXT = 60  # characters around a change
_SHORT = 60  # texts up to this length stand on one line: old → new
_MAX_TEXT = 5_000  # characters; difflib compares longer texts too slowly by words
_MIN_ALIKE = 0.35  # below it, marks inside the text would be noise


def field_lines(change: FieldChange) -> list[Line]:
    """Return how one field differs: `old → new`, or the lines of a diff for a long text."""
    old, new = change.old, change.new
    if change.field == "password":
        return [[("does not match the seed secret", "")]]
    if isinstance(old, str) and isinstance(new, str) and old != new and max(len(old), len(new)) > _SHORT:
        return text_diff(old, new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        styles = {"+": _NEW, "-": _OLD}
        pieces = [(part, styles.get(part[0], "")) for part in entry_changes(old, new)]
        return [[piece for part in pieces for piece in ((", ", ""), part)][1:]]
    return [[(one_line(old), _OLD), (" → ", ""), (one_line(new), _NEW)]]


def text_diff(old: str, new: str) -> list[Line]:
    """Return lines that begin with `- ` or `+ `: changed words in `[-…-]` and `{+…+}`, with some context."""
    lines: list[Line] = []
    for group in _groups(_chunks(old, new)):
        for start, style, mark, side in (("- ", _OLD, "[-{}-]", 0), ("+ ", _NEW, "{{+{}+}}", 1)):
            texts = [(chunk.same, (chunk.old, chunk.new)[side]) for chunk in group]
            if any(text and not same for same, text in texts):
                line = [(start, style)]
                for same, text in texts:
                    words = shorten(text, _MAX_TEXT)
                    line += [(words, "") if same else (mark.format(words), style)] if words else []
                lines.append(line)
    return lines


def _chunks(old: str, new: str) -> list[_Chunk]:
    """Return the texts in pieces that are the same or changed; white space does not separate two changes."""
    split = _WORD if max(len(old), len(new)) < _MAX_TEXT else _SENTENCE
    before, after = split.findall(old), split.findall(new)
    matcher = SequenceMatcher(None, before, after)
    if matcher.ratio() < _MIN_ALIKE:
        return [_Chunk(False, old, new)]
    chunks: list[_Chunk] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        left, right, same = "".join(before[i1:i2]), "".join(after[j1:j2]), tag == "equal"
        if len(chunks) > 1 and not same and chunks[-1].same and chunks[-1].old.isspace():
            space, change = chunks.pop().old, chunks.pop()
            left, right = change.old + space + left, change.new + space + right
        chunks.append(_Chunk(same, left, right))
    return chunks


def _groups(chunks: list[_Chunk]) -> Iterator[list[_Chunk]]:
    """Yield changes that are near each other, with a little of what surrounds them."""
    group: list[_Chunk] = []
    for index, chunk in enumerate(chunks):
        text, first, last = chunk.old, index == 0, index == len(chunks) - 1
        if not chunk.same or len(text) <= _CONTEXT * (1 if first or last else 2):
            group.append(chunk)
            continue
        head, tail = f"{text[:_CONTEXT].rsplit(' ', 1)[0]} …", f"… {text[-_CONTEXT:].split(' ', 1)[-1]}"
        if not first:
            yield [*group, _Chunk(True, head, head)]
        group = [] if last else [_Chunk(True, tail, tail)]
    if group:
        yield group
