"""A text that must not be shown, in whatever way it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus
from weakref import WeakValueDictionary

MASK = "…hidden…"
# Shorter texts are found in innocent words, and no service takes a shorter password.
SHORTEST = 8


class Secret:
    """Holds a token or a password so that no repr, no traceback and no report shows it."""

    __slots__ = ("__weakref__", "_escaped", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._escaped: frozenset[str] | None = None
        _alive[id(self)] = self

    def reveal(self) -> str:
        """The text itself; call it where it is sent, and keep no other name for it."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """A text with a mask instead of this secret, also where that is escaped as in JSON or in a URL."""
        if not self._text:
            return text
        text = text.replace(self._text, MASK)
        if _PLAIN.fullmatch(self._text) or not _ESCAPES.search(text):
            return text
        if self._escaped is None:
            self._escaped = _escaped(self._text)
        for way in self._escaped:
            text = text.replace(way, MASK)
        return text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__


# What looks like a JWT, in whatever place it was put by mistake.
_TOKEN = re.compile(r"eyJ[\w-]+(\.[\w-]*)*")

# By identity: two secrets may be equal, and one of them may go before the other.
_alive: WeakValueDictionary[int, Secret] = WeakValueDictionary()

# What no encoder writes in another way than as it is, and what every escape has in it.
_PLAIN = re.compile(r"[A-Za-z0-9_.-]*")
_ESCAPES = re.compile(r"[\\%+]")
_HEX = re.compile(r"(?<=%)[0-9A-F]{2}|(?<=\\u)[0-9a-f]{4}")


def _escaped(text: str) -> frozenset[str]:
    """A text as JSON and URLs have it: with and without ASCII alone, JSON within JSON, hex in either case."""
    in_json = _in_json(text)
    in_json |= {twice for once in in_json for twice in _in_json(once)}
    encoded = text.encode("utf-8", "surrogatepass")
    in_url = [quote_plus(encoded), *(quote(encoded, safe) for safe in ("", "/", "!'()*"))]
    ways = {*in_json, *in_url}
    return frozenset(ways | {_HEX.sub(lambda digits: digits[0].swapcase(), way) for way in ways})


def _in_json(text: str) -> set[str]:
    return {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}


def masked(text: str, secrets: Iterable[Secret] | None = None) -> str:
    """A text without the secrets in it.

    Args:
        text: What is to be shown.
        secrets: What must not be; every secret that this program holds, when left out.
    """
    for secret in list(_alive.values()) if secrets is None else secrets:
        if len(secret.reveal()) >= SHORTEST:
            text = secret.hidden_in(text)
    return text


def without_tokens(text: str) -> str:
    """A text without anything that looks like a JWT, known as a secret or not."""
    return _TOKEN.sub(MASK, text)
