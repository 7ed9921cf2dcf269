"""The question before anything is deleted."""

from __future__ import annotations

import contextlib
import sys

import typer

from personas.cli.runner import Run
from personas.cli.streams import can_ask, print_line
from personas.config import is_production
from personas.errors import Interrupted, SafetyError


def confirm(run: Run, losses: str, question: str, *, yes: bool, force: bool = False) -> None:
    """Ask on a terminal before the losses that a text describes; elsewhere require --yes.

    Raises:
        SafetyError: The answer was no, stdin is not a terminal, or this is production without --force.
        Interrupted: Ctrl-C at the question.
    """
    if is_production():
        if not force:
            message = "This run deletes data in production. Nothing was changed."
            raise SafetyError(message, hint="Add --force to allow it.")
        print_line("--force: deleting in production.")
    if yes:
        return
    if not can_ask():
        message = "Cannot ask for confirmation (not a terminal). Nothing was changed."
        raise SafetyError(message, hint="Add --yes to confirm.")
    print(losses, file=sys.stderr)
    run.shown = True
    confirmed = False
    try:
        # typer prints a part of the question on stdout, where a report may go to a file.
        with contextlib.redirect_stdout(sys.stderr):
            confirmed = typer.confirm(question, err=True)
    except typer.Abort as abort:  # Ctrl-C, or the end of input
        print(file=sys.stderr)
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise Interrupted("Interrupted. Nothing was changed.") from None
    if not confirmed:
        raise SafetyError("Not confirmed. Nothing was changed.")
