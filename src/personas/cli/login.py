"""`personas login`: sign in as personas, for tests, browsers and scripts."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from personas.cli import options
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

EXAMPLES = """Examples:
  curl -H "$(personas login anna -o cookie)" http://localhost:3001/…
  personas login anna -o storage-state --out anna.json --reuse
  personas login --all -o storage-state --dir auth"""


# A session that ends sooner is not reused: the tests that get it need time.
_MIN_LIFETIME = timedelta(hours=1)


class Form(StrEnum):
    """The forms in which a signed-in persona is handed out."""

    JWT = "jwt"
    COOKIE = "cookie"
    ENV = "env"
    STORAGE_STATE = "storage-state"


def login(
    personas: options.PersonaArguments = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every persona of the catalog.")] = False,
    output: Annotated[
        Form, typer.Option("--output", "-o", metavar="FORM", help="jwt, cookie, env or storage-state.")
    ] = Form.JWT,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write to FILE, mode 0600.")
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option("--dir", metavar="DIR", help="Write a file for each, such as persona.anna.jwt."),
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Keep a storage-state file while its session works.")
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url", metavar="URL", help="Where a browser finds the service, if not at --auth."
        ),
    ] = None,
    catalog: options.Catalog = None,
    auth: options.Auth = None,
    kind: options.Service = None,
    base_path: options.BasePath = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    verbose: options.Verbose = False,
) -> None:
    """Sign in as a persona, for tests, scripts and browsers.

    Needs no admin: the password is derived from the email and
    PERSONA_SEED_SECRET. Without a catalog, PERSONA must be an email.
    """
    from personas.cli.connect import connect
    from personas.cli.flow import choose_passwords
    from personas.cli.output import check_writable
    from personas.cli.runner import start_run
    from personas.config import parse_address, resolve_config

    with start_run("login", verbose=verbose) as run:
        named = personas or []
        for is_wrong, problem in (
            (everyone == bool(named), "Name the personas, or pass --all."),
            (out is not None and folder is not None, "--out and --dir cannot be used together."),
            (folder is None and (everyone or len(named) > 1), "Several personas need --dir."),
            (output is not Form.STORAGE_STATE and reuse, "--reuse needs -o storage-state."),
            (output is not Form.STORAGE_STATE and base_url, "--base-url needs -o storage-state."),
            (reuse and out is None and folder is None, "--reuse needs --out or --dir."),
        ):
            if is_wrong:
                raise UsageError(problem)
        if base_url is not None:
            parse_address(base_url, allow_http=True, source="--base-url")
        config = resolve_config(auth, None, allow_http, timeout, service=kind, base_path=base_path)
        if everyone:
            emails = [persona.email for persona in run.load_catalog(catalog).personas]
        else:
            emails = list(dict.fromkeys(run.find_emails(catalog, named)))
        files: dict[str, Path] = {}
        if folder is not None:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            files = {
                email: check_writable(name, "--dir") for email, name in _name_files(emails, folder, output)
            }
        elif out is not None:
            files = {emails[0]: check_writable(out, "--out")}
        passwords = choose_passwords(config)
        writer = _SessionWriter(passwords, output, files, str(config.address), reuse, base_url)

        async def sign_in() -> None:
            async with connect(run, config, admin=False) as service:
                await writer.sign_in_all(service, emails)

        run.read(sign_in, "Signing in")
        if folder is not None:
            kept = f", {writer.kept} of them kept" if writer.kept else ""
            print_line(f"{len(files)} files in {folder}{kept}.")


def _name_files(emails: Sequence[str], folder: str, form: Form) -> Iterator[tuple[str, str]]:
    """Return a file for each email, named by the part before the @ where that is unique."""
    ending = "json" if form is Form.STORAGE_STATE else form.value
    parts = Counter(email.partition("@")[0] for email in emails)
    for email in emails:
        local = email.partition("@")[0]
        yield email, f"{folder}/{local if parts[local] == 1 else email}.{ending}"


@dataclass
class _SessionWriter:
    """Signs in personas, and prints or writes each session; `kept` counts the files that were reused."""

    passwords: PasswordDeriver
    form: Form
    files: Mapping[str, Path]
    address: str
    reuse: bool
    base_url: str | None
    kept: int = 0

    async def sign_in_all(self, service: Service, emails: Sequence[str]) -> None:
        """Sign in as each persona; one failure stops no other, unless the same would happen to all."""
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
            _write_private_file(file, text)

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


def _write_private_file(path: Path, text: str) -> None:
    """Replace a file at once by one with mode 0600; a pipe or a device is written as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8")
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # has this mode
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
