"""The way from a Config to a connected service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from personas.errors import CredentialsError, UsageError
from personas.services.mana import ManaService
from personas.services.sign_in import Credentials

if TYPE_CHECKING:
    from pathlib import Path

    from personas.cli.runner import Run
    from personas.config import Config
    from personas.embedded import EmbeddedService


@asynccontextmanager
async def connect(
    run: Run, config: Config, *, admin: bool = True, create: bool = False, preview: bool = False
) -> AsyncIterator[ManaService]:
    """Connect to the service of a run; its requests and notes count for the run.

    Args:
        run: The run.
        config: Which service, with which credentials.
        admin: Whether the calls of an admin are needed.
        create: Whether an embedded service is created where the file does not exist.
        preview: Whether a temporary one stands in for it, so that no file is created.
    """
    async with AsyncExitStack() as stack:
        app = None
        credentials = Credentials(config.jwt, config.admin_email, config.admin_password)
        if (file := config.address.embedded) is not None:
            if not (file.exists() or create or preview):
                hint = "Create it with: personas seed --auth embedded"
                raise UsageError(f"{file} does not exist.", hint=hint)
            opened = await stack.enter_async_context(
                _open_embedded(file if file.exists() or create else None)
            )
            app, credentials = opened.app, Credentials(token_factory=opened.admin_token)
        elif admin and not config.has_credentials:
            raise CredentialsError(
                f"There are no admin credentials for {config.address}.",
                hint="Set MANA_ADMIN_JWT, or MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD. "
                "To try without a service, add --auth embedded.",
            )
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
        try:
            yield await stack.enter_async_context(service)
        finally:
            run.add(requests=service.requests, notes=tuple(service.notes), service=service.address)


@asynccontextmanager
async def _open_embedded(file: Path | None) -> AsyncIterator[EmbeddedService]:
    try:
        from personas.embedded import EmbeddedError, open_embedded
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    try:
        async with open_embedded(file) as opened:
            yield opened
    except EmbeddedError as error:
        raise UsageError(error.message, hint=error.hint) from None


def not_installed(error: ModuleNotFoundError) -> UsageError:
    """Return the error for a library of the embedded service that is not installed."""
    hint = "Install it with: pip install 'personas[embedded]'"
    return UsageError(f"The embedded service is not installed: {error.name} is missing.", hint=hint)
