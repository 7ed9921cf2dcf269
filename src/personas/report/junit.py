"""The report as JUnit XML: a test case for each persona and each problem of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from personas.reconcile.outcome import Outcome, Result
from personas.reconcile.plan import Change, Plan, State
from personas.report import wording
from personas.report.diffs import text_diff
from personas.report.visible import shown

if TYPE_CHECKING:
    from personas.report.model import Report

_MOST_BODIES = 1_000  # beyond these, a failure names the fields only


class _Cases:
    """Collects test cases and counts what they are."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.lines: list[str] = []
        self.tests = self.failures = self.errors = self.skipped = 0

    def add(
        self, name: str, verdict: str = "", message: str = "", body: str = "", seconds: float = 0.0
    ) -> None:
        """One case; its verdict is empty for a pass, or `failure`, `error` or `skipped`."""
        self.tests += 1
        self.failures += verdict == "failure"
        self.errors += verdict == "error"
        self.skipped += verdict == "skipped"
        case = f'    <testcase classname={quoteattr(self.suite)} name={_attribute(name)} time="{seconds:.3f}"'
        if not verdict:
            self.lines.append(f"{case}/>")
            return
        text = f">{escape(body)}</{verdict}>" if body else "/>"
        self.lines.append(f"{case}>\n      <{verdict} message={_attribute(message)}{text}\n    </testcase>")


def render(report: Report) -> str:
    """The document: a persona in sync passes, drift fails, and after a run what was done passes."""
    suite = f"personas.{report.command}"
    cases = _Cases(suite)
    for problem in report.problems:
        place = f"{problem.file}:{problem.line}:{problem.column}"
        cases.add(f"{place} {problem.path}", "failure", f"{place}: {problem.message}")
    if report.plan is not None:
        _plan(cases, report, report.plan)
    elif report.command == "validate" and not report.problems:
        cases.add(f"{report.catalog} is valid")
    if report.error is not None and not report.problems and not isinstance(report.error, wording.TOLD):
        kind = type(report.error).__name__
        cases.add(
            f"personas {report.command}: {kind}", "error", report.error.message, shown(report.error.hint)
        )
    counts = (
        f'tests="{cases.tests}" failures="{cases.failures}" errors="{cases.errors}" '
        f'skipped="{cases.skipped}" time="{report.seconds:.3f}"'
    )
    text = "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="personas" {counts}>',
            f"  <testsuite name={quoteattr(suite)} {counts}>",
            *cases.lines,
            "  </testsuite>",
            "</testsuites>",
            "",
        ]
    )
    # GitHub's runner would obey these, should it meet them on standard output.
    return text.replace("##[", "##&#91;")


def _attribute(text: str) -> str:
    return quoteattr(shown(text, 1_000))


def _plan(cases: _Cases, report: Report, plan: Plan) -> None:
    outcomes = {id(outcome.change): outcome for outcome in report.outcomes}
    bodies = 0
    for change in plan:
        outcome = outcomes.get(id(change))
        name = " ".join(part for part in (change.name, f"<{change.key}>") if part)
        if outcome is not None:
            _outcome(cases, name, outcome)
        elif report.offline:
            cases.add(name, "skipped", "offline: nothing was compared")
        elif plan.intent.purpose == "cleanup" or change.state is State.IN_SYNC:
            cases.add(name)
        elif change.state is State.NOT_KNOWN:
            cases.add(name, "skipped", change.reason)
        else:
            bodies += 1
            body = _body(change) if bodies <= _MOST_BODIES else ""
            cases.add(name, "failure", _message(change), body)


def _outcome(cases: _Cases, name: str, outcome: Outcome) -> None:
    word = wording.result_word(outcome)
    message = f"{word}: {outcome.message}" if outcome.message else word
    verdicts = {
        Result.DONE: "",
        Result.FAILED: "failure",
        Result.UNKNOWN: "error",
        Result.NOT_DONE: "skipped",
    }
    verdict = verdicts[outcome.result]
    if not verdict and not wording.mended_by_step(outcome.change):
        verdict, message = "failure", f"{word}; {outcome.change.reason}"
    cases.add(name, verdict, message, seconds=outcome.seconds)


def _message(change: Change) -> str:
    word = wording.state_word(change)
    remark = wording.differing(change) or change.reason
    return f"{word}: {remark}" if remark else word


def _body(change: Change) -> str:
    lines: list[str] = []
    for item in change.fields:
        if item.field == "systemPrompt" and isinstance(item.old, str) and isinstance(item.new, str):
            lines.append(f"{wording.label(item.field)}:")
            starts = {"old": "- ", "new": "+ "}
            diff = text_diff(item.old, item.new, most=40)
            lines += [f"{starts.get(line.kind, '  ')}{line.left_out or line.text}" for line in diff]
        else:
            lines.append(f"{wording.label(item.field)}: {wording.field_change(item)}")
    return "\n".join([*lines, *([shown(change.reason)] if change.reason else [])])
