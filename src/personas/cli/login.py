"""`personas login WHO`: sign in as a persona, for tests, browsers and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli import options
from personas.sessions.forms import REUSABLE, Form
from personas.settings import DEFAULT_AUTH, DEFAULT_CATALOG, DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from personas.catalog.reading import Catalog
    from personas.cli.asked import Asked
    from personas.cli.run import Run
    from personas.errors import PersonasError, ServiceError
    from personas.secret import Secret
    from personas.service.endpoints import AuthService

MAX_KEPT_BYTES = 64 * 1024

_BASE_URL_HELP = "Where the browser will go, for its cookie. [default: the service]"
_REUSE_HELP = "Keep a file of before whose session still holds; for env, json and storage-state."


def login(
    who: options.MaybeWho = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody in the catalog, a file each.")] = False,
    form: Annotated[Form, typer.Option("--as", help="What to print or write.")] = Form.JWT,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="For its owner alone; with --all: a folder."),
    ] = None,
    reuse: Annotated[bool, typer.Option("--reuse", help=_REUSE_HELP)] = False,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", help=_BASE_URL_HELP)] = None,
    catalog: options.Catalog = DEFAULT_CATALOG,
    only: options.Only = None,
    auth: options.Auth = DEFAULT_AUTH,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    verbose: options.Verbose = False,
    debug: options.Debug = False,
) -> None:
    """Sign in as a persona.

    Prints what is asked for and nothing else. Needs no admin's credentials: the password is derived from the
    email and PERSONA_SEED_SECRET. A whole email needs no catalog.
    """
    from personas.cli.asked import Asked
    from personas.cli.conduct import print_only

    asked = Asked(
        command="login",
        catalog=catalog,
        only=tuple(only or ()),
        auth=auth,
        allow_http=allow_http,
        timeout=timeout,
        quiet=not everybody,
        verbose=verbose,
        debug=debug,
    )

    async def job(run: Run) -> None:
        _check_flags(asked, who, everybody=everybody, out=out, reuse=reuse, form=form)
        place = _check_base_url(run, base_url, form)
        secret = run.secret()
        if who is not None:
            email = _email_of(who, run)
            path = Path(out) if out is not None else None
            await _login_one(run, email, _SigningIn(secret, form, place, reuse=reuse), path)
        elif out is not None:
            emails = _emails_of(run.read_catalog(), asked.only)
            await _login_all(run, emails, _SigningIn(secret, form, place, reuse=reuse), Path(out))

    print_only(asked, job)


def _check_flags(
    asked: Asked, who: str | None, *, everybody: bool, out: str | None, reuse: bool, form: Form
) -> None:
    from personas.errors import UsageError

    if everybody == (who is not None):
        raise UsageError("login needs either WHO or --all", hint="Such as: personas login anna")
    if asked.only and not everybody:
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
    from personas.errors import UsageError
    from personas.settings import parse_auth

    if base_url is None:
        if form is Form.STORAGE_STATE and not run.settings.auth.url:
            raise UsageError(
                "the embedded service in process has no address that a browser could go to",
                hint="Say where the browser will find it: --base-url http://localhost:3001",
            )
        return None
    # The host may be any: nothing is sent there, and the cookie is for whoever asks for this page.
    url = parse_auth(base_url, allow_http=True, source="--base-url").url
    if not url:
        raise UsageError("--base-url embedded is no URL", hint="Write it as http://localhost:5173")
    return url


def _email_of(who: str, run: Run) -> str:
    from personas.catalog.models import email_flaw
    from personas.catalog.who import choose
    from personas.errors import UsageError

    if "@" not in who:
        catalog = run.read_catalog()
        return choose(who, [(p.email, p.name) for p in catalog.personas], where=f"in {catalog.file}")
    email = who.strip().lower()
    if why := email_flaw(email):
        raise UsageError(f"WHO is no persona: its email {why}")
    return email


def _emails_of(catalog: Catalog, only: tuple[str, ...]) -> list[str]:
    from personas.errors import UsageError
    from personas.reconcile.plan import matches_any

    emails = [
        p.email for p in catalog.personas if not only or matches_any((p.email, p.name, p.archetype), only)
    ]
    if not emails:
        raise UsageError(f"nobody in {catalog.file} matches --only {' or '.join(only)}")
    return emails


class _SigningIn:
    """How everybody of this run is signed in."""

    def __init__(self, secret: Secret, form: Form, base_url: str | None, *, reuse: bool) -> None:
        self.secret = secret
        self.form = form
        self.base_url = base_url
        self.reuse = reuse

    async def text(self, service: AuthService, email: str, kept: Path | None) -> tuple[str, bool]:
        """What is asked for, and whether a session of before was kept for it."""
        from personas.cli.console import say
        from personas.sessions.documents import read_kept
        from personas.sessions.forms import render, with_ends_of
        from personas.sessions.signed_in import resume, sign_in

        before = None
        if self.reuse and kept is not None:
            found = read_kept(
                _read_file(kept),
                self.form,
                email=email,
                service=service.address.url,
                base_url=self.base_url,
            )
            before = found.session
            if found.why_not:
                say(f"note: {kept} is not reused: {found.why_not}; signing in anew")
        if before is not None and (resumed := await resume(service, before)) is not None:
            return render(with_ends_of(resumed, before), self.form, base_url=self.base_url), True
        signed_in = await sign_in(service, email, self.secret)
        return render(signed_in, self.form, base_url=self.base_url), False


def _read_file(path: Path) -> str:
    """The text of a file of before; nothing when there is none that could be kept."""
    try:
        if not path.is_file():  # a pipe that nobody writes to would be waited for without end
            return ""
        with path.open("rb") as file:
            return file.read(MAX_KEPT_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return ""


async def _login_one(run: Run, email: str, signing_in: _SigningIn, path: Path | None) -> None:
    from personas.cli.console import emit
    from personas.cli.files import check_private_file

    if path is not None:
        check_private_file(path, "--out")
        _warn_if_tracked([path], path)
    run.interruption = "interrupted before the sign-in was answered"
    async with run.connect(admin=False) as service:
        text, _ = await signing_in.text(service, email, path)
    if path is None:
        emit(text)
    else:
        _write(path, text)


async def _login_all(run: Run, emails: list[str], signing_in: _SigningIn, folder: Path) -> None:
    from personas.cli.files import check_private_file, make_private_folder
    from personas.errors import (
        PartlyFailed,
        RateLimited,
        ServiceError,
        Unanswered,
        Unavailable,
        Unreachable,
        UsageError,
    )
    from personas.report.visible import visible
    from personas.service.pacing import spread
    from personas.service.signing import SIGN_INS_AT_ONCE, NotOffered

    make_private_folder(folder, "--out")
    files = {email: folder / f"{email.split('@')[0]}{signing_in.form.suffix}" for email in emails}
    _warn_if_tracked(list(files.values()), folder)
    failures: dict[str, PersonasError] = {}
    stopped: list[ServiceError] = []
    written = kept = 0

    def done() -> str:
        of = f"{written + kept} of {len(emails)} sessions are in {folder}"
        return f"{of}, {kept} of them kept" if kept else of

    async with run.connect(admin=False) as service:

        async def one(email: str) -> None:
            nonlocal written, kept
            try:
                check_private_file(files[email], "--out")
                text, was_kept = await signing_in.text(service, email, files[email])
                _write(files[email], text)
            except (Unreachable, NotOffered, RateLimited, Unavailable) as error:
                # The same would happen to all the others; a single lost answer is one persona's bad luck.
                if not isinstance(error, Unanswered):
                    stopped.append(error)
                    return
                failures[email] = error
            except (ServiceError, UsageError) as error:
                failures[email] = error
            else:
                written, kept = written + (not was_kept), kept + was_kept
            if email in failures:
                run.progress.say(f"failed: {visible(failures[email].message)}")
            run.interruption = f"interrupted: {done()}"
            run.progress.reading("signing in", written + kept + len(failures), len(emails))

        run.interruption = f"interrupted: {done()}"
        await spread(emails, one, workers=SIGN_INS_AT_ONCE, go_on=lambda: not stopped)
    if stopped:
        stopped[0].message = f"{stopped[0].message}; {done()}"
        raise stopped[0]
    if failures:
        unwritten = any(isinstance(error, UsageError) for error in failures.values())
        problem = f"{len(failures)} could not be signed in{' or written' if unwritten else ''}; {done()}"
        raise PartlyFailed(problem, hint=_hint(failures, len(emails)))
    run.progress.say(done())


def _hint(failures: dict[str, PersonasError], asked: int) -> str:
    from personas.errors import ServiceError
    from personas.service.signing import WrongPassword

    errors = list(failures.values())
    if asked > 1 and sum(isinstance(error, WrongPassword) for error in errors) == asked:
        return (
            "Either none of them is seeded there (personas seed), or PERSONA_SEED_SECRET differs from the "
            "secret that they were seeded with."
        )
    return next((error.hint for error in errors if error.hint and isinstance(error, ServiceError)), "")


def _write(path: Path, text: str) -> None:
    from personas.cli.files import PRIVATE, reason_of, replace_file
    from personas.errors import UsageError

    if _read_file(path) == text:
        path.chmod(PRIVATE)
        return
    try:
        replace_file(path, text, mode=PRIVATE)
    except OSError as error:
        raise UsageError(f"--out {path} could not be written: {reason_of(error)}") from None


def _warn_if_tracked(files: list[Path], named: Path) -> None:
    import sys

    from personas.cli.files import find_tracked
    from personas.report.visible import visible

    if find_tracked(files):
        print(
            f"warning: git would track {visible(str(named))}, and whoever has it is signed in; "
            "add it to .gitignore",
            file=sys.stderr,
        )
