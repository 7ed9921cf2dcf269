"""`personas login`: sign in as personas, for tests, browsers and scripts."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from personas import errors
from personas.cli import options
from personas.cli.options import option
from personas.cli.password import choose_passwords
from personas.cli.streams import print_line, write_stdout
from personas.config import parse_address, resolve_config

if TYPE_CHECKING:
    from personas.passwords import PasswordDeriver
    from personas.services.base import Service

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
    everyone: Annotated[bool, option("--all", "Every persona of the catalog.")] = False,
    output: Annotated[
        Form, option("--output -o", "jwt (default), cookie, env or storage-state.", "FORM")
    ] = Form.JWT,
    out: Annotated[str | None, option("--out", "Write to FILE, mode 0600.", "FILE")] = None,
    folder: Annotated[
        str | None, option("--dir", "Write a file for each, such as persona.anna.jwt.", "DIR")
    ] = None,
    reuse: Annotated[bool, option("--reuse", "Keep a storage-state file while its session works.")] = False,
    base_url: Annotated[
        str | None, option("--base-url", "Where a browser finds the service, if not at --auth.", "URL")
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

    Examples:
      curl -H "$(personas login anna -o cookie)" http://localhost:3001/…
      personas login anna -o storage-state --out anna.json --reuse
      personas login --all -o storage-state --dir auth
    """
    from personas.cli.output import check_writable
    from personas.cli.runner import start_run

    with start_run("login", verbose=verbose) as run:
        named = personas or []
        for is_wrong, problem in (
            (everyone == bool(named), "Name the personas, or pass --all, but not both."),
            (out is not None and folder is not None, "--out and --dir cannot be used together."),
            (folder == "", "The directory name of --dir is empty."),
            (folder is None and (everyone or len(named) > 1), "Several personas need --dir."),
            (output is not Form.STORAGE_STATE and reuse, "--reuse needs -o storage-state."),
            (output is not Form.STORAGE_STATE and base_url, "--base-url needs -o storage-state."),
            (not (base_url or "http:").startswith(("http:", "https:")), "--base-url is not an http(s) URL."),
            (reuse and out is None and folder is None, "--reuse needs --out or --dir."),
        ):
            if is_wrong:
                raise errors.UsageError(problem)
        if base_url is not None:
            parse_address(base_url, allow_http=True, source="--base-url")
        config = resolve_config(auth, None, allow_http, timeout, service=kind, base_path=base_path)
        if output is Form.STORAGE_STATE and config.address.embedded and base_url is None:
            raise errors.UsageError(
                "A browser cannot reach the embedded service in process.",
                hint="Run: personas serve. Then pass its address with --base-url.",
            )
        if everyone:
            emails = [persona.email for persona in run.load_catalog(catalog).personas]
        else:
            emails = list(dict.fromkeys(run.find_emails(catalog, named)))
        files: dict[str, Path] = {}
        if folder is not None:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            names = _name_files(emails, output)
            files = {email: check_writable(f"{folder}/{names[email]}", "--dir") for email in emails}
        elif out is not None:
            files = {emails[0]: check_writable(out, "--out")}
        writer = _SessionWriter(choose_passwords(config), output, files, reuse, base_url)
        run.read(lambda service: writer.sign_in_all(service, emails), config, "Signing in", admin=False)
        if folder is not None:
            kept = f", {writer.kept} of them kept" if writer.kept else ""
            print_line(f"{len(files)} files in {folder}{kept}.")
        elif out is not None:
            print_line(f"{'Kept' if writer.kept else 'Wrote'} {out}.")


def _name_files(emails: list[str], form: Form) -> dict[str, str]:
    """Return a file name for each email: the part before the @ where that is unique."""
    ending = "json" if form is Form.STORAGE_STATE else form.value
    parts = [email.partition("@")[0] for email in emails]
    names = [part if parts.count(part) == 1 else email for email, part in zip(emails, parts, strict=True)]
    return {email: f"{name}.{ending}" for email, name in zip(emails, names, strict=True)}


@dataclass
class _SessionWriter:
    """Signs in personas, and prints or writes each session; `kept` counts the files that were reused."""

    passwords: PasswordDeriver
    form: Form
    files: dict[str, Path]
    reuse: bool
    base_url: str | None
    kept: int = 0

    async def sign_in_all(self, service: Service, emails: list[str]) -> None:
        """Sign in as each persona; one failure stops no other, unless the same would happen to all."""
        from personas.concurrency import run_concurrently

        failures: list[errors.ServiceError] = []

        async def sign_in(email: str) -> None:
            try:
                await self._sign_in(service, email)
            except errors.ServiceError as error:
                stops = isinstance(
                    error, errors.UnreachableError | errors.NotOfferedError | errors.RateLimitedError
                )
                if len(emails) == 1 or (stops and not isinstance(error, errors.NoResponseError)):
                    raise
                failures.append(error)
                print_line(f"Failed: {error.message}")

        await run_concurrently(emails, sign_in, limit=service.concurrency)
        if failures:
            raise errors.PartialFailure(
                f"{len(failures)} of {len(emails)} sign-ins failed.", hint=failures[0].hint
            )

    async def _sign_in(self, service: Service, email: str) -> None:
        from personas.report.sessions import to_storage_state, to_variables

        file = self.files.get(email)
        if self.reuse and file is not None and await self._is_usable(service, email, file):
            file.chmod(0o600)
            self.kept += 1
            return
        try:
            session = await service.sign_in(email, self.passwords.derive(email))
        except errors.WrongPasswordError:
            secret = "the development secret" if self.passwords.development else "PERSONA_SEED_SECRET"
            raise errors.WrongPasswordError(
                f"{email} cannot sign in at {service.address}: email or password is wrong.",
                hint=f"Create the persona with seed; if it exists, it was not seeded with {secret}.",
            ) from None
        match self.form:
            case Form.JWT:
                text = (await service.token(session)).reveal() + "\n"
            case Form.COOKIE:
                text = f"Cookie: {session.header.reveal()}\n"
            case Form.ENV:
                token = None
                with contextlib.suppress(errors.NotOfferedError):  # a service without tokens has cookies
                    token = await service.token(session)
                text = to_variables(session, service.address, token)
            case Form.STORAGE_STATE:
                text = to_storage_state(session, service.address, self.base_url)
        if file is None:
            write_stdout(text, machine=True)
        else:
            _write_private_file(file, text)

    async def _is_usable(self, service: Service, email: str, file: Path) -> bool:
        """Return whether a file has a session of this persona that still works at this service."""
        from personas.report.sessions import read_storage_state

        if (stored := read_storage_state(file, email, self.base_url)) is None:
            return False
        session, issuer = stored
        if issuer != service.address:
            print_line(f"{file} is not reused: its session belongs to {issuer}.")
            return False
        try:
            found = await service.find_session(session)
        except errors.ResponseError:
            return False
        if found is None or found.email.lower() != email:
            return False
        soon = datetime.now(UTC) + _MIN_LIFETIME
        return all(ends is None or ends >= soon for ends in (session.expires_at, found.expires_at))


def _write_private_file(path: Path, text: str) -> None:
    """Write a file with mode 0600, a new one where one existed; a pipe or a device is written as it is."""
    if path.is_file():
        path.unlink()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
