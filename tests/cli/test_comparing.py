"""Where a comparison was asked for and cannot be made: told with what is missing, never as drift."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Served

from .conftest import Personas


@pytest.mark.parametrize(
    "options", [["--fail-on-drift"], ["--quiet"], ["--expect-plan", "0" * 32], ["--online"]], ids=" ".join
)
def test_a_comparison_without_credentials_names_what_is_missing(
    personas: Personas, options: list[str]
) -> None:
    said = personas("dry-run", *options)
    assert (said.code, said.out) == (4, "")
    assert "there are no credentials to compare with http://localhost:3001" in said.err
    for name in ("MANA_ADMIN_JWT", "MANA_ADMIN_EMAIL", "MANA_ADMIN_PASSWORD"):
        assert name in said.err
    # On a runner that is an annotation too.
    said = personas("dry-run", *options, "--output", "github", "--report", "r.json")
    assert said.code == 4
    assert said.out.startswith("::error ")
    assert "no credentials" in said.out
    document = json.loads(Path("r.json").read_text("utf-8"))
    assert document["exitCode"] == 4
    assert "plan" not in document or document["plan"] is None


def test_offline_goes_with_quiet(personas: Personas) -> None:
    assert personas("dry-run", "--offline", "--quiet").code == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--against", "live.json", "--online"], "--against compares with a file"),
        (["--against", "live.json", "--offline"], "--against compares with a file"),
        (["--against", "live.json", "--check-login"], "--against compares with a file"),
        (["--offline", "--fail-on-drift"], "--offline compares nothing"),
        (["--offline", "--expect-plan", "0"], "--offline compares nothing"),
        (["--max-age", "1d"], "--max-age is about the age of a snapshot"),
        (["--against", "live.json", "--max-age", "soon"], "write it as 90m, 12h or 7d"),
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_wrong_usage(personas: Personas, options: list[str], text: str) -> None:
    said = personas("dry-run", *options)
    assert (said.code, said.out) == (2, "")
    assert text in " ".join(said.err.replace("│", " ").split())


def test_several_patterns_mean_their_union(personas: Personas, served: Served, at: tuple[str, ...]) -> None:
    assert "2 created" in personas("seed", *at, "--only", "ada", "--only", "solo-dev").out
    assert served.writes == 2
    said = personas("seed", *at, "--only", "nobody", "--only", "no one")
    assert said.code == 2
    assert "nothing matches --only 'nobody' or 'no one'" in said.err
