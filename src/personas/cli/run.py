"""One run of a command: from what was given, through the service, to the report and the exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import typer

from personas import __version__
from personas.catalog.reading import Catalog, load_catalog
from personas.cli import output
from personas.cli.access import credentials_of, open_embedded
from personas.cli.boundary import show_error
from personas.cli.interrupts import Interrupts
from personas.cli.options import Given, Output
from personas.cli.progress import Progress
from personas.cli.question import ask
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
from personas.passwords import check_secret
from personas.reconcile.apply import Stop, apply
from personas.reconcile.live import Live
from personas.reconcile.outcome import Applied, Outcome, Result
from personas.reconcile.plan import Change, Intent, Plan, State, plan
from personas.reconcile.survey import survey
from personas.report import Report, Snapshot, make_report, read_snapshot
from personas.secret import Secret
from personas.service.credentials import Credentials, check_token
from personas.service.endpoints import AuthService
from personas.service.models import LiveDetail
from personas.settings import Settings


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
    snapshot: Snapshot | None = None
    taken_at: datetime | None = None
    whole: bool = False
    error: PersonasError | None = None
    previewed: bool = False
    writing: bool = False
    scope: anyio.CancelScope | None = None
    interruption: str = "interrupted before anything was changed"

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

    def try_catalog(self) -> None:
        """Load the catalog where it is good to have; note why where it cannot be read."""
        try:
            self.read_catalog()
        except CatalogError as error:
            self.problems = ()
            self.notes.append(f"The catalog cannot be read, so drift is not known: {error.message}.")

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
        return self.settings.auth.embedded is not None or bool(credentials_of(self.settings, None))

    @asynccontextmanager
    async def connect(self, *, admin: bool = True) -> AsyncIterator[AuthService]:
        """The service, opened; with `admin`, a token that would be refused is told before it is sent."""
        settings = self.settings
        embedded = open_embedded(settings) if settings.auth.embedded is not None else None
        try:
            credentials = credentials_of(settings, embedded) if admin else Credentials()
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
        made = plan(self.catalog, self.live or Live(), intent, only=self.given.only)
        if self.given.only is not None and not made.changes:
            raise UsageError(
                f"nothing matches --only {self.given.only!r}, in the catalog or live",
                hint="It is compared with emails, their part before the @, names and archetypes.",
            )
        self.plan = made if self.snapshot is None else self.snapshot.within(made)
        return self.plan

    def make_plan_of(self, email: str, intent: Intent) -> Plan:
        """Compare one persona alone."""
        everything = plan(self.catalog, self.live or Live(), intent)
        one = tuple(change for change in everything if change.key == email.lower())
        self.plan = replace(everything, changes=one, whole=False)
        return self.plan

    def read_snapshot(self, name: str) -> Live:
        """Read what was live from a snapshot; its age is told."""
        self.snapshot = read_snapshot(read_text(name, "--against"), now=datetime.now(UTC))
        self.live = self.snapshot.live
        return self.live

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
        output.preview(self.report(), self.settings)
        self.previewed = True
        if not await ask(question):
            raise Refused("not confirmed; nothing was changed")

    # The end of a run

    def interrupt(self) -> None:
        """End at once before the first write; later finish what is in flight, at once when asked twice."""
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
        return make_report(
            self.command,
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
            snapshot_age=self.snapshot.age if self.snapshot else None,
            only=(self.settings.only,) if self.settings.only is not None else (),
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
    output.check_report_files(given.report)
    wrong: PersonasError | None = None
    try:
        settings = given.settings()
    except PersonasError as error:
        # A report is owed also when it cannot even begin; nothing that could be wrong is looked at for it.
        wrong = error
        settings = replace(given, takes=(), concurrency=None, timeout=None).settings()
    progress = Progress(quiet=given.quiet, ci=settings.ci, no_color=settings.no_color)
    run = Run(command, given, settings, progress, dry_run=dry_run, fail_on_drift=fail_on_drift, error=wrong)
    with Interrupts() as interrupts:
        try:
            if wrong is None:
                anyio.run(_listening, run, job, interrupts)
        except PersonasError as error:
            run.error = error
        finally:
            progress.close()
        report = run.report()
        shown_before = run.previewed and run.applied is None and sys.stdout.isatty()
        output.write(report, given, settings, shown_before=shown_before)
        # As text, the catalog's problems stand on standard output already.
        told = isinstance(run.error, CatalogError) and given.output is Output.TEXT
        if run.error is not None and not told:
            show_error(run.error, debug=given.debug)
    raise typer.Exit(report.exit_code)


def listen_only(
    given: Given, command: str, job: Callable[[Run], Awaitable[None]], *, quiet: bool = True
) -> None:
    """Run a job that prints what it was asked for, and has no report."""
    settings = given.settings()
    progress = Progress(quiet=quiet, ci=settings.ci, no_color=settings.no_color)
    run = Run(command, given, settings, progress)
    with Interrupts() as interrupts:
        try:
            anyio.run(_listening, run, job, interrupts)
        finally:
            progress.close()


async def _listening(run: Run, job: Callable[[Run], Awaitable[None]], interrupts: Interrupts) -> None:
    """Do the job; interrupts are told to the run instead of tearing it apart."""
    with anyio.CancelScope() as scope:
        run.scope = scope
        with interrupts.told_to(run.interrupt):
            await job(run)
    if scope.cancelled_caught:
        raise Interrupted(run.interruption)


def read_text(name: str, flag: str) -> str:
    """The text of a file that a flag names."""
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{flag} {name}: the file is no UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it cannot be read").lower()
        raise UsageError(f"{flag} {name}: {reason}") from None


def _remaining_drift(plan: Plan, outcomes: tuple[Outcome, ...]) -> list[Change]:
    """What still differs after the run."""
    mended = {id(outcome.change) for outcome in outcomes if outcome.result is Result.DONE}
    return [
        change
        for change in plan.drift
        if id(change) not in mended
        or (change.state in {State.RECREATE, State.LOCKED_OUT} and change.step != "recreate")
    ]
