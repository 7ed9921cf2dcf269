"""A signed-in persona as text: shell variables, and Playwright's storage state."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from personas.redact import Secret
from personas.report.sanitize import disarm, visible
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
    # Browsers ignore the key `service`.
    return json.dumps({"cookies": [cookie], "origins": [], "service": service}, indent=2) + "\n"


def read_storage_state(file: Path, email: str) -> tuple[Session, str] | None:
    """Return the session of a storage state and its service; None if there is none that can be used."""
    try:
        state: Any = json.loads(file.read_text("utf-8"))
        cookie, service = state["cookies"][0], str(state["service"])
        name, value, domain = (str(cookie[key]) for key in ("name", "value", "domain"))
    except (OSError, ValueError, LookupError, TypeError):
        return None
    # Name and value become a header: nothing else may hide in them.
    if not f"{name}{value}".isprintable() or ";" in value:
        return None
    return Session(email, name, Secret(value), domain=domain), service
