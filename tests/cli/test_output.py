from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import run

from .conftest import SECRET, Service, entry, personas, write_catalog


def test_reports_are_written_also_when_the_run_fails(seeded: Service) -> None:
    names = ["r.json", "r.md", "r.txt"]
    options = [option for name in names for option in ("--report", name)]
    for code, command in (
        (0, ["dry-run", *seeded.at]),
        (2, ["seed", "--auth", "x"]),
        (3, ["validate", "missing.json"]),
        (4, ["list", "--auth", "https://auth.example.test"]),
        (5, ["cleanup", *seeded.at]),
    ):
        result = personas(*command, *options, "-o", "json")
        assert (result.code, result.json["exitCode"], result.json["command"]) == (code, code, command[0])
        assert json.loads(Path("r.json").read_text("utf-8")) == result.json
        assert all(Path(name).read_text("utf-8").strip() for name in names)
        for name in names:
            Path(name).unlink()


def test_a_report_is_written_in_place_and_keeps_mode_and_symlink() -> None:
    Path("real.json").write_text("old", "utf-8")
    Path("real.json").chmod(0o640)
    Path("link.json").symlink_to("real.json")
    before = Path("real.json").stat()
    assert personas("validate", "--report", "link.json").code == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("real.json").read_text("utf-8"))["command"] == "validate"
    after = Path("real.json").stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert sorted(path.name for path in Path().iterdir()) == ["catalog.json", "link.json", "real.json"]


def test_text_keeps_to_the_width_and_has_colours_where_they_are_wanted(seeded: Service) -> None:
    write_catalog(entry("ada", archetype="a long archetype " * 8), entry("bo"), entry("eve"))
    for command in (["dry-run", *seeded.at], ["list", *seeded.at], ["show", "ada", *seeded.at], ["validate"]):
        for columns in (60, 80, 120):
            out = personas(*command, COLUMNS=str(columns)).out
            assert max(len(line) for line in out.splitlines()) <= columns, out
    coloured = [
        "\x1b[" in personas("dry-run", *seeded.at, **env).out
        for env in ({}, {"FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "NO_COLOR": "1"})
    ]
    assert coloured == [False, True, False]


def test_quiet_keeps_drift_and_warnings(seeded: Service) -> None:
    write_catalog(entry("ada", extra=1))
    result = personas("dry-run", *seeded.at, "-q")
    assert "2 extra" in result.out
    assert "catalog.json:13:" in result.err


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "GITHUB_OUTPUT"])
def test_unusable_variable_of_github_is_named(variable: str) -> None:
    result = personas("validate", "-o", "github", **{variable: "a\x07b"})
    assert (result.code, f"{variable} contains a control character" in result.err) == (2, True)


@pytest.mark.parametrize("verbose", [False, True])
def test_a_bug_is_exit_code_1_without_secrets(verbose: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"unexpected {SECRET}")

    monkeypatch.setattr("personas.cli.flow.make_plan", fail)
    options = ("-v",) if verbose else ()
    result = run("seed", "--auth", "embedded", *options, "-o", "json")
    assert (result.code, "This is a bug in personas: RuntimeError." in result.err) == (1, True)
    assert ("Traceback" in result.err) == verbose
    assert SECRET not in result.out + result.err
    assert result.json["exitCode"] == 1
