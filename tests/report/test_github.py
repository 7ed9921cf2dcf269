from __future__ import annotations

from pathlib import Path

import pytest

from personas import Action, Problem, Status
from personas.report.document import Report
from personas.report.markdown import GithubOutput, to_github, to_markdown

from .scenarios import CHANGES, HOSTILE, PERSONAS, SCENARIOS, change, foreign, plan, report

_ROOT = Path("/repository")


def _github(shown: Report, folder: str = "/repository") -> GithubOutput:
    return to_github(shown, workspace=_ROOT, folder=Path(folder))


@pytest.mark.parametrize(
    ("file", "folder", "shown"),
    [
        ("catalog.json", "/repository", "file=catalog.json,line=7,col=2"),
        ("./catalog.json", "/repository", "file=catalog.json,line=7,col=2"),
        ("catalog.json", "/repository/sub", "file=sub/catalog.json,line=7,col=2"),
        ("../a/b.json", "/repository/sub", "file=a/b.json,line=7,col=2"),
        ("/repository/a: b,c%.json", "/", "file=a%3A b%2Cc%25.json,line=7,col=2"),
        ("../catalog.json", "/repository", ""),
        ("/elsewhere/catalog.json", "/repository", ""),
        ("<stdin>", "/repository", ""),
    ],
)
def test_files_are_relative_to_the_workspace(file: str, folder: str, shown: str) -> None:
    problem = Problem(file=file, line=7, column=2, path="$", message="50% wrong\nhere")
    annotations = _github(report("validate", problems=(problem,)), folder).annotations
    assert annotations == f"::error{' ' * bool(shown)}{shown}::50%25 wrong\\nhere\n"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("preview", {"notice": 5, "warning": 1}),
        ("seeded", {"error": 1, "warning": 1, "notice": 5}),
        ("conflict", {"error": 1, "notice": 1}),
        ("spaces", {"error": 1, "notice": 2}),
        ("invalid", {"error": 1, "warning": 1}),
        ("unreachable", {"error": 1}),
        ("interrupted", {"warning": 1}),
        ("in-sync", {}),
    ],
)
def test_each_fact_has_its_kind(name: str, kinds: dict[str, int]) -> None:
    lines = _github(SCENARIOS[name]).annotations.splitlines()
    found = [line.removeprefix("::").split(" ")[0].split(":")[0] for line in lines]
    assert {kind: found.count(kind) for kind in set(found)} == kinds


@pytest.mark.parametrize(("code", "kind"), [(0, "notice"), (10, "warning")])
def test_an_update_stands_on_the_line_of_its_first_field(code: int, kind: str) -> None:
    assert _github(report("dry-run", plan=plan(CHANGES[1]), exit_code=code)).annotations == (
        f"::{kind} file=catalog.json,line=9::Anna Brandt (persona.anna@mana.test): update: prompt, weights\n"
    )


@pytest.mark.parametrize(("number", "lines"), [(10, 10), (11, 10), (500, 10)])
def test_of_many_annotations_the_last_counts_the_rest(number: int, lines: int) -> None:
    changes = [change(PERSONAS[0], Status.CREATE, Action.CREATE, key=f"{n}@mana.test") for n in range(number)]
    annotations = _github(report("dry-run", plan=plan(*changes))).annotations.splitlines()
    assert len(annotations) == lines
    rest = f"::notice::and {number - 9} more; the summary lists them"
    assert (annotations[-1] == rest) == (number > 10)


def test_outputs_are_counts_and_a_checksum_of_what_was_compared() -> None:
    preview = SCENARIOS["preview"]
    counts = {"in-sync": 5, "create": 1, "update": 1, "replace": 2, "extra": 1, "conflict": 0, "unknown": 1}
    assert preview.plan
    expected = {name: str(count) for name, count in counts.items()}
    assert _github(preview).outputs == expected | {"changed": "true", "checksum": preview.plan.checksum}
    for name, changed in (("in-sync", "false"), ("conflict", "true"), ("unreachable", "")):
        outputs = _github(SCENARIOS[name]).outputs
        assert outputs["changed"] == changed
        assert bool(outputs["checksum"]) == (name == "in-sync")
        assert bool(outputs["create"]) == bool(changed)


def test_foreign_text_cannot_become_a_command() -> None:
    github = _github(foreign(HOSTILE))
    lines = github.annotations.splitlines()
    assert [line for line in lines if not line.startswith(("::notice", "::error::", "::warning"))] == []
    assert "##[" not in github.annotations
    assert github.summary == to_markdown(foreign(HOSTILE))
    assert all(value.isprintable() for value in github.outputs.values())
