"""The way to a service: the embedded one opened in process, and the credentials that were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.errors import UsageError
from personas.service.credentials import HINT, Credentials
from personas.settings import Settings

if TYPE_CHECKING:
    from personas.embedded import Embedded


def open_embedded(settings: Settings) -> Embedded:
    """The embedded service's database, opened in process."""
    try:
        from personas.embedded import DatabaseError, Embedded
    except ImportError as error:
        raise UsageError(
            f"the embedded service is not installed: {error.name} is missing",
            hint="Install it with: pip install 'personas[embedded]'",
        ) from None
    if settings.auth.embedded is None:
        raise AssertionError(settings.auth)
    try:
        return Embedded.open(settings.auth.embedded)
    except DatabaseError as error:
        raise UsageError(error.message, hint=error.hint) from None


def credentials_of(settings: Settings, embedded: Embedded | None) -> Credentials:
    """What opens the admin endpoints; false when nothing was given."""
    if embedded is not None:
        return Credentials(mint=embedded.admin_token)
    if settings.jwt is not None:
        return Credentials(token=settings.jwt)
    if (settings.admin_email is None) != (settings.admin_password is None):
        missing = "MANA_ADMIN_EMAIL" if settings.admin_email is None else "MANA_ADMIN_PASSWORD"
        raise UsageError(f"{missing} is not set, and its counterpart is", hint=HINT)
    return Credentials(email=settings.admin_email, password=settings.admin_password)
