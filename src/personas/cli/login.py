"""`personas login WHO`: sign in as a persona, for tests, browsers and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personas import settings
from personas.cli import options
from personas.cli.asked import Asked
from personas.errors import UsageError
from personas.sessions.forms import REUSABLE, Form

if TYPE_CHECKING:
    from personas.cli.run import Run

_BASE_URL_HELP = "Where the browser will go, for its cookie. [default: the service]"
_REUSE_HELP = "Keep a file of before whose session still holds; for env, json and storage-state."


def login(
    ctx: typer.Context,
    who: options.MaybeWho = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody in the catalog, a file each.")] = False,
    form: Annotated[Form, typer.Option("--as", help="What to print or write.")] = Form.JWT,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="For its owner alone; with --all: a folder."),
    ] = None,
    reuse: Annotated[bool, typer.Option("--reuse", help=_REUSE_HELP)] = False,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", help=_BASE_URL_HELP)] = None,
    catalog: options.Catalog = settings.DEFAULT_CATALOG,
    only: options.Only = None,
    auth: options.Auth = settings.DEFAULT_AUTH,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = settings.DEFAULT_TIMEOUT,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Sign in as a persona.

    Prints what is asked for and nothing else. Needs no admin's credentials: the password is derived from the
    email and PERSONA_SEED_SECRET. A whole email needs no catalog.
    """
    from personas.cli.conduct import print_only
    from personas.cli.session_files import SigningIn, login_all, login_one

    async def job(run: Run) -> None:
        _check_flags(who, everybody=everybody, only=bool(only), out=out, reuse=reuse, form=form)
        place = _check_base_url(run, base_url, form)
        signing_in = SigningIn(secret=run.secret(), form=form, base_url=place, reuse=reuse)
        if who is not None:
            await login_one(run, _email_of(who, run), signing_in, Path(out) if out is not None else None)
        elif out is not None:
            await login_all(run, _emails_of(run), signing_in, Path(out))

    print_only(Asked.of(ctx, quiet=not everybody), job)


def _check_flags(
    who: str | None, *, everybody: bool, only: bool, out: str | None, reuse: bool, form: Form
) -> None:
    if everybody == (who is not None):
        raise UsageError("login needs either WHO or --all", hint="Such as: personas login anna")
    if only and not everybody:
        raise UsageError("--only goes with --all")
    if everybody and out is None:
        raise UsageError("--all needs a folder for its files", hint="Name one with --out, such as --out auth")
    if reuse and out is None:
        raise UsageError("--reuse needs the file to keep", hint="Name it with --out.")
    if reuse and form not in REUSABLE:
        raise UsageError(
            f"--reuse does not go with --as {form}: such a file does not say whose session it is",
            hint=f"Use --as {', '.join(REUSABLE[:-1])} or {REUSABLE[-1]}.",
        )


def _check_base_url(run: Run, base_url: str | None, form: Form) -> str | None:
    if base_url is None:
        if form is Form.STORAGE_STATE and not run.settings.auth.url:
            raise UsageError(
                "the embedded service in process has no address that a browser could go to",
                hint="Say where the browser will find it: --base-url http://localhost:3001",
            )
        return None
    # The host may be any: nothing is sent there, and the cookie is for whoever asks for this page.
    url = settings.parse_auth(base_url, allow_http=True, source="--base-url").url
    if not url:
        raise UsageError("--base-url embedded is no URL", hint="Write it as http://localhost:5173")
    return url


def _email_of(who: str, run: Run) -> str:
    from personas.catalog.models import email_flaw
    from personas.catalog.who import choose_from

    if "@" not in who:
        return choose_from(run.read_catalog(), who)
    email = who.strip().lower()
    if why := email_flaw(email):
        raise UsageError(f"WHO is no persona: its email {why}")
    return email


def _emails_of(run: Run) -> list[str]:
    from personas.reconcile.only import matches_any

    catalog, only = run.read_catalog(), run.asked.only
    emails = [
        p.email for p in catalog.personas if not only or matches_any((p.email, p.name, p.archetype), only)
    ]
    if not emails:
        raise UsageError(f"nobody in {catalog.file} matches --only {' or '.join(only)}")
    return emails
