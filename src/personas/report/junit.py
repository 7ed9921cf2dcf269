"""The report as JUnit XML: a test case for each persona, each space, and each problem of the catalog."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from personas.reconcile.changes import State
from personas.reconcile.outcome import Result
from personas.report import wording
from personas.report.differences import AnyOutcome, Difference, Plan
from personas.report.diffs import diff_of
from personas.report.document import Report
from personas.report.visible import inert, shown

_MOST_BODIES = 1_000  # beyond these, a failure names the fields only
_VERDICTS = {Result.DONE: "", Result.FAILED: "failure", Result.UNKNOWN: "error", Result.NOT_DONE: "skipped"}


def render(report: Report) -> str:
    """The document: a persona in sync passes, drift fails, and after a run what was done passes."""
    suite = ET.Element("testsuite", name=f"personas.{report.command}")
    for problem in (*report.problems, *(report.warnings if report.warnings_refused else ())):
        place = f"{problem.file}:{problem.line}:{problem.column}"
        _add(suite, f"{place} {problem.path}", "failure", f"{place}: {problem.message}")
    if report.plan is not None:
        _add_plan(suite, report, report.plan)
    elif report.command == "validate" and report.valid and not report.warnings_refused:
        _add(suite, f"{report.catalog} is valid")
    if error := wording.untold(report):
        name = f"personas {report.command}: {error.kind}"
        _add(suite, name, "error", error.message, shown(error.hint or ""))
    # GitHub's runner would obey these, should it meet them on standard output.
    return inert(_document(suite, report.seconds).replace("##[", "##&#91;"))


def _add(
    suite: ET.Element, name: str, verdict: str = "", message: str = "", body: str = "", seconds: float = 0.0
) -> None:
    """One case; its verdict is empty for a pass, or `failure`, `error` or `skipped`."""
    given = {"classname": suite.attrib["name"], "name": shown(name, 1_000), "time": f"{seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", given)
    if verdict:
        ET.SubElement(case, verdict, message=shown(message, 1_000)).text = body or None


def _document(suite: ET.Element, seconds: float) -> str:
    """The whole document, with the counts of its cases."""
    root = ET.Element("testsuites", name="personas")
    root.append(suite)
    for element in (root, suite):
        element.set("tests", str(len(suite)))
        for name, verdict in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
            element.set(name, str(len(suite.findall(f"*/{verdict}"))))
        element.set("time", f"{seconds:.3f}")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_plan(suite: ET.Element, report: Report, plan: Plan) -> None:
    bodies = 0
    for change in plan.everything:
        outcome = report.result(change)
        kind = "" if change.thing == "persona" else change.thing
        name = " ".join(part for part in (kind, change.name, f"<{change.key}>") if part)
        if outcome is not None:
            _add_outcome(suite, name, change, outcome)
        elif report.offline:
            _add(suite, name, "skipped", "offline: nothing was compared")
        elif plan.is_cleanup or change.state is State.IN_SYNC:
            _add(suite, name)
        elif change.state is State.NOT_KNOWN:
            _add(suite, name, "skipped", change.reason)
        else:
            bodies += 1
            body = [*diff_of(change), shown(change.reason)] if bodies <= _MOST_BODIES else []
            _add(suite, name, "failure", _message(change), "\n".join(body).rstrip())


def _add_outcome(suite: ET.Element, name: str, change: Difference, outcome: AnyOutcome) -> None:
    word = wording.result_word(outcome)
    message = f"{word}: {outcome.message}" if outcome.message else word
    verdict = _VERDICTS[outcome.result]
    if not verdict and not change.is_mended:
        verdict, message = "failure", f"{word}; {change.reason}"
    _add(suite, name, verdict, message, seconds=outcome.seconds)


def _message(change: Difference) -> str:
    word = wording.state_word(change)
    remark = wording.differing(change) or change.reason
    return f"{word}: {remark}" if remark else word
