"""A text that must not be shown."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakValueDictionary

MASK = "…hidden…"
# Shorter texts are found in innocent words, and no service takes a shorter password.
SHORTEST = 8


class Secret:
    """Holds a token or a password so that no repr, no traceback and no report shows it."""

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        _alive[id(self)] = self

    def reveal(self) -> str:
        """The text itself; call it where it is sent, and keep no other name for it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__


# By identity: two secrets may be equal, and one of them may go before the other.
_alive: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def masked(text: str, secrets: Iterable[Secret] | None = None) -> str:
    """A text without the secrets in it.

    Args:
        text: What is to be shown.
        secrets: What must not be; every secret that this program holds, when left out.
    """
    for secret in list(_alive.values()) if secrets is None else secrets:
        if len(secret.reveal()) >= SHORTEST:
            text = text.replace(secret.reveal(), MASK)
    return text
