"""The forms in which a signed-in persona is handed out; pure."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personas.service.signing import Session
    from personas.sessions.documents import Document
    from personas.sessions.signed_in import SignedIn


class Form(StrEnum):
    """What scripts, curl, shells, programs and browsers want."""

    JWT = "jwt"
    COOKIE = "cookie"
    ENV = "env"
    JSON = "json"
    STORAGE_STATE = "storage-state"

    @property
    def suffix(self) -> str:
        """The ending of a file that holds it."""
        return ".json" if self is Form.STORAGE_STATE else f".{self.value}"


# A bare token or header does not say whose session it is, or for how long.
REUSABLE = (Form.ENV, Form.JSON, Form.STORAGE_STATE)


def render(signed_in: SignedIn, form: Form, *, base_url: str | None = None) -> str:
    """One persona's session as text that ends in a line break, and acts on no shell, terminal or CI runner.

    Args:
        signed_in: Who.
        form: What is wanted.
        base_url: For a browser: where it will go, when that is not the service itself.
    """
    from personas.sessions.documents import SessionDocument, StorageState, Variables

    match form:
        case Form.JWT:
            return signed_in.token.reveal() + "\n"
        case Form.COOKIE:
            return f"Cookie: {signed_in.session.header.reveal()}\n"
        case Form.ENV:
            variables = _told(Variables.of(signed_in))
            return "".join(f"export {name}={_quoted(value)}\n" for name, value in variables.items())
        case Form.JSON:
            return _json(_told(SessionDocument.of(signed_in)))
        case Form.STORAGE_STATE:
            return _json(_told(StorageState.of(signed_in, base_url)))


def with_ends_of(signed_in: SignedIn, kept: Session) -> SignedIn:
    """The same, ending when the kept file says: so that a session that still holds is the same text again."""
    return replace(signed_in, session=replace(signed_in.session, expires_at=kept.expires_at))


def _told(document: Document) -> dict[str, Any]:
    return document.model_dump(by_alias=True)


def _quoted(value: str) -> str:
    """A word for a shell; the lines of a script are its own, whatever a service put into a name."""
    if value.isprintable():
        # Some CI runners obey `##[` anywhere in a line.
        return shlex.quote(value).replace("##[", "#'\"#\"'[")
    octal = "".join(ch if ch.isprintable() and ch not in "\\'\"#" else _octal(ch) for ch in value)
    return f"\"$(printf '%b' '{octal}')\""


def _octal(char: str) -> str:
    return "".join(f"\\0{byte:03o}" for byte in char.encode(errors="replace"))


def _json(document: dict[str, Any]) -> str:
    text = json.dumps(document, indent=2, ensure_ascii=False).replace("##[", "#\\u0023[")
    return "".join(ch if ch.isprintable() or ch == "\n" else json.dumps(ch)[1:-1] for ch in text) + "\n"
