"""The way from a Config to a connected service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from personas.config import BETTER_AUTH, JWT_HINT, JWT_REFUSED, MANA
from personas.errors import CredentialsError, NotOfferedError, ServiceError, UsageError
from personas.services.mana import ManaService
from personas.services.sign_in import Credentials

if TYPE_CHECKING:
    from pathlib import Path

    from personas.cli.runner import Run
    from personas.config import Config
    from personas.embedded import EmbeddedService
    from personas.services.base import Service
    from personas.services.better_auth import BetterAuthService
    from personas.services.http import HttpOptions

_KINDS: WeakKeyDictionary[Run, str] = WeakKeyDictionary()  # which service the address of a run has


@asynccontextmanager
async def connect(
    run: Run, config: Config, *, admin: bool = True, create: bool = False, preview: bool = False
) -> AsyncIterator[Service]:
    """Connect to the service of a run; its requests and notes count for the run.

    Without `admin`, credentials may be missing. Where the file of an embedded service does not exist,
    `create` creates it, and with `preview` a temporary one stands in for it.
    """
    async with AsyncExitStack() as stack:
        app = None
        credentials = Credentials(config.token, config.admin_email, config.admin_password)
        if (file := config.address.embedded) is not None:
            if not (file.exists() or create or preview):
                hint = "Create it with: personas seed --auth embedded"
                raise UsageError(f"{file} does not exist.", hint=hint)
            opened = await stack.enter_async_context(
                _open_embedded(file if file.exists() or create else None)
            )
            app, credentials = opened.app, Credentials(token_factory=opened.admin_token)
            config = replace(config, service=MANA)
        elif admin and not config.has_credentials:
            raise CredentialsError(
                f"The admin credentials for {config.address} are missing.",
                hint="Set MANA_ADMIN_JWT, or MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; for Better Auth "
                "PERSONAS_ADMIN_TOKEN. To try without a service, add --auth embedded.",
            )
        options: HttpOptions = {
            "timeout": config.timeout,
            "concurrency": config.concurrency,
            "app": app,
            "observe": run.progress.observe,
            "on_wait": run.progress.log_wait,
        }
        service = _make_service(config, await _find_out(run, config, admin=admin), credentials, options)
        try:
            yield await stack.enter_async_context(service)
        except NotOfferedError:
            # A JWT implies mana. If Better Auth answers instead, say why it refuses the JWT.
            if config.token and config.service == MANA:
                with suppress(ServiceError):
                    if await _probe(run, config) == BETTER_AUTH:
                        raise UsageError(JWT_REFUSED, hint=JWT_HINT) from None
            raise
        finally:
            notes = tuple(note for note in service.notes if note not in run.report.notes)
            run.add(requests=service.requests, notes=notes, service=service.address)


def _make_service(
    config: Config, kind: str, credentials: Credentials, options: HttpOptions
) -> ManaService | BetterAuthService:
    if kind == MANA:
        return ManaService(
            config.address, credentials, endpoint=config.endpoint, base_path=config.base_path, **options
        )
    from personas.services.better_auth import BetterAuthService

    return BetterAuthService(config.address, credentials, base_path=config.base_path, **options)


async def _find_out(run: Run, config: Config, *, admin: bool) -> str:
    """Return which service to use; the address is asked once in a run, and only if the admin calls matter."""
    if run not in _KINDS:
        # Accounts and sessions are the same on both.
        kind = config.service or (None if admin else MANA)
        _KINDS[run] = kind or await _probe(run, config)
    return _KINDS[run]


async def _probe(run: Run, config: Config) -> str:
    from personas.services.better_auth_deployment import probe_service

    def observe(method: str, path: str, status: int | ServiceError, seconds: float) -> None:
        run.add(requests=1)
        if run.progress.observe is not None:
            run.progress.observe(method, path, status, seconds)

    return await probe_service(
        config.address,
        base_path=config.base_path,
        endpoint=config.endpoint,
        timeout=config.timeout,
        observe=observe,
    )


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
