"""The way to a service: the embedded one opened in process, what opens it, and the seed secret for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from personas.errors import NotInstalled, UsageError
from personas.passwords import check_secret
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.settings import Settings

if TYPE_CHECKING:
    from personas.embedded import Embedded


def open_embedded(file: Path, *, create: bool) -> Embedded:
    """The embedded service's database, opened in process.

    Args:
        file: The database.
        create: Make one where there is none; a command that only reads says that there is none.

    Raises:
        UsageError: There is none, or it is no such database.
        NotInstalled: The extra is missing.
    """
    try:
        from personas.embedded import DatabaseError, Embedded
    except ImportError as error:
        raise NotInstalled(error) from None
    if not create and not file.exists():
        raise UsageError(
            f"there is no embedded service at {file}",
            hint=f"personas seed --auth embedded:{file} makes one, and so does personas serve.",
        )
    try:
        return Embedded.open(file)
    except DatabaseError as error:
        raise UsageError(error.message, hint=error.hint) from None


def secret_of(settings: Settings) -> Secret:
    """The seed secret for this service.

    Raises:
        Refused: It is the development secret, and this is no place for it.
    """
    return Secret(
        check_secret(
            settings.seed_secret.reveal() if settings.seed_secret else None,  # no name: a traceback shows it
            loopback=settings.auth.loopback,
            production=settings.production,
        )
    )


def credentials_of(settings: Settings, embedded: Embedded | None) -> Credentials:
    """What opens the admin endpoints; false when nothing was given.

    Raises:
        UsageError: Half of an email and password is missing.
    """
    if embedded is not None:
        return Credentials(mint=embedded.admin_token)
    if settings.jwt is not None:
        return Credentials(token=settings.jwt)
    if (settings.admin_email is None) != (settings.admin_password is None):
        missing = "MANA_ADMIN_EMAIL" if settings.admin_email is None else "MANA_ADMIN_PASSWORD"
        raise UsageError(f"{missing} is not set, and its counterpart is", hint=f"Set {missing} too.")
    return Credentials(email=settings.admin_email, password=settings.admin_password)
