"""What the documents say of the code is true of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROMISES = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
FAULTS = ROOT / "tests" / "faults"


def names_in(name: str) -> list[str]:
    return re.findall(
        r"^(?:async )?def (test_\w+)", (FAULTS / name).read_text(encoding="utf-8"), re.MULTILINE
    )


def named() -> list[tuple[str, str]]:
    """Each test that the promises name, with its file; an ellipsis stands for the rest of a name."""
    found = []
    for row in PROMISES.splitlines():
        for part in re.findall(r"`(test_\w+\.py)`(?:: ((?:`[^`]+`(?:, )?)+))?", row):
            found += [(part[0], name) for name in re.findall(r"`([^`]+)`", part[1]) or [""]]
    return found


def test_the_promises_name_every_file_of_fault_tests() -> None:
    assert {file for file, _ in named()} == {path.name for path in FAULTS.glob("test_*.py")}


@pytest.mark.parametrize(("file", "name"), named())
def test_a_test_that_a_promise_names_is_there(file: str, name: str) -> None:
    pattern = ".*".join(re.escape(part) for part in name.split("…"))
    assert any(re.fullmatch(pattern, test) for test in names_in(file)) or not name


def test_the_layout_names_every_module() -> None:
    layout = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    modules = {
        path.name for path in (ROOT / "src" / "personas").glob("*.py") if not path.name.startswith("__")
    }
    assert {name for name in modules if name not in layout} == set()


def test_every_link_within_the_documents_leads_somewhere() -> None:
    dead = [
        f"{page.name}: {target}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 250


def test_every_module_of_the_table_of_changes_is_there() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where do I change")[2]
    named = set(re.findall(r"`((?:[a-z]+/)+[a-z_]+\.py)`", table))
    missing = [
        name
        for name in named
        if not any((root / name).exists() for root in (ROOT, ROOT / "src" / "personas"))
    ]
    assert named
    assert missing == []
