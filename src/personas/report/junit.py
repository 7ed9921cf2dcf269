"""The report as JUnit XML: a test case for each persona and each problem of the catalog."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from personas.reconcile.outcome import Result
from personas.reconcile.plan import State
from personas.report import wording
from personas.report.diffs import text_diff
from personas.report.visible import inert, shown

if TYPE_CHECKING:
    from personas.report.document import Change, Outcome, Plan, Report

_MOST_BODIES = 1_000  # beyond these, a failure names the fields only
_VERDICTS = {Result.DONE: "", Result.FAILED: "failure", Result.UNKNOWN: "error", Result.NOT_DONE: "skipped"}


class _Suite:
    """Collects test cases and counts what they are."""

    def __init__(self, name: str) -> None:
        self.element = ET.Element("testsuite", name=name)
        self._counts: Counter[str] = Counter()

    def add(
        self, name: str, verdict: str = "", message: str = "", body: str = "", seconds: float = 0.0
    ) -> None:
        """One case; its verdict is empty for a pass, or `failure`, `error` or `skipped`."""
        self._counts["tests"] += 1
        suite = self.element.attrib["name"]
        case = ET.SubElement(
            self.element, "testcase", classname=suite, name=shown(name, 1_000), time=f"{seconds:.3f}"
        )
        if verdict:
            self._counts[verdict] += 1
            ET.SubElement(case, verdict, message=shown(message, 1_000)).text = body or None

    def document(self, seconds: float) -> str:
        """The whole document, with its counts."""
        plurals = {"tests": "tests", "failure": "failures", "error": "errors", "skipped": "skipped"}
        counts = {plural: str(self._counts[kind]) for kind, plural in plurals.items()}
        root = ET.Element("testsuites", name="personas")
        root.append(self.element)
        for element in (root, self.element):
            element.attrib.update(counts, time=f"{seconds:.3f}")
        ET.indent(root)
        text = ET.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def render(report: Report) -> str:
    """The document: a persona in sync passes, drift fails, and after a run what was done passes."""
    suite = _Suite(f"personas.{report.command}")
    for problem in (*report.problems, *(report.warnings if report.warnings_refused else ())):
        place = f"{problem.file}:{problem.line}:{problem.column}"
        suite.add(f"{place} {problem.path}", "failure", f"{place}: {problem.message}")
    if report.plan is not None:
        _add_plan(suite, report, report.plan)
    elif report.command == "validate" and report.valid and not report.warnings_refused:
        suite.add(f"{report.catalog} is valid")
    if error := wording.untold(report):
        suite.add(f"personas {report.command}: {error.kind}", "error", error.message, shown(error.hint or ""))
    # GitHub's runner would obey these, should it meet them on standard output.
    return inert(suite.document(report.seconds).replace("##[", "##&#91;"))


def _add_plan(suite: _Suite, report: Report, plan: Plan) -> None:
    bodies = 0
    for change in plan.changes:
        outcome = report.result(change)
        name = " ".join(part for part in (change.name, f"<{change.email}>") if part)
        if outcome is not None:
            _add_outcome(suite, name, change, outcome)
        elif report.offline:
            suite.add(name, "skipped", "offline: nothing was compared")
        elif plan.is_cleanup or change.state is State.IN_SYNC:
            suite.add(name)
        elif change.state is State.NOT_KNOWN:
            suite.add(name, "skipped", change.reason)
        else:
            bodies += 1
            body = _body(change) if bodies <= _MOST_BODIES else ""
            suite.add(name, "failure", _message(change), body)


def _add_outcome(suite: _Suite, name: str, change: Change, outcome: Outcome) -> None:
    word = wording.result_word(outcome)
    message = f"{word}: {outcome.message}" if outcome.message else word
    verdict = _VERDICTS[outcome.result]
    if not verdict and not wording.mended_by_step(change):
        verdict, message = "failure", f"{word}; {change.reason}"
    suite.add(name, verdict, message, seconds=outcome.seconds)


def _message(change: Change) -> str:
    word = wording.state_word(change)
    remark = wording.differing(change) or change.reason
    return f"{word}: {remark}" if remark else word


def _body(change: Change) -> str:
    lines: list[str] = []
    for item in change.fields:
        if item.prompts:
            lines.append(f"{wording.label(item.field)}:")
            starts = {"old": "- ", "new": "+ "}
            diff = text_diff(*item.prompts, most=40)
            lines += [f"{starts.get(line.kind, '  ')}{line.left_out or line.text}" for line in diff]
        else:
            lines.append(f"{wording.label(item.field)}: {wording.field_change(item)}")
    return "\n".join([*lines, *([shown(change.reason)] if change.reason else [])])
