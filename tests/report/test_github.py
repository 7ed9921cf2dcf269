from __future__ import annotations

import pytest

from personas.report import Report, step_outputs

from . import scenarios
from .reading import Command, obeyed


def errors(report: Report) -> list[Command]:
    return [command for command in obeyed(report) if command.kind == "error"]


def test_drift_is_a_warning_on_the_line_of_the_field_and_a_stray_on_the_first() -> None:
    lines = scenarios.catalog_text().splitlines()
    commands = {command.data.split(" (")[0]: command for command in obeyed(scenarios.dry_run())}
    anna, stray = commands["Anna Becker"], commands["Old Otto"]
    assert anna.kind == stray.kind == "warning"
    assert '"systemPrompt": "You are Anna' in lines[int(anna.properties["line"]) - 1]
    assert '"archetype": "ceo-busy"' in lines[int(commands["Ben Okafor"].properties["line"]) - 1]
    assert (stray.properties["file"], stray.properties["line"]) == ("catalog.json", "1")


def test_a_collision_is_an_error() -> None:
    (collision,) = errors(scenarios.dry_run())
    assert collision.properties["title"] == "Persona collision"
    assert collision.data.startswith("Gustav Lind (")


def test_at_most_ten_of_a_kind_are_told_and_the_rest_is_summed_up() -> None:
    drift = [command for command in obeyed(scenarios.large(200)) if command.kind == "warning"]
    assert (len(drift), drift[-1].data) == (10, "and 191 more differences")
    problems = errors(scenarios.many_problems(25))
    assert (len(problems), problems[-1].data) == (10, "and 16 more problems")
    assert errors(scenarios.many_problems(10))[-1].data == "problem 9"


def test_what_a_run_has_done_is_no_drift_any_more() -> None:
    assert [command.kind for command in obeyed(scenarios.seeded())] == ["notice"]


def test_an_update_that_leaves_the_name_is_still_drift() -> None:
    (warning, _notice) = obeyed(scenarios.half_mended())
    assert (warning.kind, warning.properties["title"]) == ("warning", "Persona differs")


@pytest.mark.parametrize(("age", "warned"), [(3_600.0, False), (93_784.0, True)])
def test_a_snapshot_older_than_a_day_is_a_warning(age: float, warned: bool) -> None:
    titles = [command.properties["title"] for command in obeyed(scenarios.dry_run(snapshot_age=age))]
    assert ("Old snapshot" in titles) is warned


def test_values_are_escaped_as_the_runner_reads_them() -> None:
    (command, *_rest) = obeyed(scenarios.hostile_problems("50% a:b,c\r\n::stop-commands::x"))
    assert command.properties["file"] == "50% a:b,c\\r\\n::stop-commands::x"
    assert command.data == "50% a:b,c\\r\\n::stop-commands::x"


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (scenarios.sync(), {"changed": "false", "in-sync": "10", "exit-code": "0", "valid": "true"}),
        (scenarios.seeded(), {"changed": "true", "create": "3"}),
        (scenarios.offline(), {"changed": "", "create": "", "checksum": "", "space-create": ""}),
        (scenarios.cleanup_blind(), {"changed": "", "stray": "", "checksum": "", "valid": ""}),
        (scenarios.invalid(), {"changed": "", "exit-code": "3", "valid": "false"}),
    ],
)
def test_outputs_tell_counts_and_whether_anything_changes(report: Report, expected: dict[str, str]) -> None:
    told = step_outputs(report)
    assert {name: told[name] for name in expected} == expected
