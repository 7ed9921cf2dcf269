"""From a command's job to its end, whatever that is: the report, the message, the exit code."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
import typer

from personas import __version__
from personas.cli import output
from personas.cli.asked import Asked
from personas.cli.boundary import boundary, show_error
from personas.cli.interrupts import Interrupts
from personas.cli.options import Output
from personas.cli.progress import Progress
from personas.cli.run import Run
from personas.errors import (
    CatalogError,
    DriftFound,
    Interrupted,
    PartlyFailed,
    PersonasError,
    UsageError,
)
from personas.reconcile.outcome import Outcome, Result
from personas.reconcile.plan import Change, Plan, State
from personas.report import Report, make_report
from personas.settings import Settings

Job = Callable[[Run], Awaitable[None]]


def conduct(asked: Asked, job: Job) -> None:
    """Run a command's job to its end; report it; exit.

    Raises:
        typer.Exit: Always, with the run's exit code.
    """
    with boundary(debug=asked.debug):
        output.check_report_files(asked.report)
        started = time.monotonic()
        error: PersonasError | None = None
        try:
            settings = asked.settings()
        except PersonasError as wrong:
            # A report is owed also when it cannot even begin.
            settings, error = asked.fallback(), wrong
        run = _begin(asked, settings)
        with Interrupts() as interrupts:
            if error is None:
                error = _done(run, job, interrupts)
            report = report_of(run, error, seconds=time.monotonic() - started)
            try:
                output.write(report, asked, settings, shown_before=run.previewed and run.applied is None)
            except UsageError as lost:
                if run.applied is not None:
                    lost.hint = (
                        f"All the same, this is done: {report.verdict} (exit code {report.exit_code})."
                    )
                raise
            # As text, the catalog's problems stand on standard output already.
            if error is not None and not (isinstance(error, CatalogError) and asked.output is Output.TEXT):
                show_error(error, debug=asked.debug)
        raise typer.Exit(report.exit_code)


def print_only(asked: Asked, job: Job) -> None:
    """Run a job that prints what it was asked for, and has no report."""
    with boundary(debug=asked.debug):
        run = _begin(asked, asked.settings())
        with Interrupts() as interrupts:
            try:
                anyio.run(_listening, run, job, interrupts)
            finally:
                run.progress.close()


def report_of(run: Run, error: PersonasError | None, *, seconds: float = 0.0) -> Report:
    """What there is to say of a run, now."""
    read = run.read
    return make_report(
        run.asked.command,
        version=__version__,
        catalog=run.settings.catalog,
        service=str(run.settings.auth) if run.service is not None else "",
        dry_run=run.asked.dry_run,
        plan=run.plan,
        offline=run.offline,
        outcomes=run.applied.outcomes if run.applied else (),
        problems=read.problems,
        warnings=read.warnings,
        notes=tuple(read.notes),
        detail=read.detail,
        error=error,
        exit_code=exit_code(run, error),
        interrupted=run.applied.interrupted if run.applied else isinstance(error, Interrupted),
        requests=run.service.requests if run.service else 0,
        safety_requests=run.service.safety_requests if run.service else 0,
        seconds=seconds,
        snapshot_age=read.snapshot.age if read.snapshot else None,
        only=run.asked.only,
        taken_at=read.taken_at,
        loaded=read.catalog,
        live=read.live if read.whole else None,
    )


def exit_code(run: Run, error: PersonasError | None) -> int:
    """The exit code that a run has earned; the one place where results become a number."""
    if run.applied is not None and run.applied.interrupted:
        return Interrupted.exit_code
    if error is not None:
        return error.exit_code
    if run.asked.strict and run.read.warnings:
        return CatalogError.exit_code
    outcomes = run.applied.outcomes if run.applied else ()
    if any(outcome.result is not Result.DONE for outcome in outcomes):
        return PartlyFailed.exit_code
    if (plan := run.plan) is None:
        return 0
    if run.asked.command in {"seed", "dry-run"} and plan.of(State.NOT_KNOWN):
        return PartlyFailed.exit_code
    if run.asked.command == "cleanup" and _left_unread(plan):
        return PartlyFailed.exit_code
    if run.asked.fail_on_drift and _remaining_drift(plan, outcomes):
        return DriftFound.exit_code
    return 0


def _left_unread(plan: Plan) -> bool:
    """Whether anything is left alone because it could not be read: somebody's name, or a space."""
    return any(
        change.step is None and (change.doubt or change.thing == "space")
        for change in plan.of(State.NOT_KNOWN)
    )


def _remaining_drift(plan: Plan, outcomes: tuple[Outcome, ...]) -> list[Change]:
    """What still differs after the run."""
    mended = {id(outcome.change) for outcome in outcomes if outcome.result is Result.DONE}
    return [
        change
        for change in plan.drift
        if id(change) not in mended
        or (change.state in {State.RECREATE, State.LOCKED_OUT} and change.step != "recreate")
        or (change.thing == "space" and not all(item.mendable for item in change.fields))
    ]


def _begin(asked: Asked, settings: Settings) -> Run:
    plain = settings.ci or settings.dumb
    return Run(asked, settings, Progress(quiet=asked.quiet, ci=plain, no_color=settings.no_color))


def _done(run: Run, job: Job, interrupts: Interrupts) -> PersonasError | None:
    """Do the job; what stopped it is a value here, for a report is owed all the same."""
    try:
        anyio.run(_listening, run, job, interrupts)
    except PersonasError as error:
        return error
    finally:
        run.progress.close()
    return run.applied.error if run.applied else None


async def _listening(run: Run, job: Job, interrupts: Interrupts) -> None:
    """Do the job; interrupts are told to the run instead of tearing it apart."""

    def interrupt() -> None:
        # Before the first write it ends at once; later it finishes what is in flight, unless asked twice.
        if not run.writing:
            scope.cancel()
        elif not run.stop.asked:
            run.progress.say("interrupted: finishing what is in flight; once more to stop now")
        run.stop.ask()

    with anyio.CancelScope() as scope, interrupts.told_to(interrupt):
        await job(run)
    if scope.cancelled_caught:
        raise Interrupted(run.interruption)
