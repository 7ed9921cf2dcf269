"""The forms in which a signed-in persona is handed out, and how a kept file is read again; pure."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from personas.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from personas.service.signing import Session
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

_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]{1,4000}")


def render(signed_in: SignedIn, form: Form, *, base_url: str | None = None) -> str:
    """One persona's session as text that ends in a line break.

    Args:
        signed_in: Who.
        form: What is wanted.
        base_url: For a browser: where it will go, when that is not the service itself.
    """
    match form:
        case Form.JWT:
            return signed_in.token.reveal() + "\n"
        case Form.COOKIE:
            return f"Cookie: {signed_in.session.header.reveal()}\n"
        case Form.ENV:
            variables = _variables(signed_in)
            return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        case Form.JSON:
            return _json(_document(signed_in))
        case Form.STORAGE_STATE:
            return _json(signed_in.storage_state(base_url))


def read_session(
    text: str, form: Form, *, email: str, service: str, base_url: str | None = None
) -> Session | None:
    """The session that a file of before holds, or None when there is none of this persona at this service.

    Args:
        text: What is in the file.
        form: Its form, one of `REUSABLE`.
        email: Whose session it should be.
        service: The service's base URL; a session of another service is not for this one to see.
        base_url: For a browser: where it will go, when that is not the service itself.
    """
    place = (base_url or service) if form is Form.STORAGE_STATE else service
    try:
        found = _READERS[form](text, email, place)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    # It becomes a header: nothing else may hide in it.
    good = (
        found and _COOKIE_NAME.fullmatch(found.cookie_name) and _COOKIE_VALUE.fullmatch(found.cookie.reveal())
    )
    return found if good else None


def with_ends_of(signed_in: SignedIn, kept: Session) -> SignedIn:
    """The same, ending when the kept file says: so that a session that still holds is the same text again."""
    return replace(signed_in, session=replace(signed_in.session, expires_at=kept.expires_at))


def _variables(signed_in: SignedIn) -> dict[str, str]:
    session = signed_in.session
    return {
        "PERSONA_EMAIL": session.email,
        "PERSONA_NAME": session.name or "",
        "PERSONA_USER_ID": session.user_id or "",
        "PERSONA_SERVICE": signed_in.service,
        "PERSONA_JWT": signed_in.token.reveal(),
        "PERSONA_COOKIE": session.header.reveal(),
        "PERSONA_EXPIRES_AT": _iso(session.expires_at) or "",
    }


def _document(signed_in: SignedIn) -> dict[str, Any]:
    session = signed_in.session
    return {
        "email": session.email,
        "name": session.name,
        "userId": session.user_id,
        "service": signed_in.service or None,
        "jwt": signed_in.token.reveal(),
        "cookie": {
            "name": session.cookie_name,
            "value": session.cookie.reveal(),
            "secure": session.secure,
        },
        "expiresAt": _iso(session.expires_at),
    }


def _read_env(text: str, email: str, service: str) -> Session | None:
    words = shlex.split(text)
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    name, _, value = variables["PERSONA_COOKIE"].partition("=")
    if (variables["PERSONA_EMAIL"], variables["PERSONA_SERVICE"]) != (email, service):
        return None
    ends = variables.get("PERSONA_EXPIRES_AT")
    return _session(email, name, value, datetime.fromisoformat(ends) if ends else None, secure=False)


def _read_json(text: str, email: str, service: str) -> Session | None:
    document: Mapping[str, Any] = json.loads(text)
    if (document["email"], document["service"] or "") != (email, service):
        return None
    cookie, ends = document["cookie"], document["expiresAt"]
    return _session(
        email,
        cookie["name"],
        cookie["value"],
        datetime.fromisoformat(ends) if ends else None,
        secure=bool(cookie["secure"]),
    )


def _read_state(text: str, email: str, place: str) -> Session | None:
    host = urlsplit(place).hostname
    for cookie in json.loads(text)["cookies"]:
        if cookie["name"].endswith("session_token") and cookie["domain"].strip("[]") == host:
            ends = datetime.fromtimestamp(cookie["expires"], UTC) if cookie["expires"] > 0 else None
            return _session(email, cookie["name"], cookie["value"], ends, secure=bool(cookie["secure"]))
    return None


_READERS = {Form.ENV: _read_env, Form.JSON: _read_json, Form.STORAGE_STATE: _read_state}


def _session(email: str, name: str, value: str, ends: datetime | None, *, secure: bool) -> Session:
    from personas.service.signing import Session

    if ends is not None and ends.tzinfo is None:
        ends = ends.replace(tzinfo=UTC)
    return Session(email=email, cookie_name=name, cookie=Secret(value), expires_at=ends, secure=secure)


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
