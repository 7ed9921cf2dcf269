"""How the fields of a change differ, as lines of styled pieces for text and markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from personas.reconcile.changes import FieldChange
from personas.report.messages import entry_changes, one_line
from personas.report.sanitize import shorten

# A text and its style in rich's words; markdown ignores the styles.
Piece = tuple[str, str]
Line = list[Piece]
# Whether a piece is the same in both texts, and the old and the new one.
_Chunk = tuple[bool, str, str]

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
        for start, style, mark, at in (("- ", _OLD, "[-{}-]", 0), ("+ ", _NEW, "{{+{}+}}", 1)):
            texts = [(same, shorten(sides[at], _MAX_TEXT)) for same, *sides in group if sides[at]]
            pieces = [(text, "") if same else (mark.format(text), style) for same, text in texts]
            if not all(same for same, _ in texts):
                lines.append([(start, style), *pieces])
    return lines


def _chunks(old: str, new: str) -> list[_Chunk]:
    """Return the texts in pieces that are the same or changed; white space does not separate two changes."""
    split = _WORD if max(len(old), len(new)) < _MAX_TEXT else _SENTENCE
    before, after = split.findall(old), split.findall(new)
    matcher = SequenceMatcher(None, before, after)
    if matcher.ratio() < _MIN_ALIKE:
        return [(False, old, new)]
    chunks: list[_Chunk] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        left, right, same = "".join(before[i1:i2]), "".join(after[j1:j2]), tag == "equal"
        if len(chunks) > 1 and not same and chunks[-1][0] and chunks[-1][1].isspace():
            (_, space, _), (_, removed, added) = chunks.pop(), chunks.pop()
            left, right = removed + space + left, added + space + right
        chunks.append((same, left, right))
    return chunks


def _groups(chunks: list[_Chunk]) -> Iterator[list[_Chunk]]:
    """Yield changes that are near each other, with a little of what surrounds them."""
    group: list[_Chunk] = []
    for index, (same, text, _) in enumerate(chunks):
        first, last = index == 0, index == len(chunks) - 1
        if not same or len(text) <= _CONTEXT * (1 if first or last else 2):
            group.append(chunks[index])
            continue
        head, tail = f"{text[:_CONTEXT].rsplit(' ', 1)[0]} …", f"… {text[-_CONTEXT:].split(' ', 1)[-1]}"
        if not first:
            yield [*group, (True, head, head)]
        group = [] if last else [(True, tail, tail)]
    if group:
        yield group
