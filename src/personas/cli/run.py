"""One run of a command: from what was given, through the service, to the report and the exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import typer

from personas import __version__
from personas.apply import Applied, Outcome, Result, Stop, apply
from personas.catalog import Catalog, load_catalog
from personas.cli import output
from personas.cli.boundary import show_error
from personas.cli.interrupts import Interrupts
from personas.cli.options import Given
from personas.cli.progress import Progress
from personas.credentials import HINT, Credentials, check_token
from personas.errors import (
    CatalogError,
    DriftFound,
    Interrupted,
    PartlyFailed,
    PersonasError,
    Problem,
    Refused,
    UsageError,
)
from personas.live import Live, LiveDetail
from personas.passwords import check_secret
from personas.plan import Change, Intent, Plan, State, plan
from personas.report.model import Report
from personas.secret import Secret
from personas.service import AuthService
from personas.settings import Settings
from personas.survey import survey

if TYPE_CHECKING:
    from personas.embedded import Embedded


@dataclass(slots=True)
class Run:
    """A command under way; what it has learnt so far is what its report will say."""

    command: str
    given: Given
    settings: Settings
    progress: Progress
    dry_run: bool = False
    fail_on_drift: bool = False
    started: float = field(default_factory=time.monotonic)
    stop: Stop = field(default_factory=Stop)
    catalog: Catalog | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    service: AuthService | None = None
    live: Live | None = None
    plan: Plan | None = None
    offline: bool = False
    applied: Applied | None = None
    detail: LiveDetail | None = None
    notes: list[str] = field(default_factory=list)
    snapshot_age: float | None = None
    taken_at: datetime | None = None
    whole: bool = False
    error: PersonasError | None = None
    writing: bool = False
    scope: anyio.CancelScope | None = None

    # The steps of a run

    def read_catalog(self) -> Catalog:
        """Load the catalog, and note what is doubtful in it."""
        try:
            self.catalog = load_catalog(self.settings.catalog)
        except CatalogError as error:
            self.problems = error.problems
            raise
        self.warnings = self.catalog.warnings
        return self.catalog

    def secret(self) -> Secret:
        """The seed secret.

        Raises:
            Refused: It is the development secret, and this is no place for it.
        """
        given = self.settings.seed_secret
        return Secret(
            check_secret(
                given.reveal() if given else None,
                loopback=self.settings.auth.loopback,
                production=self.settings.production,
            )
        )

    def secret_for_reading(self) -> Secret | None:
        """The seed secret, or None with a note: a preview needs none."""
        try:
            return self.secret()
        except Refused as error:
            self.notes.append(f"No password was tried: {error.message}.")
            return None

    @property
    def has_credentials(self) -> bool:
        """Whether anything was given that could open the service."""
        return self.settings.auth.embedded is not None or bool(_credentials(self.settings, None))

    @asynccontextmanager
    async def connect(self, *, admin: bool = True) -> AsyncIterator[AuthService]:
        """The service, opened; with `admin`, a token that would be refused is told before it is sent."""
        settings = self.settings
        embedded = open_embedded(settings) if settings.auth.embedded is not None else None
        try:
            credentials = _credentials(settings, embedded)
            if admin and not credentials:
                raise UsageError(
                    f"{self.command} needs an admin's credentials for {settings.auth}",
                    hint="Give --jwt (MANA_ADMIN_JWT), or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; "
                    "to try without a service: --auth embedded.",
                )
            if admin and credentials.token:
                check_token(credentials.token, datetime.now(UTC))
            self.service = AuthService(
                settings.auth,
                credentials,
                endpoint=settings.endpoint,
                timeout=settings.timeout,
                concurrency=settings.concurrency,
                app=embedded.app if embedded else None,
            )
            async with self.service:
                yield self.service
        finally:
            if embedded is not None:
                embedded.close()

    async def read_live(
        self,
        service: AuthService,
        *,
        secret: Secret | None = None,
        owners: bool = True,
        check_login: bool = False,
        recreate: bool = False,
        whole: bool = False,
    ) -> Live:
        """Read what is live.

        Raises:
            Refused: The secret is not the one that the personas were seeded with, and nobody said `recreate`.
        """
        self.live = await survey(
            service,
            self.catalog,
            secret=secret,
            only=self.given.only,
            owners=owners,
            check_login=check_login,
            whole=whole,
            workers=self.settings.concurrency,
            observe=self.progress.reading,
        )
        if self.live.secret_differs and not recreate:
            raise Refused(
                "the secret differs from the one these personas were seeded with: "
                f"none of {len(self.live.logins)} derived passwords signs in",
                hint="Set PERSONA_SEED_SECRET to that one. To give them the passwords of this one instead: "
                "personas seed --check-login --recreate",
            )
        self.whole = whole
        self.taken_at = datetime.now(UTC)
        self.notes += [note for note in self.live.notes if note not in self.notes]
        return self.live

    def make_plan(self, intent: Intent) -> Plan:
        """Compare the catalog with what was read."""
        self.plan = plan(self.catalog, self.live or Live(), intent, only=self.given.only)
        if self.given.only is not None and not self.plan.changes:
            raise UsageError(
                f"nothing matches --only {self.given.only!r}, in the catalog or live",
                hint="It is compared with emails, their part before the @, names and archetypes.",
            )
        return self.plan

    def make_plan_of(self, email: str, intent: Intent) -> Plan:
        """Compare one persona alone."""
        everything = plan(self.catalog, self.live or Live(), intent)
        one = tuple(change for change in everything if change.key == email.lower())
        self.plan = replace(everything, changes=one, whole=False)
        return self.plan

    def read_snapshot(self, name: str) -> Live:
        """Read what was live from a snapshot; its age is told."""
        from personas.report import read_snapshot

        self.live = read_snapshot(read_text(name, "--against"))
        if self.live.taken_at is not None:
            self.snapshot_age = (datetime.now(UTC) - self.live.taken_at).total_seconds()
        return self.live

    def preview(self) -> None:
        """Show the plan on stderr, before a question about it."""
        self.progress.close()
        output.preview(self.report(), self.settings)

    async def carry_out(self, service: AuthService, secret: Secret) -> Applied:
        """Carry out the plan's steps."""
        if self.plan is None:
            raise AssertionError
        self.writing = True
        self.progress.start_writing(len(self.plan.steps))
        self.applied = await apply(
            self.plan,
            service,
            secret,
            workers=self.settings.concurrency,
            stop=self.stop,
            observe=self.progress.wrote,
        )
        self.error = self.applied.error
        return self.applied

    async def confirm(self, question: str, *, yes: bool, what: str) -> None:
        """Ask on a terminal; anywhere else, `--yes` has to say it.

        Raises:
            Refused: The answer was no, or nobody could be asked.
        """
        if yes:
            return
        if self.settings.ci or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
            raise Refused(f"{what}: nobody can be asked here", hint="Say --yes if that is meant.")
        self.progress.close()
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        # In a thread, so that an interrupt is heard while the question stands.
        answer = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        if answer.strip().lower() not in {"y", "yes"}:
            raise Refused("not confirmed; nothing was changed")

    # The end of a run

    def interrupt(self) -> None:
        """End at once before the first write; later finish what is in flight, and asked twice end at once."""
        if not self.writing and self.scope is not None:
            self.scope.cancel()
        elif not self.stop.asked:
            self.progress.say("interrupted: finishing what is in flight; once more to stop now")
        self.stop.ask()

    @property
    def exit_code(self) -> int:
        """The exit code that this run has earned."""
        if self.applied is not None and self.applied.interrupted:
            return Interrupted.exit_code
        if self.error is not None:
            return self.error.exit_code
        outcomes = self.applied.outcomes if self.applied else ()
        if any(outcome.result is not Result.DONE for outcome in outcomes):
            return PartlyFailed.exit_code
        if self.plan is not None and self.command in {"seed", "dry-run"}:
            if self.plan.of(State.COLLISION):
                return Refused.exit_code
            if self.plan.of(State.NOT_KNOWN):
                return PartlyFailed.exit_code
        if self.fail_on_drift and self.plan is not None and _remaining_drift(self.plan, outcomes):
            return DriftFound.exit_code
        return 0

    def report(self) -> Report:
        """What there is to say now."""
        return Report(
            command=self.command,
            version=__version__,
            catalog=self.settings.catalog,
            service=str(self.settings.auth) if self.service is not None else "",
            dry_run=self.dry_run,
            plan=self.plan,
            offline=self.offline,
            outcomes=self.applied.outcomes if self.applied else (),
            problems=self.problems,
            warnings=self.warnings,
            notes=tuple(self.notes),
            detail=self.detail,
            error=self.error,
            exit_code=self.exit_code,
            interrupted=self.applied.interrupted if self.applied else isinstance(self.error, Interrupted),
            requests=self.service.requests if self.service else 0,
            safety_requests=self.service.safety_requests if self.service else 0,
            seconds=time.monotonic() - self.started,
            snapshot_age=self.snapshot_age,
            taken_at=self.taken_at,
            loaded=self.catalog,
            live=self.live if self.whole else None,
        )


