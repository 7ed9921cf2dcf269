"""`personas login`: sign in as personas, for tests, browsers and scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from personas.cli import options
from personas.cli.sessions import Form
from personas.errors import UsageError

EXAMPLES = """Examples:
  curl -H "$(personas login anna -o cookie)" http://localhost:3001/api/auth/get-session
  personas login anna -o storage-state --out anna.json --reuse
  personas login --all -o storage-state --dir auth"""


def login(
    personas: options.PersonaArguments = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every persona of the catalog.")] = False,
    output: Annotated[Form, typer.Option("--output", "-o", help="What to print or write.")] = Form.JWT,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write to FILE, mode 0600.")
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(
            "--dir", metavar="DIR", help="Write a file for each persona, such as persona.anna.json."
        ),
    ] = None,
    reuse: Annotated[
        bool,
        typer.Option("--reuse", help="Keep a storage-state file with a session that still works."),
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url", metavar="URL", help="Where the browser reaches the service, if not by --auth."
        ),
    ] = None,
    catalog: options.Catalog = None,
    auth: options.Auth = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    verbose: options.Verbose = False,
) -> None:
    """Sign in as a persona and print a JWT, a cookie, variables for a shell, or a browser's state.

    Needs no admin: the password is derived from the email and PERSONA_SEED_SECRET. Without a catalog,
    PERSONA must be an email.
    """
    from personas.cli.connect import connect
    from personas.cli.files import check_writable, make_private_folder
    from personas.cli.flow import choose_passwords
    from personas.cli.runner import start_run
    from personas.cli.sessions import SessionWriter
    from personas.cli.streams import print_line
    from personas.config import resolve_config

    with start_run("login", verbose=verbose) as run:
        _check_options(personas or (), everyone, output, out, folder, reuse=reuse, base_url=base_url)
        config = resolve_config(auth=auth, timeout=timeout, allow_http=allow_http)
        if everyone:
            emails = [persona.email for persona in run.load_catalog(catalog).personas]
        else:
            emails = list(dict.fromkeys(run.find_emails(catalog, personas or ())))
        files: dict[str, Path] = {}
        if folder is not None:
            files = _name_files(emails, make_private_folder(folder, "--dir"), output)
        elif out is not None:
            files = dict.fromkeys(emails, check_writable(out, "--out"))
        writer = SessionWriter(
            choose_passwords(config), output, files, str(config.address), reuse=reuse, base_url=base_url
        )

        async def sign_in() -> None:
            async with connect(run, config, admin=False) as service:
                await writer.sign_in_all(service, emails)

        run.read(sign_in, "Signing in")
        if folder is not None:
            kept = f", {writer.kept} of them kept" if writer.kept else ""
            print_line(f"{len(files)} files in {folder}{kept}.")


def _check_options(
    personas: Sequence[str],
    everyone: bool,
    output: Form,
    out: str | None,
    folder: str | None,
    *,
    reuse: bool,
    base_url: str | None,
) -> None:
    """Raise a UsageError for options that do not fit together."""
    from personas.config import parse_address

    if everyone == bool(personas):
        raise UsageError("Name the personas, or pass --all.", hint="For example: personas login anna")
    if out is not None and folder is not None:
        raise UsageError("--out and --dir cannot be used together.")
    if folder is None and (everyone or len(personas) > 1):
        raise UsageError("Several personas need --dir.", hint="It gets one file for each.")
    if output is not Form.STORAGE_STATE and (reuse or base_url is not None):
        raise UsageError("--reuse and --base-url need -o storage-state.")
    if reuse and out is None and folder is None:
        raise UsageError("--reuse needs --out or --dir.")
    if base_url is not None and parse_address(base_url, allow_http=True, source="--base-url").embedded:
        raise UsageError("--base-url is not a URL.", hint="Use a URL such as http://localhost:3001.")


def _name_files(emails: Sequence[str], folder: Path, form: Form) -> dict[str, Path]:
    """Return a file for each email, named by the part before the @ where that is unique."""
    parts = Counter(email.partition("@")[0] for email in emails)
    return {
        email: folder / f"{local if parts[local] == 1 else email}{form.suffix}"
        for email in emails
        for local in [email.partition("@")[0]]
    }
