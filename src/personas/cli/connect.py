"""The way from a Config to a connected service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from personas.errors import CredentialsError, UsageError
from personas.services.mana import ManaService
from personas.services.sign_in import Credentials

if TYPE_CHECKING:
    from personas.cli.runner import Run
    from personas.config import Config
    from personas.services.base import Service


@asynccontextmanager
async def connect(
    run: Run, config: Config, *, admin: bool = True, create: bool = False, preview: bool = False
) -> AsyncIterator[Service]:
    """Connect to the service of a run; its requests and notes count for the run.

    Args:
        run: The run.
        config: Which service, with which credentials.
        admin: Whether the calls of an admin are needed.
        create: Whether an embedded service is created where the file does not exist.
        preview: Whether a temporary one stands in for it, so that no file is created.

    Raises:
        CredentialsError: There are no admin credentials.
        UsageError: The embedded service does not exist, is not installed, or its file cannot be used.
    """
    file = config.address.embedded
    if file is None:
        if admin and not config.has_credentials:
            raise CredentialsError(
                f"There are no admin credentials for {config.address}.",
                hint="Set MANA_ADMIN_JWT, or MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD. "
                "To try without a service, pass --auth embedded.",
            )
        credentials = Credentials(config.jwt, config.admin_email, config.admin_password)
        async with _use(run, config, credentials) as service:
            yield service
        return
    try:
        from personas.embedded import EmbeddedError, open_embedded
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    exists = file.exists()
    if not (exists or create or preview):
        raise UsageError(f"{file} does not exist.", hint="Create it with: personas seed --auth embedded")
    try:
        async with open_embedded(file if exists or create else None) as embedded:
            credentials = Credentials(token_factory=embedded.admin_token)
            async with _use(run, config, credentials, app=embedded.app) as service:
                yield service
    except EmbeddedError as error:
        raise UsageError(error.message, hint=error.hint) from None


def not_installed(error: ModuleNotFoundError) -> UsageError:
    """Return the error for a part of the embedded service that is not installed."""
    return UsageError(
        f"The embedded service is not installed: {error.name} is missing.",
        hint="Install it with: pip install 'personas[embedded]'",
    )


@asynccontextmanager
async def _use(
    run: Run, config: Config, credentials: Credentials, app: Any = None
) -> AsyncIterator[ManaService]:
    service = ManaService(
        config.address,
        credentials,
        endpoint=config.endpoint,
        timeout=config.timeout,
        concurrency=config.concurrency,
        app=app,
        observe=run.progress.log_request,
        on_wait=run.progress.log_wait,
    )
    run.service = service.address
    try:
        async with service:
            yield service
    finally:
        run.requests += service.requests
        run.notes += service.notes
