"""Foreign text made safe to show: nothing invisible, nothing that a terminal or a CI runner would obey."""

from __future__ import annotations

import re

# Control characters, separators of lines, overrides of direction, invisible marks, halves of surrogate pairs,
# and what XML forbids. The joiner of emoji (U+200D) and variation selectors stay: they are part of a glyph.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_COMMAND = re.compile(r"^((?:\s|\x1b\[[0-9;]*m)*)::", re.MULTILINE)


def visible(text: str) -> str:
    """One line of text in which every character that cannot be seen is written as an escape."""
    return _UNSAFE.sub(_escape, text) if _UNSAFE.search(text) else text


def shorten(text: str, length: int) -> str:
    """The text, or its first `length - 1` characters and an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def shown(text: str, length: int = 300) -> str:
    """Foreign text for one line: cut to a length, then made visible."""
    return visible(shorten(text, length))


def inert(text: str) -> str:
    r"""A whole output in which a CI runner finds no command.

    GitHub's runner obeys lines that begin with `::`, spaces before it or not, and `##[` anywhere in a line.
    A backslash takes the place of one of the signs, so that no line becomes wider.
    """
    return _COMMAND.sub(r"\1\\:", text).replace("##[", "#\\[")


def inert_json(text: str) -> str:
    """A JSON document that says the same and acts on no terminal and no runner."""
    escaped = _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else _json_escape(match[0]), text)
    return escaped.replace("##[", "#\\u0023[")


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
