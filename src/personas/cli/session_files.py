"""Sessions of personas, printed or written to files that are for their owner alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from personas.cli.console import emit, say
from personas.cli.files import (
    PRIVATE,
    check_private_file,
    find_tracked,
    make_private_folder,
    replace_file,
)
from personas.cli.run import Run
from personas.errors import (
    PartlyFailed,
    PersonasError,
    RateLimited,
    ServiceError,
    Unanswered,
    Unavailable,
    Unreachable,
    UsageError,
    why_unusable,
)
from personas.report.visible import visible
from personas.secret import Secret
from personas.service.endpoints import AuthService
from personas.service.pacing import spread
from personas.service.signing import SIGN_INS_AT_ONCE, NotOffered, WrongPassword
from personas.sessions.documents import read_kept
from personas.sessions.forms import Form, render, with_ends_of
from personas.sessions.signed_in import resume, sign_in

MAX_KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    """How everybody of a run is signed in.

    Attributes:
        secret: The seed secret.
        form: What is handed out.
        base_url: Where the browser will go; None for the service itself.
        reuse: Keep a file of before whose session still holds.
    """

    secret: Secret
    form: Form
    base_url: str | None
    reuse: bool

    async def text(self, service: AuthService, email: str, kept: Path | None) -> tuple[str, bool]:
        """What is asked for, and whether a session of before was kept for it."""
        before = None
        if self.reuse and kept is not None:
            found = read_kept(
                _read_file(kept), self.form, email=email, service=service.address.url, base_url=self.base_url
            )
            before = found.session
            if found.why_not:
                say(f"note: {kept} is not reused: {found.why_not}; signing in anew")
        if before is not None and (resumed := await resume(service, before)) is not None:
            return render(with_ends_of(resumed, before), self.form, base_url=self.base_url), True
        signed_in = await sign_in(service, email, self.secret)
        return render(signed_in, self.form, base_url=self.base_url), False


async def login_one(run: Run, email: str, signing_in: SigningIn, path: Path | None) -> None:
    """Sign in as one persona; print what is asked for, or write it to a file."""
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


async def login_all(run: Run, emails: list[str], signing_in: SigningIn, folder: Path) -> None:
    """Sign in as several personas, and write a file for each.

    Raises:
        ServiceError: The same would happen to everybody.
        PartlyFailed: Some could not be signed in, or written; the others are there.
    """
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
            run.progress.note("signing in", written + kept + len(failures), len(emails))

        run.interruption = f"interrupted: {done()}"
        await spread(emails, one, workers=SIGN_INS_AT_ONCE, go_on=lambda: not stopped)
    if stopped:
        stopped[0].message = f"{stopped[0].message}; {done()}"
        raise stopped[0]
    if failures:
        unwritten = any(isinstance(error, UsageError) for error in failures.values())
        problem = f"{len(failures)} could not be signed in{' or written' if unwritten else ''}; {done()}"
        raise PartlyFailed(problem, hint=_hint(list(failures.values()), len(emails)))
    run.progress.say(done())


def _hint(errors: list[PersonasError], asked: int) -> str:
    if asked > 1 and sum(isinstance(error, WrongPassword) for error in errors) == asked:
        return (
            "Either none of them is seeded there (personas seed), or PERSONA_SEED_SECRET differs from the "
            "secret that they were seeded with."
        )
    return next((error.hint for error in errors if error.hint and isinstance(error, ServiceError)), "")


def _read_file(path: Path) -> str:
    """The text of a file of before; nothing when there is none that could be kept."""
    try:
        if not path.is_file():  # a pipe that nobody writes to would be waited for without end
            return ""
        with path.open("rb") as file:
            return file.read(MAX_KEPT_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return ""


def _write(path: Path, text: str) -> None:
    if _read_file(path) == text:
        path.chmod(PRIVATE)
        return
    try:
        replace_file(path, text, mode=PRIVATE)
    except OSError as error:
        raise UsageError(f"--out {path} could not be written: {why_unusable(error)}") from None


def _warn_if_tracked(files: list[Path], named: Path) -> None:
    if find_tracked(files):
        say(f"warning: git would track {named}, and whoever has it is signed in; add it to .gitignore")
