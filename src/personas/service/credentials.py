"""What opens the admin endpoints, and what can be told of a token before it is sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field, PlainValidator

from personas.errors import CredentialsRefused
from personas.secret import Secret
from personas.service.models import LooseText, Told

HINT = "Get one with: personas token. With MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD set, no command needs it."
# Clocks this far apart are worth telling: a token of 15 minutes may seem to have ended.
CLOCKS_APART = timedelta(minutes=2)


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


def _from_seconds(value: object) -> datetime | None:
    match value:
        case int() | float():
            try:
                return datetime.fromtimestamp(value, UTC)
            except (OverflowError, OSError, ValueError):
                return None
        case _:
            return None


class Claims(Told):
    """What a token says of itself; nothing of it is verified here."""

    expires_at: Annotated[datetime | None, PlainValidator(_from_seconds)] = Field(
        default=None, validation_alias="exp"
    )
    role: LooseText = None
    email: LooseText = None


class TokenExpired(CredentialsRefused):
    """The token has ended, by the clock that it was compared with."""


def read_claims(token: Secret) -> Claims:
    """Decode a JWT's claims without verifying them.

    Raises:
        CredentialsRefused: It is no JWT at all.
    """
    claims = _decode(token)
    if claims is None:
        raise CredentialsRefused("the admin token is not a JWT", hint=HINT)
    return claims


def check_token(token: Secret, now: datetime, *, clock_difference: timedelta = timedelta()) -> Claims:
    """Tell at once what the service would only answer with 401 or 403.

    Args:
        token: The JWT.
        now: The time here, with its zone.
        clock_difference: How far the service's clock is ahead of the one here.

    Raises:
        TokenExpired: It has ended.
        CredentialsRefused: It is no JWT, or its role is not admin.
    """
    claims = read_claims(token)
    age = now + clock_difference - claims.expires_at if claims.expires_at is not None else None
    if age is not None and age >= timedelta():
        raise TokenExpired(
            f"the admin token expired {_span(age)} ago, at {claims.expires_at:%Y-%m-%d %H:%M:%S} UTC"
            f"{clocks_apart(clock_difference)}",
            hint=HINT,
        )
    if claims.role != "admin":
        role = "it names no role" if claims.role is None else f"its role is {claims.role[:40]!r}"
        raise CredentialsRefused(f"the token is not an admin's: {role}", hint=HINT)
    return claims


def clocks_apart(difference: timedelta) -> str:
    """What to say of two clocks, `; …`, when they are so far apart that it matters; else nothing.

    Args:
        difference: How far the service's clock is ahead of the one here.
    """
    if abs(difference) <= CLOCKS_APART:
        return ""
    side = "behind" if difference > timedelta() else "ahead of"
    return f"; this machine's clock is {_span(abs(difference))} {side} the service's"


_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def _decode(token: Secret) -> Claims | None:
    """The claims of a JWT, or None for anything that is none."""
    parts = token.reveal().split(".")
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        return None
    try:
        header, payload = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2]
        )
        Told.model_validate(header)
        return Claims.model_validate(payload)
    except (ValueError, RecursionError):
        return None


def _span(time: timedelta) -> str:
    seconds = time.total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number != 1 else ''}"
    number = int(seconds)
    return f"{number} second{'s' if number != 1 else ''}"
