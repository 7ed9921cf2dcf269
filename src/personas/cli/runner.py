"""One run of a command: the error boundary, signals, and what becomes the report and the exit code."""

from __future__ import annotations

import asyncio
import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import typer

from personas.catalog.loader import load_catalog
from personas.catalog.models import email_flaw
from personas.catalog.select import find_persona
from personas.cli.options import Output
from personas.cli.output import check_report_files, show_report, write_report_files
from personas.cli.progress import Progress
from personas.cli.streams import print_line
from personas.concurrency import Cancel
from personas.config import DEFAULT_CATALOG, variable
from personas.errors import (
    CatalogError,
    DriftFound,
    Interrupted,
    PartialFailure,
    PersonasError,
    UsageError,
)
from personas.reconcile.changes import Action, Change, LiveState, Outcome, Plan, Result, Status
from personas.redact import redact
from personas.report.document import CatalogSize, ErrorInfo, Report
from personas.report.messages import error_to_show

if TYPE_CHECKING:
    from personas.catalog.models import Catalog, Problem
T = TypeVar("T")

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass
class Run:
    """What one run found and did so far; it becomes the report.

    Attributes:
        fail_on_drift: Whether drift makes the run fail.
        shown: Whether the user has seen the plan, above a question.
        cancel: Requested by the first signal during the changes.
    """

    command: str
    progress: Progress
    quiet: bool = False
    fail_on_drift: bool = False
    catalogs: tuple[str, ...] = ()
    valid: tuple[CatalogSize, ...] = ()
    problems: tuple[Problem, ...] = ()
    service: str = ""
    requests: int = 0
    compared: bool = False
    plan: Plan | None = None
    applied: bool = False
    outcomes: tuple[Outcome, ...] = ()
    live: LiveState | None = None
    notes: list[str] = field(default_factory=list)
    shown: bool = False
    cancel: Cancel = field(default_factory=Cancel)
    started: float = field(default_factory=time.monotonic)

    def load_catalog(self, option: str | None, argument: str | None = None) -> Catalog:
        """Load the catalog that --catalog, an argument or the variable names; note its warnings.

        Raises:
            UsageError: Option and argument are both given, or the name is empty.
            CatalogError: It is missing or invalid.
        """
        if option is not None and argument is not None:
            raise UsageError("The catalog is named twice.", hint="Use either FILE or --catalog.")
        file = find_catalog(argument if option is None else option)
        self.catalogs += (file,)
        try:
            catalog = load_catalog(file)
        except CatalogError as error:
            self.problems += error.problems
            raise
        self.problems += catalog.warnings
        size = CatalogSize(file=file, personas=len(catalog.personas), spaces=len(catalog.spaces))
        self.valid += (size,)
        return catalog

    def load_catalog_if_any(self, option: str | None) -> Catalog | None:
        """Load the catalog; None if the default file does not exist and the user named no other."""
        named = option is not None or variable("PERSONAS_CATALOG") is not None
        return self.load_catalog(option) if named or Path(DEFAULT_CATALOG).exists() else None

    def find_emails(self, option: str | None, personas: Sequence[str]) -> list[str]:
        """Return the emails of these personas, of the catalog where there is one.

        Raises:
            UsageError: One is not in the catalog, or without a catalog is not an email.
        """
        catalog = self.load_catalog_if_any(option)
        if catalog is not None:
            return [find_persona(catalog, persona).email for persona in personas]
        emails = [persona.strip().lower() for persona in personas]
        for email in emails:
            if email_flaw(email):
                raise UsageError(
                    f"{email!r} is not an email, and there is no {DEFAULT_CATALOG} to look it up in.",
                    hint="Use an email, or name the catalog with --catalog.",
                )
        return emails

    def read(self, job: Callable[[], Awaitable[T]], what: str) -> T:
        """Run an async job that changes nothing; a signal ends it at once.

        Raises:
            Interrupted: A signal came.
        """
        self.progress.start(what)
        try:
            return _run_async(job, lambda scope: scope.cancel())
        except Interrupted:
            raise Interrupted("Interrupted. Nothing was changed.") from None
        finally:
            self.progress.stop()

    def write(
        self, job: Callable[[Callable[[Outcome], None]], Awaitable[tuple[Outcome, ...]]], plan: Plan
    ) -> None:
        """Run an async job that carries out a plan; it gets an observer of outcomes.

        The first signal lets running requests finish, the second one ends them.

        Raises:
            Interrupted: A signal came; `outcomes` says what was done.
        """
        observed: dict[str, Outcome] = {}

        def observe(outcome: Outcome) -> None:
            observed[outcome.key] = outcome
            self.progress.advance()

        def on_signal(scope: anyio.CancelScope) -> None:
            if self.cancel.requested:
                scope.cancel()
                return
            self.cancel.request()
            self.progress.log("Interrupted. Finishing running requests; press Ctrl-C again to abort.")

        self.applied = True
        self.progress.start("Applying", total=len(plan.actions))
        try:
            self.outcomes = _run_async(partial(job, observe), on_signal)
        except Interrupted:
            self.outcomes = tuple(observed.get(change.key) or _skip(change) for change in plan.actions)
        finally:
            self.progress.stop()
        if self.cancel.requested:
            raise Interrupted("Interrupted.")
        for outcome in self.outcomes:
            if outcome.stopped_by is not None:
                raise outcome.stopped_by

    def to_report(self, error: PersonasError | None, exit_code: int) -> Report:
        """Return the report of what is known now."""
        return Report(
            command=self.command,
            catalogs=self.catalogs,
            valid=self.valid if self.plan is None and self.live is None else (),
            service=self.service,
            compared=self.compared,
            plan=self.plan,
            applied=self.applied,
            outcomes=self.outcomes,
            live=self.live,
            problems=self.problems,
            notes=tuple(dict.fromkeys(self.notes)),
            error=ErrorInfo(message=redact(error.message), hint=redact(error.hint)) if error else None,
            interrupted=isinstance(error, Interrupted),
            exit_code=exit_code,
            requests=self.requests,
            seconds=round(time.monotonic() - self.started, 3),
        )


