"""Every kind of report in every format, as it looked when a person last looked at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from personas.report import Format, render, step_outputs
from personas.report.github import output_lines

from .scenarios import SCENARIOS

if TYPE_CHECKING:
    from .conftest import Golden

SUFFIXES: dict[Format, str] = {"json": "json", "markdown": "md", "github": "github.txt", "junit": "xml"}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("width", [80, 120])
def test_text_looks_as_it_did(name: str, width: int, golden: Golden) -> None:
    golden(f"{name}/text-{width}.txt", render(SCENARIOS[name](), "text", width=width))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("width", [80, 120])
def test_text_in_colour_looks_as_it_did(name: str, width: int, golden: Golden) -> None:
    golden(f"{name}/colour-{width}.ansi", render(SCENARIOS[name](), "text", width=width, color=True))


@pytest.mark.parametrize("name", ["dry-run", "show", "offline"])
def test_text_in_ascii_looks_as_it_did(name: str, golden: Golden) -> None:
    golden(f"{name}/ascii-80.txt", render(SCENARIOS[name](), "text", unicode=False))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("fmt", SUFFIXES)
def test_each_other_format_looks_as_it_did(name: str, fmt: Format, golden: Golden) -> None:
    golden(f"{name}/report.{SUFFIXES[fmt]}", render(SCENARIOS[name](), fmt))


@pytest.mark.parametrize(
    "name", ["dry-run", "in-sync", "invalid", "offline", "partly-failed", "hostile-problems"]
)
def test_step_outputs_look_as_they_did(name: str, golden: Golden) -> None:
    golden(f"{name}/outputs.txt", output_lines(step_outputs(SCENARIOS[name]())))