def conduct(
    given: Given,
    command: str,
    job: Callable[[Run], Awaitable[None]],
    *,
    dry_run: bool = False,
    fail_on_drift: bool = False,
) -> None:
    """Run a command's job to its end, whatever that is; report it; exit.

    Raises:
        typer.Exit: Always, with the run's exit code.
    """
    settings = given.settings()
    output.check_report_files(given.report)
    progress = Progress(quiet=given.quiet, ci=settings.ci, no_color=settings.no_color)
    run = Run(command, given, settings, progress, dry_run=dry_run, fail_on_drift=fail_on_drift)
    with Interrupts() as interrupts:
        try:
            anyio.run(_listening, run, job, interrupts)
        except PersonasError as error:
            run.error = error
        finally:
            progress.close()
        report = run.report()
        output.write(report, given, settings)
        if run.error is not None:
            show_error(run.error, debug=given.debug)
    raise typer.Exit(report.exit_code)


def listen_only(given: Given, command: str, job: Callable[[Run], Awaitable[None]]) -> None:
    """Run a job that prints what it was asked for, and has no report."""
    settings = given.settings()
    run = Run(command, given, settings, Progress(quiet=True, ci=settings.ci, no_color=settings.no_color))
    with Interrupts() as interrupts:
        anyio.run(_listening, run, job, interrupts)


