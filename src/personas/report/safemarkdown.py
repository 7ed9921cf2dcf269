"""Foreign text in markdown: shown as it is, whatever is in it, and never a mention, a reference or a link."""

from __future__ import annotations

import re
from collections.abc import Iterable

from personas.report.visible import shown

# Everything that can be markup; a full stop, a hyphen and a colon are not, where they are in prose.
_PROSE = r"(?<=[a-z])\.(?= |$)|(?<=[A-Za-z0-9])-(?=[A-Za-z0-9])|:(?= )|(?<=[a-z])\)"
_UNPLAIN = re.compile(rf"""(?!{_PROSE})[^A-Za-z0-9 ,'"/;(\u00a0-\U0010ffff]""")
_UNPLAIN_CODE = re.compile(r"[^A-Za-z0-9 .,/=\u00a0-\U0010ffff-]|(?<![A-Za-z0-9])[.-]")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9@._+/:-]*[A-Za-z0-9])?")
_REFERENCE = re.compile(r"(?<![A-Za-z0-9])gh(?=-[0-9])|www(?=\.|&#46;)", re.IGNORECASE)


def plain(text: str, length: int = 200) -> str:
    """Foreign text as text: nothing in it is markup, a mention, a reference or a link."""
    escaped = _entities(_UNPLAIN, shown(text, length).strip())
    return _unlinked(escaped)


def code(text: str, length: int = 120) -> str:
    """Foreign text as code; GitHub makes no mentions, references or links of it."""
    if _PLAIN_CODE.fullmatch(text) and len(text) <= length:
        return f"`{text}`"
    return _unlinked(html_code(text, length))


def html_code(text: str, length: int = 120) -> str:
    """Foreign text as code inside HTML, where markdown is not looked for."""
    escaped = _entities(_UNPLAIN_CODE, shown(text, length))
    return f"<code>{escaped}</code>" if escaped else ""


def _unlinked(escaped: str) -> str:
    """The same to the eye; GitHub looks for mentions, references and addresses once markup is text."""
    for sign in ("&#64;", "&#35;", "&#58;"):
        escaped = escaped.replace(sign, sign + "&#8203;")
    return _REFERENCE.sub(r"\g<0>&#8203;", escaped)


def _entities(unsafe: re.Pattern[str], text: str) -> str:
    return unsafe.sub(lambda match: f"&#{ord(match[0])};", text)


def fenced(lines: Iterable[str], language: str = "") -> str:
    """Lines in a fence that is longer than any run of backticks in them."""
    body = "\n".join(lines)
    runs = re.findall(r"`+", body)
    fence = "`" * max(3, max((len(run) for run in runs), default=0) + 1)
    return f"{fence}{language}\n{body}\n{fence}"
