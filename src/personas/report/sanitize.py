"""Foreign text made safe: it cannot act on a terminal, in markdown or on a CI runner."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Control characters, line separators, direction overrides, invisible marks and lone surrogates.
# U+200D and the variation selectors stay, because they are parts of emoji.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")

# GitHub's runner obeys lines that begin with `::`, and the older `##[…]` anywhere in a line.
_COMMAND_LINE = re.compile(r"^([^\S\n]*)::", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=\w*\[)")

# All punctuation can be markup, except a full stop, hyphen, colon or bracket inside prose.
_PROSE = r"(?<=[a-z])\.(?= |$)|(?<=[A-Za-z0-9])-(?=[A-Za-z0-9])|:(?= )|(?<=[a-z])\)|(?<=[ (-])-(?=[a-z-])"
_MARKUP = re.compile(rf"""(?!{_PROSE})[^A-Za-z0-9 ,'"/;(\u00a0-\U0010ffff]""")
# GitHub looks for mentions, references and links after it has decoded entities; an invisible space stops it.
_LINK_SIGN = re.compile(
    r"&#(?:64|35|58);|(?<![A-Za-z0-9])(?:gh(?=-\d|&#45;\d)|www(?=\.|&#46;))", re.IGNORECASE
)


def visible(text: str) -> str:
    """Return the text on one line, with everything that cannot be seen written as an escape."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shorten(text: str, length: int) -> str:
    """Return at most `length` visible characters of a text."""
    return visible(text if len(text) <= length else text[: length - 1] + "…")


def disarm(output: str) -> str:
    """Return a whole output without anything that a CI runner takes for a command."""
    return _OLD_COMMAND.sub(r"#\#", _COMMAND_LINE.sub(r"\1\:", output))


def json_text(document: str) -> str:
    """Return a JSON document of the same meaning that is safe to print; lone surrogates become U+FFFD."""
    replaced = _SURROGATE.sub("\ufffd", document)
    escaped = _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else _json_escape(match[0]), replaced)
    return _OLD_COMMAND.sub(r"#\\u0023", escaped)


def markdown_text(text: str, length: int = 300) -> str:
    """Return foreign text for markdown: never markup, a mention, a reference or a link."""
    escaped = _MARKUP.sub(lambda match: f"&#{ord(match[0])};", shorten(text, length).strip())
    return _LINK_SIGN.sub(r"\g<0>&#8203;", escaped)


def markdown_code(text: str, length: int = 300) -> str:
    """Return foreign text as inline code, in which GitHub finds no mention or link."""
    shown = shorten(text, length).strip()
    if "`" in shown or "|" in shown:
        return f"<code>{markdown_text(shown, length)}</code>"
    return f"`{shown}`" if shown else ""


def fenced(lines: Iterable[str], language: str = "") -> str:
    """Return lines in a code block; its fence is longer than any run of backticks in them."""
    body = "\n".join(map(visible, lines))
    longest = max((len(run) for run in re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
