"""The way from a Config to a connected service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from personas.cli.streams import log_wait
from personas.config import BETTER_AUTH, JWT_HINT, JWT_REFUSED, MANA
from personas.errors import CredentialsError, NotOfferedError, ServiceError, UsageError
from personas.services.mana import ManaService
from personas.services.sign_in import Credentials

if TYPE_CHECKING:
    from personas.cli.runner import Run
    from personas.config import Config
    from personas.services.base import Service
    from personas.services.better_auth import BetterAuthService
    from personas.services.http import HttpOptions


@asynccontextmanager
async def connect(
    run: Run, config: Config, *, admin: bool = True, create: bool | None = None
) -> AsyncIterator[Service]:
    """Connect to the service of a run; its requests and notes count for the run.

    Without `admin`, credentials may be missing. If the file of an embedded service does not exist, `create`
    creates it; False uses a temporary one instead, and None raises a UsageError.
    """
    async with AsyncExitStack() as stack:
        app = None
        credentials = Credentials(config.token, config.admin_email, config.admin_password)
        if (file := config.address.embedded) is not None:
            if create is None and not file.exists():
                hint = "Run seed first, with the same --auth."
                raise UsageError(f"{file} does not exist.", hint=hint)
            stack.enter_context(explain_embedded_errors())
            from personas.embedded import open_embedded

            opened = await stack.enter_async_context(open_embedded(file if create or file.exists() else None))
            app, credentials = opened.app, Credentials(token_factory=opened.admin_token)
            run.service_kind = MANA
        elif admin and not config.has_credentials:
            raise CredentialsError(
                f"The admin credentials for {config.address} are missing.",
                hint="Set MANA_ADMIN_JWT, or MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; for Better Auth "
                "PERSONAS_ADMIN_TOKEN. To try without a service, add --auth embedded.",
            )
        # Accounts and sessions are the same on both: only the admin calls matter.
        kind = run.service_kind or config.service or ("" if admin else MANA)
        options: HttpOptions = {
            "timeout": config.timeout,
            "concurrency": config.concurrency,
            "app": app,
            "observe": run.on_request,
            "on_wait": log_wait,
        }
        run.service_kind = kind or await _probe(config, options)
        service_type: type[ManaService | BetterAuthService] = ManaService
        if run.service_kind == BETTER_AUTH:
            from personas.services.better_auth import BetterAuthService

            service_type = BetterAuthService
        service = service_type(
            config.address, credentials, endpoint=config.endpoint, base_path=config.base_path, **options
        )
        try:
            yield await stack.enter_async_context(service)
        except NotOfferedError:
            # A JWT implies mana. If Better Auth answers instead, say why it refuses the JWT.
            if config.token and config.service == MANA:
                with suppress(ServiceError):
                    if await _probe(config, options) == BETTER_AUTH:
                        raise UsageError(JWT_REFUSED, hint=JWT_HINT) from None
            raise
        finally:
            run.add(notes=tuple(service.notes), service=service.address)


async def _probe(config: Config, options: HttpOptions) -> str:
    """Find out which service has the address; without credentials."""
    from personas.services.better_auth_deployment import probe_service

    return await probe_service(
        config.address, base_path=config.base_path, endpoint=config.endpoint, **options
    )


@contextmanager
def explain_embedded_errors() -> Iterator[None]:
    """Turn errors of the embedded service, and a missing library of it, into usage errors."""
    try:
        from personas.embedded import EmbeddedError
    except ModuleNotFoundError as error:
        message = f"The embedded service is not installed: {error.name} is missing."
        raise UsageError(message, hint="Install it with: pip install 'personas[embedded]'") from None
    try:
        yield
    except EmbeddedError as error:
        raise UsageError(f"The embedded service: {error.message}.", hint=error.hint) from None
