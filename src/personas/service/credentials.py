"""What opens the admin endpoints, and what can be told of a token before it is sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from personas.errors import CredentialsRefused
from personas.secret import Secret

HINT = "Get one with: personas token. With MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD set, no command needs it."


@dataclass(frozen=True, slots=True)
class Credentials:
    """One of: a token, an admin's email and password, or a source that makes tokens.

    Attributes:
        token: An admin's JWT; it cannot be renewed.
        email: An admin's email; with `password`, tokens are got and renewed.
        password: The admin's password.
        mint: Makes a fresh token; the embedded service's owner needs no password.
    """

    token: Secret | None = None
    email: str | None = None
    password: Secret | None = None
    mint: Callable[[], str] | None = None

    def __bool__(self) -> bool:
        return bool(self.token or self.mint or (self.email and self.password))


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says of itself; nothing of it is verified here."""

    expires_at: datetime | None
    role: str | None
    email: str | None


def read_claims(token: Secret) -> Claims:
    """Decode a JWT's claims without verifying them.

    Raises:
        CredentialsRefused: It is no JWT at all.
    """
    payload = _decode(token)
    if payload is None:
        raise CredentialsRefused("the admin token is not a JWT", hint=HINT)
    exp = payload.get("exp")
    try:
        expires_at = datetime.fromtimestamp(exp, UTC) if isinstance(exp, int | float) else None
    except (OverflowError, OSError, ValueError):
        expires_at = None
    role, email = payload.get("role"), payload.get("email")
    return Claims(
        expires_at=expires_at,
        role=role if isinstance(role, str) else None,
        email=email if isinstance(email, str) else None,
    )


def check_token(token: Secret, now: datetime) -> Claims:
    """Tell at once what the service would only answer with 401 or 403.

    Args:
        token: The JWT.
        now: The time, with its zone.

    Raises:
        CredentialsRefused: It is no JWT, it has expired, or its role is not admin.
    """
    claims = read_claims(token)
    if claims.expires_at is not None and claims.expires_at <= now:
        age = _span((now - claims.expires_at).total_seconds())
        raise CredentialsRefused(
            f"the admin token expired {age} ago, at {claims.expires_at:%Y-%m-%d %H:%M:%S} UTC",
            hint=HINT,
        )
    if claims.role != "admin":
        role = "it names no role" if claims.role is None else f"its role is {claims.role[:40]!r}"
        raise CredentialsRefused(f"the token is not an admin's: {role}", hint=HINT)
    return claims


_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def _decode(token: Secret) -> Mapping[str, object] | None:
    """The payload of a JWT, or None for anything that is none."""
    parts = token.reveal().split(".")
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        return None
    try:
        header, payload = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2]
        )
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(header, dict) and isinstance(payload, dict) else None


def _span(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number != 1 else ''}"
    number = int(seconds)
    return f"{number} second{'s' if number != 1 else ''}"
