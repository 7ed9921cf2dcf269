"""Signed-in personas as text: for scripts, shells and browsers, printed or in files."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from personas.cli.files import write_private_file
from personas.cli.streams import print_line, write_stdout
from personas.errors import (
    NoResponseError,
    NotOfferedError,
    PartialFailure,
    RateLimitedError,
    ResponseError,
    ServiceError,
    UnreachableError,
    UsageError,
    WrongPasswordError,
)
from personas.redact import Secret

if TYPE_CHECKING:
    from personas.passwords import PasswordDeriver
    from personas.services.base import Service
    from personas.services.models import Session

# A session that ends sooner is not reused: the tests that get it need time.
_MIN_LIFETIME = timedelta(hours=1)


class Form(StrEnum):
    """The forms in which a signed-in persona is handed out."""

    JWT = "jwt"
    COOKIE = "cookie"
    ENV = "env"
    STORAGE_STATE = "storage-state"


@dataclass
class SessionWriter:
    """Signs in personas, and prints or writes each session.

    Attributes:
        files: The file for each email; the others are printed.
        address: The service's address; a storage state keeps it.
        reuse: Whether a file whose session still works is kept.
        base_url: Where the browser reaches the service, if not by its address.
        kept: How many files were kept.
    """

    passwords: PasswordDeriver
    form: Form
    files: Mapping[str, Path]
    address: str
    reuse: bool
    base_url: str | None
    kept: int = 0

    async def sign_in_all(self, service: Service, emails: Sequence[str]) -> None:
        """Sign in as each persona; one failure stops no other.

        Raises:
            PartialFailure: Some could not be signed in.
            ServiceError: The only one could not be signed in, or the same would happen to all.
        """
        from personas.concurrency import run_concurrently

        failures: list[ServiceError] = []

        async def sign_in(email: str) -> None:
            try:
                await self._sign_in(service, email)
            except ServiceError as error:
                stops = isinstance(error, UnreachableError | NotOfferedError | RateLimitedError)
                if len(emails) == 1 or (stops and not isinstance(error, NoResponseError)):
                    raise
                failures.append(error)
                print_line(f"Failed: {error.message}")

        await run_concurrently(emails, sign_in, limit=service.concurrency)
        if failures:
            raise PartialFailure(f"{len(failures)} of {len(emails)} sign-ins failed.", hint=failures[0].hint)

    async def _sign_in(self, service: Service, email: str) -> None:
        file = self.files.get(email)
        if self.reuse and file is not None and await self._is_usable(service, email, file):
            self.kept += 1
            return
        try:
            session = await service.sign_in(email, self.passwords.derive(email))
        except WrongPasswordError:
            secret = "the development secret" if self.passwords.development else "PERSONA_SEED_SECRET"
            raise WrongPasswordError(
                f"{email} cannot sign in at {self.address}: email or password is wrong.",
                hint=f"Create the persona with seed; if it exists, it was not seeded with {secret}.",
            ) from None
        text = await self._render(service, session)
        if file is None:
            write_stdout(text, machine=True)
        else:
            write_private_file(file, text)

    async def _render(self, service: Service, session: Session) -> str:
        match self.form:
            case Form.JWT:
                return (await service.token(session)).reveal() + "\n"
            case Form.COOKIE:
                return f"Cookie: {session.header.reveal()}\n"
            case Form.ENV:
                return await self._to_variables(service, session)
            case Form.STORAGE_STATE:
                return json.dumps(self._to_state(session), indent=2) + "\n"

    async def _to_variables(self, service: Service, session: Session) -> str:
        from personas.report.sanitize import disarm, visible

        variables = {
            "PERSONA_EMAIL": session.email,
            "PERSONA_NAME": session.name or "",
            "PERSONA_USER_ID": session.user_id or "",
            "PERSONA_SERVICE": self.address,
            "PERSONA_COOKIE": session.header.reveal(),
            "PERSONA_EXPIRES_AT": session.expires_at.isoformat() if session.expires_at else "",
        }
        with contextlib.suppress(NotOfferedError):  # a service without tokens still has cookies
            variables["PERSONA_JWT"] = (await service.token(session)).reveal()
        lines = (f"export {name}={shlex.quote(visible(value))}\n" for name, value in variables.items())
        return disarm("".join(lines))

    def _to_state(self, session: Session) -> dict[str, Any]:
        """Return Playwright's storage state; browsers ignore the key `service`."""
        host = urlsplit(self.base_url or self.address).hostname
        if not host:
            raise UsageError(
                "A browser cannot reach the embedded service in process.",
                hint="Run: personas serve. Then pass its address with --base-url.",
            )
        literal = f"[{host}]" if ":" in host else host
        cookie = {
            "name": session.cookie_name,
            "value": session.cookie.reveal(),
            "domain": literal if self.base_url else session.domain or literal,
            "path": session.path,
            "expires": int(session.expires_at.timestamp()) if session.expires_at else -1,
            "httpOnly": session.http_only,
            "secure": session.secure,
            "sameSite": session.same_site,
        }
        return {"cookies": [cookie], "origins": [], "service": self.address}

    async def _is_usable(self, service: Service, email: str, file: Path) -> bool:
        """Return whether a file has a session of this persona that still works at this service."""
        try:
            kept = self._read_session(email, file)
            found = await service.find_session(kept) if kept else None
        except ResponseError:
            return False
        if found is None or found.email.lower() != email:
            return False
        return found.expires_at is None or found.expires_at - datetime.now(UTC) >= _MIN_LIFETIME

    def _read_session(self, email: str, file: Path) -> Session | None:
        from personas.services.models import Session

        try:
            state = json.loads(file.read_text("utf-8")) if file.is_file() else {}
            cookie, issuer = state["cookies"][0], state.get("service")
            name, value, domain = (str(cookie[key]) for key in ("name", "value", "domain"))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
        host = urlsplit(self.base_url or "").hostname
        if issuer != self.address:
            print_line(f"{file} is not reused: its session belongs to {issuer or 'an unknown service'}.")
            return None
        # Both become a header: nothing else may hide in them.
        if not f"{name}{value}".isprintable() or ";" in value or (host and domain.strip("[]") != host):
            return None
        return Session(email, name, Secret(value))
