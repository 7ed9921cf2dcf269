"""The report for GitHub Actions: annotations on the catalog's lines, a step summary, and step outputs."""

from __future__ import annotations

from personas.reconcile.changes import State
from personas.report import wording
from personas.report.differences import Difference, Plan
from personas.report.document import Problem, Report
from personas.report.visible import shown

SUMMARY_LIMIT = 1_048_576
_MOST = 9  # annotations of a kind, and one that sums up; GitHub shows no more than ten of one step

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(report: Report) -> str:
    """The workflow commands for standard output: at most ten annotations of a kind, the rest summed up."""
    lines = _problems("error", report.problems)
    lines += _problems("warning", report.warnings)
    if report.error is not None and not report.problems:
        message = " ".join(part for part in (report.error.message, report.error.hint) if part)
        lines.append(_command("error", message, title="personas"))
    if wording.is_stale(report):
        lines.append(_command("warning", wording.age(report), title="Old snapshot"))
    lines += _failures(report)
    if report.plan is not None and report.plan.catalog_known and not report.offline:
        lines += _drift(report, report.plan)
    lines.append(_command("notice", report.verdict, title=f"personas {report.command}"))
    return "".join(f"{line}\n" for line in lines)


def step_summary(report: Report) -> str:
    """The markdown for `$GITHUB_STEP_SUMMARY`, below GitHub's limit of 1 MiB."""
    from personas.report import markdown

    return markdown.render(report, limit=SUMMARY_LIMIT - 1_024)


def step_outputs(report: Report) -> dict[str, str]:
    """What later steps can ask for; each value is one line.

    `changed` is `true` where catalog and service differ or anything was written, and `false` where they are
    in sync. Counts are of personas, those that begin with `space-` of spaces. Where nothing was compared, all
    these are empty, and so is the checksum.
    """
    plan = report.plan
    plan = None if report.offline or plan is None or not plan.catalog_known else plan
    changed = str(not plan.in_sync or bool(report.all_outcomes)).lower() if plan else ""
    return {
        "changed": changed,
        **{state.value: str(plan.personas.count[state]) if plan else "" for state in State},
        **{f"space-{state.value}": str(plan.spaces.count[state]) if plan else "" for state in State},
        "checksum": plan.checksum if plan else "",
        "valid": {True: "true", False: "false", None: ""}[report.valid],
        "verdict": report.verdict,
        "exit-code": str(report.exit_code),
    }


def output_lines(outputs: dict[str, str]) -> str:
    """The outputs as lines for `$GITHUB_OUTPUT`; no value can end its line and begin another output."""
    return "".join(f"{name}={shown(value, 1_000)}\n" for name, value in outputs.items())


def _command(kind: str, message: str, **properties: object) -> str:
    """One workflow command. A colon or a line break in a value cannot end it: both are escaped."""
    given = ",".join(
        f"{name}={shown(str(value)).translate(_PROPERTY)}"
        for name, value in properties.items()
        if value not in {None, ""}
    )
    data = shown(message, 2_000).translate(_DATA)
    # An older form of commands, "##[error]", is looked for anywhere in a line.
    return f"::{kind}{' ' if given else ''}{given}::{data}".replace("##[", "#\\[")


def _problems(kind: str, problems: tuple[Problem, ...]) -> list[str]:
    places = [{"file": item.file, "line": item.line, "col": item.column} for item in problems]
    told, more = wording.few(problems, _MOST)
    lines = [
        _command(kind, item.message, **place, title=f"Catalog {item.path}")
        for item, place in zip(told, places, strict=False)
    ]
    if more:
        text = f"and {wording.count(more, 'more problem' if kind == 'error' else 'more warning')}"
        lines.append(_command(kind, text, **places[len(told)], title="Catalog"))
    return lines


def _failures(report: Report) -> list[str]:
    told, more = wording.few(report.undone, _MOST)
    changes = {change.identity: change for change in report.plan.everything} if report.plan else {}
    lines = []
    for outcome in told:
        change = changes.get(outcome.identity)
        place = _place(report, change) if change is not None and change.line else {}
        word = wording.result_word(outcome)
        reason = f": {outcome.message}" if outcome.message else ""
        title = f"{outcome.thing.capitalize()} {word}"
        lines.append(_command("error", f"{outcome.key} {word}{reason}", **place, title=title))
    if more:
        text = f"and {wording.count(more, 'more step')} that {'was' if more == 1 else 'were'} not done"
        lines.append(_command("error", text, title="Not done"))
    return lines


def _drift(report: Report, plan: Plan) -> list[str]:
    """What differs, on the lines of the catalog; what a run has just made true is left out."""
    kinds: dict[State, tuple[str, str]] = {
        State.COLLISION: ("error", "more collision"),
        State.UPDATE: ("warning", "more difference"),
        State.STRAY: ("warning", "more stray"),
    }
    left: dict[State, list[Difference]] = {state: [] for state in kinds}
    for change in plan.everything:
        if change.is_drift and (report.result(change) is None or not change.is_mended):
            left[change.state if change.state in kinds else State.UPDATE].append(change)
    lines = []
    for state, (kind, noun) in kinds.items():
        told, more = wording.few(left[state], _MOST)
        lines += [_annotation(report, kind, change) for change in told]
        if more:
            text = f"and {wording.count(more, noun)}"
            lines.append(_command(kind, text, file=report.catalog, line=1, title="Drift"))
    return lines


def _annotation(report: Report, kind: str, change: Difference) -> str:
    word = wording.relation(change)
    parts = [
        f"{item.label}: {'the text differs' if item.prompts else shown(wording.field_change(item), 200)}"
        for item in change.deviations
    ]
    detail = "; ".join([*parts, *([change.reason] if change.reason else [])])
    message = f"{change.name or change.key} ({change.key}): {word}" + (f": {detail}" if detail else "")
    return _command(kind, message, **_place(report, change), title=f"{change.thing.capitalize()} {word}")


def _place(report: Report, change: Difference) -> dict[str, object]:
    """Where the catalog has the first field that differs, else the thing; its first line for a stray."""
    at = next((item for item in change.deviations if item.line), change)
    return {"file": report.catalog, "line": at.line or 1, "col": at.column}
