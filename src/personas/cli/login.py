"""`personas login`: sign in as personas, for tests, browsers and scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from personas.cli import options
from personas.cli.sessions import Form
from personas.errors import UsageError

EXAMPLES = """Examples:
  curl -H "$(personas login anna -o cookie)" http://localhost:3001/…
  personas login anna -o storage-state --out anna.json --reuse
  personas login --all -o storage-state --dir auth"""


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
        bool,
        typer.Option("--reuse", help="Keep a storage-state file while its session works."),
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
    from personas.cli.files import check_writable
    from personas.cli.flow import choose_passwords
    from personas.cli.runner import start_run
    from personas.cli.sessions import SessionWriter
    from personas.cli.streams import print_line
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
        writer = SessionWriter(passwords, output, files, str(config.address), reuse, base_url)

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
