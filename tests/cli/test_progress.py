"""What a log is told while a command runs; a terminal has a bar, which test_streams.py shows."""

from __future__ import annotations

import pytest

from personas.cli import progress

from .conftest import Personas


def test_a_log_is_told_how_far_what_lasts_has_come_unless_quiet(
    personas: Personas, at: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "writing" not in personas("seed", *at).err  # done at once
    assert personas("cleanup", *at, "--yes").code == 0
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", -1)
    lines = [line for line in personas("seed", *at).err.splitlines() if line.startswith("writing: ")]
    assert lines == [f"writing: {done} of 3" for done in range(4)]
    assert personas("cleanup", *at, "--yes", "--quiet").err == ""