@contextmanager
def start_run(
    command: str,
    *,
    output: Output | None = None,
    reports: Sequence[str] | None = None,
    quiet: bool = False,
    verbose: bool = False,
) -> Iterator[Run]:
    """Run the body of a command; report it; exit with its code.

    Args:
        command: The name in the report.
        output: The format of the report; None for a command that has none.
        reports: The files of --report.
        quiet: Whether to print no progress, no notes, and nothing when in sync.
        verbose: Whether to print each request, and a traceback for a bug.

    Raises:
        typer.Exit: Always.
    """
    run = Run(command, Progress(quiet=quiet, verbose=verbose), quiet=quiet)
    files: list[Path] = []
    error: PersonasError | None = None
    try:
        files = check_report_files(reports or ())
        yield run
    except PersonasError as raised:
        error = raised
    except KeyboardInterrupt:
        error = Interrupted("Interrupted. Nothing was changed.")
    except typer.Exit:
        raise
    except Exception as raised:  # noqa: BLE001 - the error boundary: what is left is a bug
        error = _describe_bug(raised, verbose=verbose)
    run.progress.stop()
    code = _exit_code(run, error)
    report: Report | None = None
    try:
        if output is not None:
            report = run.to_report(error, code)
            write_report_files(report, files)
            show_report(report, output, quiet=quiet, verbose=verbose, shown=run.shown)
    except PersonasError as raised:
        # The outcome of the run matters more than that the report was lost.
        code = code or raised.exit_code
        print_error(raised)
    if error is not None and (report is None or output is not Output.TEXT or error_to_show(report)):
        print_error(error)
    raise typer.Exit(code)


def find_catalog(option: str | None) -> str:
    """Return the catalog file that --catalog or PERSONAS_CATALOG names, or the default.

    Raises:
        UsageError: The name is empty.
    """
    if option == "":
        raise UsageError("The file name of the catalog is empty.", hint="Is its variable set?")
    return option or variable("PERSONAS_CATALOG") or DEFAULT_CATALOG


def print_error(error: PersonasError) -> None:
    """Print what happened and what to do, on stderr."""
    print_line(f"Error: {error.message}")
    if error.hint:
        print_line(f"  {error.hint}")


def _exit_code(run: Run, error: PersonasError | None) -> int:
    """Return the exit code; the only place where results become a number."""
    if error is not None:
        return error.exit_code
    if any(outcome.result is not Result.DONE for outcome in run.outcomes):
        return PartialFailure.exit_code
    plan = run.plan
    if plan is None or run.command == "cleanup":
        return 0
    # A space that belongs to another owner is skipped; a persona's conflict has refused the run before.
    left_out = plan.of(Status.UNKNOWN, Status.CONFLICT)
    if left_out:
        return PartialFailure.exit_code
    return DriftFound.exit_code if run.fail_on_drift and plan.drift else 0


def _skip(change: Change) -> Outcome:
    """Return the outcome of an action that was not started before the run was aborted."""
    return Outcome(
        kind=change.kind,
        key=change.key,
        name=change.name,
        action=change.action or Action.UPDATE,
        result=Result.SKIPPED,
        message="not started: the run was interrupted",
    )


def _describe_bug(error: Exception, *, verbose: bool) -> PersonasError:
    """Return a bug as an error; its own message may contain secrets and is printed only with --verbose."""
    if verbose:
        trace = traceback.TracebackException(type(error), error, error.__traceback__)
        for line in "".join(trace.format()).splitlines():
            print_line(line)
    hint = "" if verbose else "Add --verbose for a traceback, and report it."
    return PersonasError(f"This is a bug in personas: {type(error).__name__}.", hint=hint)


def _run_async(job: Callable[[], Awaitable[T]], on_signal: Callable[[anyio.CancelScope], None]) -> T:
    """Run a job in an event loop of its own, and call `on_signal` there for each signal.

    Raises:
        Interrupted: `on_signal` cancelled the scope.
    """

    async def main() -> T:
        with anyio.CancelScope() as scope, _handle_signals(partial(on_signal, scope)):
            return await job()
        raise Interrupted("Interrupted.")

    return anyio.run(main)


@contextmanager
def _handle_signals(call: Callable[[], None]) -> Iterator[None]:
    """Call a function in the running event loop for each signal; works on Windows as well."""
    loop = asyncio.get_running_loop()
    before = {}
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
