"""One run of a command: the error boundary, signals, and what becomes the report and the exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import typer

from personas.catalog.loader import load_catalog
from personas.catalog.models import Catalog, email_flaw
from personas.catalog.select import find_persona
from personas.cli.options import Output
from personas.cli.output import check_report_file, show_report, write_report_file
from personas.cli.streams import print_line, show_progress
from personas.concurrency import Cancel
from personas.config import DEFAULT_CATALOG, Config, variable
from personas.errors import (
    CatalogError,
    DriftFound,
    Interrupted,
    PartialFailure,
    PersonasError,
    ServiceError,
    UsageError,
)
from personas.reconcile.apply import make_outcome
from personas.reconcile.changes import Outcome, Plan, Result, Status
from personas.redact import redact
from personas.report.document import CatalogSize, ErrorInfo, Report
from personas.report.text import format_error
from personas.services.base import Service

T = TypeVar("T")
Observer = Callable[[Outcome], None]
Apply = Callable[[Service, Observer], Awaitable[tuple[Outcome, ...]]]

_NOTHING_CHANGED = "Interrupted. Nothing was changed."
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


@dataclass
class Run:
    """One run: what it found and did so far is its `report`.

    Attributes:
        files: The files of --report.
        service_kind: Which service the address has; empty until a connection needs it.
        shown: Whether the user has seen the plan, above a question.
        cancel: Requested by the first signal during the changes.
    """

    report: Report
    quiet: bool
    verbose: bool
    fail_on_drift: bool
    files: list[Path] = field(default_factory=list)
    service_kind: str = ""
    shown: bool = False
    cancel: Cancel = field(default_factory=Cancel)
    started: float = field(default_factory=time.monotonic)

    def add(self, **found: Any) -> None:
        """Add to the report: tuples and numbers to what is there, everything else as it is."""
        for name, value in found.items():
            if isinstance(value, tuple | int) and not isinstance(value, bool):
                found[name] = getattr(self.report, name) + value
        self.report = self.report.model_copy(update=found)

    def on_request(self, method: str, path: str, result: int | ServiceError, seconds: float) -> None:
        """Count a request; print it with --verbose."""
        self.add(requests=1)
        if self.verbose:
            print_line(f"{method} {path} {getattr(result, 'message', result)} {seconds:.3f} s")

    def load_catalog(self, option: str | None, argument: str | None = None) -> Catalog:
        """Load the catalog that --catalog, an argument or PERSONAS_CATALOG names; keep its warnings.

        Raises UsageError if it is named twice or with an empty name, CatalogError if it is invalid.
        """
        if option is not None and argument is not None:
            raise UsageError("The catalog is named twice.", hint="Use either FILE or --catalog.")
        file = option if argument is None else argument
        if file == "":
            raise UsageError("The file name of the catalog is empty.", hint="Is its variable set?")
        file = file or variable("PERSONAS_CATALOG") or DEFAULT_CATALOG
        self.add(catalogs=(file,))
        if Path(file).resolve() in {report.resolve() for report in self.files}:
            self.files = []
            raise UsageError(f"--report {file} would replace the catalog.")
        try:
            catalog = load_catalog(file)
        except CatalogError as error:
            self.add(problems=error.problems)
            raise
        size = CatalogSize(file=file, personas=len(catalog.personas), spaces=len(catalog.spaces))
        self.add(problems=catalog.warnings, valid=(size,))
        return catalog

    def load_catalog_if_any(self, option: str | None) -> Catalog | None:
        """Load the catalog; None if the default file does not exist and the user named no other."""
        named = option is not None or variable("PERSONAS_CATALOG") is not None
        return self.load_catalog(option) if named or Path(DEFAULT_CATALOG).exists() else None

    def find_emails(self, option: str | None, personas: Sequence[str]) -> list[str]:
        """Return the emails of these personas, which must be in the catalog where there is one."""
        if (catalog := self.load_catalog_if_any(option)) is not None:
            return [
                find_persona(catalog.personas, persona, f"in {catalog.file}").email for persona in personas
            ]
        emails = [persona.strip().lower() for persona in personas]
        for email in filter(email_flaw, emails):
            problem = f"{email!r} is not an email, and there is no {DEFAULT_CATALOG} to find it in."
            raise UsageError(problem, hint="Use an email, or name the catalog with --catalog.")
        return emails

    def read(
        self, job: Callable[[Service], Awaitable[T]], config: Config, what: str = "Reading", **connection: Any
    ) -> T:
        """Connect as `connect` says, and run a job that changes nothing; a signal ends it (Interrupted)."""
        with show_progress(what, hidden=self.quiet or self.verbose):
            return self._run(job, config, lambda scope: scope.cancel(), **connection)

    def write(self, job: Apply, config: Config, plan: Plan) -> None:
        """Connect, and run a job that carries out a plan and calls an observer with each outcome.

        The first signal lets running requests finish, the second one ends them. Raises Interrupted then,
        or the ServiceError that stopped the run; `outcomes` has what was done in any case.
        """
        reason = "not started: the run was interrupted"
        observed = {change.key: make_outcome(change, Result.SKIPPED, reason) for change in plan.actions}

        def on_signal(scope: anyio.CancelScope) -> None:
            if self.cancel.requested:
                scope.cancel()
            else:
                self.cancel.request()
                print_line("Interrupted. Finishing running requests; press Ctrl-C again to abort.")

        self.add(applied=True)
        with show_progress("Applying", len(plan.actions), hidden=self.quiet or self.verbose) as advance:

            def observe(outcome: Outcome) -> None:
                observed[outcome.key] = outcome
                advance()

            try:
                outcomes = self._run(lambda service: job(service, observe), config, on_signal)
            except (Interrupted, KeyboardInterrupt):  # the latter while the event loop ends
                self.cancel.request()
                outcomes = tuple(observed.values())
        self.add(outcomes=outcomes)
        if self.cancel.requested:
            raise Interrupted("Interrupted.")
        for error in (outcome.stopped_by for outcome in outcomes if outcome.stopped_by):
            raise error

    def _run(
        self,
        job: Callable[[Service], Awaitable[T]],
        config: Config,
        on_signal: Callable[[anyio.CancelScope], None],
        **connection: Any,
    ) -> T:
        """Run a job in an event loop of its own, and call `on_signal` there for each signal.

        Raises Interrupted if `on_signal` cancelled the scope.
        """
        from personas.cli.connect import connect  # `validate` needs no HTTP

        async def main() -> T:
            before = {}
            with anyio.CancelScope() as scope:
                # Not the loop's own handlers, which Windows does not have.
                call = partial(asyncio.get_running_loop().call_soon_threadsafe, on_signal, scope)
                for number in _SIGNALS:
                    if signal.getsignal(number) is not signal.SIG_IGN:  # set by nohup
                        before[number] = signal.signal(number, lambda *_: call())
                try:
                    async with connect(self, config, **connection) as service:
                        return await job(service)
                finally:
                    for number, handler in before.items():
                        signal.signal(number, handler)
            raise Interrupted(_NOTHING_CHANGED)

        return anyio.run(main)

    def finish(self, error: PersonasError | None) -> Report:
        """Return the report at the end of the run."""
        found, plan, code = self.report, self.report.plan, 0
        # A persona's conflict refused the run before; a space of another owner is only skipped.
        unsure = plan and found.command != "cleanup" and plan.of(Status.UNKNOWN, Status.CONFLICT)
        # `spaces --delete` keeps a space with a member who is not a persona.
        kept = plan and any(c.desired and not c.action for c in plan.of(Status.EXTRA))
        if error is not None:
            code = error.exit_code
        elif unsure or kept or any(outcome.result is not Result.DONE for outcome in found.outcomes):
            code = PartialFailure.exit_code
        elif self.fail_on_drift and plan and plan.drift:
            code = DriftFound.exit_code
        return found.model_copy(
            update={
                "valid": () if plan or found.live else found.valid,
                "compared": plan is not None,
                "notes": tuple(dict.fromkeys(found.notes)),
                "error": error and ErrorInfo(message=redact(error.message), hint=redact(error.hint)),
                "interrupted": isinstance(error, Interrupted),
                "exit_code": code,
                "seconds": round(time.monotonic() - self.started, 3),
            }
        )


@contextmanager
def start_run(
    command: str,
    output: Output | None = None,
    reports: Sequence[str] | None = None,
    quiet: bool = False,
    verbose: bool = False,
    fail_on_drift: bool = False,
) -> Iterator[Run]:
    """Run the body of a command, report it, and exit with its code; `output` is None for no report.

    Raises:
        typer.Exit: Always.
    """
    run = Run(Report(command=command), quiet, verbose, fail_on_drift)
    error: PersonasError | None = None
    try:
        run.files = [check_report_file(name) for name in reports or ()]
        yield run
    except PersonasError as raised:
        error = raised
    except (KeyboardInterrupt, typer.Abort):
        error = Interrupted(_NOTHING_CHANGED)
    except OSError as raised:
        error = UsageError(f"{raised.filename or 'stdout'}: {raised.strerror}.")
    except Exception as raised:  # noqa: BLE001 - the error boundary: what is left is a bug
        error = _describe_bug(raised, verbose=verbose)
    found = run.finish(error)
    code = found.exit_code
    try:
        for file in run.files:
            write_report_file(found, file)
        if output is not None:
            show_report(found, output, quiet=quiet, verbose=verbose, shown=run.shown)
        elif found.error is not None:
            print(format_error(found.error), file=sys.stderr)
    except (OSError, UsageError) as lost:
        # How the run ended matters more than that its report was lost.
        code = code or UsageError.exit_code
        print_line(f"Error: The report cannot be written: {lost}")
    raise typer.Exit(code)


def _describe_bug(error: Exception, *, verbose: bool) -> PersonasError:
    """Return a bug as an error; its own message may contain secrets and is printed only with --verbose."""
    if verbose:
        for line in "".join(traceback.format_exception(error)).splitlines():
            print_line(line)
    hint = "" if verbose else "Add --verbose for a traceback, and report it."
    return PersonasError(f"This is a bug in personas: {type(error).__name__}.", hint=hint)
