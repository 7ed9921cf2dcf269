"""`personas validate`: one catalog or many, from files and from standard input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from making import catalog_json

from .conftest import THREE, Personas

BROKEN = '{"personas": [{"name": ""}]}'


@pytest.fixture
def files(folder: Path, personas: Personas) -> Path:
    """A folder with two valid catalogs, a broken one and a doubtful one."""
    del personas  # writes catalog.json
    (folder / "other.json").write_text(catalog_json(THREE[:1]), "utf-8")
    (folder / "broken.json").write_text(BROKEN, "utf-8")
    doubtful = json.loads(catalog_json(THREE[:1])) | {"descripton": "a typo"}
    (folder / "doubtful.json").write_text(json.dumps(doubtful), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["catalog.json"], 0),
        (["catalog.json", "other.json"], 0),
        (["catalog.json", "doubtful.json"], 0),
        (["catalog.json", "doubtful.json", "--strict"], 3),
        (["catalog.json", "other.json", "--strict"], 0),
        (["doubtful.json", "--strict"], 3),
        (["broken.json", "catalog.json"], 3),
        (["catalog.json", "nowhere.json"], 3),
        (["-c", "other.json"], 0),
        (["-c", "other.json", "catalog.json"], 2),
        ([""], 2),
        (["catalog.json", ""], 2),
        (["-c", ""], 2),
    ],
)
def test_the_exit_code_tells_whether_all_are_valid(
    personas: Personas, files: Path, arguments: list[str], code: int
) -> None:
    del files
    assert personas("validate", *arguments).code == code


def test_the_problems_of_all_of_them_are_told(personas: Personas, files: Path) -> None:
    (files / "more.json").write_text(BROKEN, "utf-8")
    said = personas("validate", "broken.json", "catalog.json", "doubtful.json", "more.json")
    lines = said.out.splitlines()
    for name in ("broken.json", "more.json"):
        assert any(line.startswith(f"{name}:1:") for line in lines), said.out
    assert any(line.startswith("doubtful.json:1:") and "warning" in line for line in lines), said.out
    assert not any(line.startswith("catalog.json:") for line in lines)
    assert "doubtful.json:1:" in personas("validate", "doubtful.json", "--quiet").out


def test_a_catalog_comes_from_standard_input(personas: Personas, files: Path) -> None:
    text = (files / "catalog.json").read_text("utf-8")
    said = personas("validate", "-", stdin=text)
    assert said.code == 0
    assert "3 personas" in said.out
    broken = personas("validate", "other.json", "-", stdin=BROKEN)
    assert broken.code == 3
    assert "<stdin>:1:" in broken.out


def test_a_variable_beside_files_is_no_contradiction(personas: Personas, files: Path) -> None:
    del files
    assert personas("validate", "other.json", env={"PERSONAS_CATALOG": "broken.json"}).code == 0
    assert personas("validate", env={"PERSONAS_CATALOG": "broken.json"}).code == 3
    assert personas("validate", "-c", "other.json", env={"PERSONAS_CATALOG": "broken.json"}).code == 0
    assert personas("validate", env={"PERSONAS_CATALOG": ""}).code == 0


@pytest.mark.parametrize("form", ["json", "github", "junit", "markdown"])
def test_every_format_holds_the_problems_of_every_catalog(personas: Personas, files: Path, form: str) -> None:
    (files / "more.json").write_text(BROKEN, "utf-8")
    said = personas("validate", "broken.json", "more.json", "-o", form)
    assert said.code == 3
    assert "broken.json" in said.out
    assert "more.json" in said.out
