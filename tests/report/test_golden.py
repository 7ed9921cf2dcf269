"""Every kind of report in every format, as it looked when a person last looked at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pictures import picture

from personas.report import Format, output_lines, render, step_outputs

from .scenarios import SCENARIOS

if TYPE_CHECKING:
    from .conftest import Golden

# Of spaces one picture will do: what else there is to say of them is said by tests.
DRAWN = [name for name in SCENARIOS if not name.startswith("spaces-")]
# Other widths and colours for the pages that hold all there is to draw, and formats for programs where they
# differ in shape; what must be in the others is said by tests.
PAGES = ["dry-run", "list", "show", "spaces"]
SHAPES = ["full-list", "hostile-run", "invalid", "offline", "partly-failed", "show", "spaces", "unreachable"]
SUFFIXES: dict[Format, str] = {"json": "json", "github": "github.txt", "junit": "xml"}
# What foreign text becomes in JSON, and that a catalog alone is one with less in it, is said by tests.
SHAPED = [
    (name, fmt)
    for name in SHAPES
    for fmt in SUFFIXES
    if (name, fmt) not in {("hostile-run", "json"), ("offline", "json")}
]


@pytest.mark.parametrize("name", DRAWN)
def test_a_page_looks_as_it_did(name: str, golden: Golden) -> None:
    golden(f"{name}/page.txt", render(SCENARIOS[name](), "text"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [60, 120])
def test_a_page_in_another_width_looks_as_it_did(name: str, width: int, golden: Golden) -> None:
    golden(f"{name}/page-{width}.txt", render(SCENARIOS[name](), "text", width=width))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_colour_looks_as_it_did(name: str, golden: Golden) -> None:
    page = render(SCENARIOS[name](), "text", color=True)
    golden(f"{name}/page.svg", picture(page, title=name))


@pytest.mark.parametrize("name", DRAWN)
def test_markdown_looks_as_it_did(name: str, golden: Golden) -> None:
    golden(f"{name}/report.md", render(SCENARIOS[name](), "markdown"))


@pytest.mark.parametrize(("name", "fmt"), SHAPED)
def test_each_other_format_looks_as_it_did(name: str, fmt: Format, golden: Golden) -> None:
    golden(f"{name}/report.{SUFFIXES[fmt]}", render(SCENARIOS[name](), fmt))


@pytest.mark.parametrize("name", ["dry-run", "hostile-problems", "offline", "spaces"])
def test_step_outputs_look_as_they_did(name: str, golden: Golden) -> None:
    golden(f"{name}/outputs.txt", output_lines(step_outputs(SCENARIOS[name]())))
