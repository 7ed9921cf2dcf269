from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given, settings

from personas.report import output_lines, render, step_outputs

from . import scenarios
from .scenarios import SCENARIOS
from .strategies import foreign_texts


@dataclass
class Command:
    kind: str
    properties: dict[str, str]
    data: str


def obeyed(text: str) -> list[Command]:
    """What a runner makes of standard output: lines at any line break, commands where it looks for them."""
    commands = []
    for line in re.split(r"\r\n|\r|\n", text):
        assert "##[" not in line
        stripped = line.strip()
        if not stripped:
            continue
        assert stripped.startswith("::"), f"no command: {line!r}"
        head, _, data = stripped[2:].partition("::")
        kind, _, given_properties = head.partition(" ")
        properties = dict(item.split("=", 1) for item in given_properties.split(",") if item)
        commands.append(
            Command(
                kind,
                {key: unescaped(value, inside=True) for key, value in properties.items()},
                unescaped(data),
            )
        )
    return commands


def unescaped(text: str, *, inside: bool = False) -> str:
    pairs = [("%0D", "\r"), ("%0A", "\n"), *([("%3A", ":"), ("%2C", ",")] if inside else []), ("%25", "%")]
    for code, char in pairs:
        text = text.replace(code, char)
    return text


def outputs(text: str) -> dict[str, str]:
    """What a runner makes of the output file: `name=value` lines; `name<<END` would begin a long value."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        assert equals
        assert "<<" not in name
        found[name] = value
    return found


def test_problems_are_errors_on_their_lines() -> None:
    first, second, third, notice = obeyed(render(scenarios.invalid(), "github"))
    assert first.kind == second.kind == third.kind == "error"
    assert (first.properties["file"], first.properties["line"], first.properties["col"]) == (
        "catalog.json",
        "5",
        "16",
    )
    assert notice.kind == "notice"
    assert notice.data == "3 problems"


def test_drift_is_a_warning_on_the_line_of_the_field_and_a_stray_on_the_first() -> None:
    lines = scenarios.catalog_text().splitlines()
    commands = {
        command.data.split(" (")[0]: command for command in obeyed(render(scenarios.dry_run(), "github"))
    }
    anna, stray = commands["Anna Becker"], commands["Old Otto"]
    assert anna.kind == "warning"
    assert '"systemPrompt": "You are Anna' in lines[int(anna.properties["line"]) - 1]
    assert '"archetype": "ceo-busy"' in lines[int(commands["Ben Okafor"].properties["line"]) - 1]
    assert stray.kind == "warning"
    assert stray.properties["line"] == "1"
    assert stray.properties["file"] == "catalog.json"


def test_a_collision_is_an_error() -> None:
    collisions = [
        c for c in obeyed(render(scenarios.dry_run(), "github")) if "collision" in c.properties["title"]
    ]
    assert [(c.kind, c.data.split(" (")[0]) for c in collisions] == [("error", "Gustav Lind")]


def test_at_most_ten_of_a_kind_are_told_and_the_rest_is_summed_up() -> None:
    drift = [c for c in obeyed(render(scenarios.large(200), "github")) if c.kind == "warning"]
    assert len(drift) == 10
    assert drift[-1].data == "and 191 more differences"
    problems = [c for c in obeyed(render(scenarios.many_problems(25), "github")) if c.kind == "error"]
    assert len(problems) == 10
    assert problems[-1].data == "and 16 more problems"
    exact = [c for c in obeyed(render(scenarios.many_problems(10), "github")) if c.kind == "error"]
    assert exact[-1].data == "problem 9"


def test_what_a_run_has_done_is_no_drift_any_more_and_what_failed_is_an_error() -> None:
    assert [c.kind for c in obeyed(render(scenarios.seeded(), "github"))] == ["notice"]
    failed = [
        c
        for c in obeyed(render(scenarios.partly_failed(), "github"))
        if c.properties["title"] == "Persona failed"
    ]
    assert [c.kind for c in failed] == ["error"]
    assert "the service answered 500" in failed[0].data


def test_an_update_that_leaves_the_name_is_still_drift() -> None:
    (warning, _notice) = obeyed(render(scenarios.half_mended(), "github"))
    assert (warning.kind, warning.properties["title"]) == ("warning", "Persona differs")


def test_values_are_escaped_as_the_runner_reads_them() -> None:
    (command, *_rest) = obeyed(
        render(scenarios.hostile_problems("50% a:b,c\r\n::stop-commands::x"), "github")
    )
    assert command.properties["file"] == "50% a:b,c\\r\\n::stop-commands::x"
    assert command.data == "50% a:b,c\\r\\n::stop-commands::x"


def test_outputs_tell_counts_checksum_and_whether_anything_changes() -> None:
    report = scenarios.dry_run()
    assert report.plan is not None
    told = step_outputs(report)
    wanted = {"changed": "true", "create": "1", "update": "2", "stray": "1", "checksum": report.plan.checksum}
    assert {key: told[key] for key in wanted} == wanted
    assert step_outputs(scenarios.sync())["changed"] == "false"
    assert step_outputs(scenarios.seeded())["changed"] == "true"
    assert {step_outputs(scenarios.offline())[key] for key in wanted} == {""}
    assert step_outputs(scenarios.invalid())["changed"] == ""
    assert step_outputs(scenarios.invalid())["exit-code"] == "3"


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_report_is_nothing_but_annotations_and_as_many_outputs(name: str) -> None:
    report = SCENARIOS[name]()
    assert {command.kind for command in obeyed(render(report, "github"))} <= {"error", "warning", "notice"}
    assert outputs(output_lines(step_outputs(report))) == step_outputs(report)


@settings(max_examples=40, deadline=None)
@given(foreign_texts)
def test_no_foreign_text_can_give_the_runner_a_command_or_an_output(foreign: str) -> None:
    for make in scenarios.HOSTILE_KINDS:
        report = make(foreign)
        text = render(report, "github")
        text.encode("utf-8")
        assert {command.kind for command in obeyed(text)} <= {"error", "warning", "notice"}
        assert all(set(c.properties) <= {"file", "line", "col", "title"} for c in obeyed(text))
    assert set(outputs(output_lines({"verdict": foreign}))) == {"verdict"}
