"""A signed-in persona as text: shell variables, and Playwright's storage state."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from personas.redact import Secret
from personas.report.sanitize import disarm, json_text, visible
from personas.services.models import Session


def to_variables(session: Session, service: str, token: Secret | None) -> str:
    """Return lines for a shell, such as `export PERSONA_EMAIL=…`; a service may have no tokens."""
    variables = {
        "PERSONA_EMAIL": session.email,
        "PERSONA_NAME": session.name or "",
        "PERSONA_USER_ID": session.user_id or "",
        "PERSONA_AUTH_URL": service,
        "PERSONA_COOKIE": session.header.reveal(),
        "PERSONA_EXPIRES_AT": session.expires_at.isoformat() if session.expires_at else "",
    }
    if token is not None:
        variables["PERSONA_JWT"] = token.reveal()
    lines = (f"export {name}={shlex.quote(visible(value))}\n" for name, value in variables.items())
    return disarm("".join(lines))


def to_storage_state(session: Session, service: str, base_url: str | None) -> str:
    """Return the JSON for a browser that reaches the service at `base_url`, by default at its address."""
    host = urlsplit(base_url or service).hostname or ""
    literal = f"[{host}]" if ":" in host else host
    cookie = {
        "name": session.cookie_name,
        "value": session.cookie.reveal(),
        "domain": literal if base_url else session.domain or literal,
        "path": session.path,
        "expires": int(session.expires_at.timestamp()) if session.expires_at else -1,
        "httpOnly": session.http_only,
        "secure": session.secure,
        "sameSite": session.same_site,
    }
    # Browsers ignore the other keys.
    state = {"cookies": [cookie], "origins": [], "service": service, "baseUrl": base_url}
    return json_text(json.dumps(state, indent=2)) + "\n"


def read_storage_state(file: Path, email: str, base_url: str | None) -> tuple[Session, str] | None:
    """Return the session of a storage state for `base_url`, and its service; None if it cannot be used."""
    try:
        state: Any = json.loads(file.read_text("utf-8"))
        cookie, service = state["cookies"][0], str(state["service"])
        name, value, ends = str(cookie["name"]), str(cookie["value"]), int(cookie["expires"])
        expires_at = datetime.fromtimestamp(ends, UTC) if ends >= 0 else None
        other = state["baseUrl"] != base_url
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
    # Name and value become a header: nothing else may hide in them.
    text = f"{name}{value}"
    if other or not text.isascii() or not text.isprintable() or ";" in value:
        return None
    return Session(email, name, Secret(value), expires_at=expires_at), service