async def _listening(run: Run, job: Callable[[Run], Awaitable[None]], interrupts: Interrupts) -> None:
    """Do the job; interrupts are told to the run instead of tearing it apart."""
    with anyio.CancelScope() as scope:
        run.scope = scope
        with interrupts.told_to(run.interrupt):
            await job(run)
    if scope.cancelled_caught:
        raise Interrupted("interrupted before anything was changed")


def read_text(name: str, flag: str) -> str:
    """The text of a file that a flag names."""
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{flag} {name}: the file is no UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it cannot be read").lower()
        raise UsageError(f"{flag} {name}: {reason}") from None


def open_embedded(settings: Settings) -> Embedded:
    """The embedded service's database, opened in process."""
    try:
        from personas.embedded import DatabaseError, Embedded
    except ImportError as error:
        raise UsageError(
            f"the embedded service is not installed: {error.name} is missing",
            hint="Install it with: pip install 'personas[embedded]'",
        ) from None
    if settings.auth.embedded is None:
        raise AssertionError(settings.auth)
    try:
        return Embedded.open(settings.auth.embedded)
    except DatabaseError as error:
        raise UsageError(error.message, hint=error.hint) from None


def _credentials(settings: Settings, embedded: Embedded | None) -> Credentials:
    if embedded is not None:
        return Credentials(mint=embedded.admin_token)
    if settings.jwt is not None:
        return Credentials(token=settings.jwt)
    if (settings.admin_email is None) != (settings.admin_password is None):
        missing = "MANA_ADMIN_EMAIL" if settings.admin_email is None else "MANA_ADMIN_PASSWORD"
        raise UsageError(f"{missing} is not set, and its counterpart is", hint=HINT)
    return Credentials(email=settings.admin_email, password=settings.admin_password)


def _remaining_drift(plan: Plan, outcomes: tuple[Outcome, ...]) -> list[Change]:
    """What still differs after the run."""
    mended = {id(outcome.change) for outcome in outcomes if outcome.result is Result.DONE}
    return [
        change
        for change in plan.drift
        if id(change) not in mended
        or (change.state in {State.RECREATE, State.LOCKED_OUT} and change.step != "recreate")
    ]
