"""Secrets that no repr, traceback or report shows."""

from __future__ import annotations

import json
import re
from functools import cached_property
from urllib.parse import quote, quote_plus
from weakref import WeakValueDictionary

MASK = "[hidden]"
# Shorter texts occur in ordinary words, and no service accepts shorter passwords.
MIN_LENGTH = 8

_JWT = re.compile(r"eyJ[\w-]+(\.[\w-]*)*")


class Secret:
    """A token or password; only `reveal` returns its text."""

    def __init__(self, text: str) -> None:
        self._text = text
        _live_secrets[id(self)] = self

    def reveal(self) -> str:
        """Return the text. Call this where the text is sent, and keep no other reference to it."""
        return self._text

    def mask(self, text: str) -> str:
        """Return `text` with this secret replaced, also where it is escaped as in JSON or in a URL."""
        if len(self._text) < MIN_LENGTH:
            return text
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        """The text as it is, and as JSON (once or twice), URLs and Python write it; longest first."""
        text = self._text
        in_json = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
        in_json |= {json.dumps(form)[1:-1] for form in in_json}
        in_json |= {form.replace("/", "\\/") for form in in_json}  # as some encoders do
        in_json |= {repr(form)[1:-1] for form in {text, *in_json}}  # in tracebacks
        encoded = text.encode("utf-8", "surrogatepass")
        in_url = {quote(encoded, safe=""), quote(encoded), quote_plus(encoded)}
        lower_hex = {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in in_url}
        return tuple(sorted({text} | in_json | in_url | lower_hex, key=len, reverse=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    __str__ = __repr__


# By identity: of two equal secrets, one may be freed before the other.
_live_secrets: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def redact(text: str) -> str:
    """Return `text` without secrets that this process holds, and without JWTs."""
    for secret in list(_live_secrets.values()):
        text = secret.mask(text)
    return _JWT.sub(MASK, text)
