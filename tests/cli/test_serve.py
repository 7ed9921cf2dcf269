from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import personas


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--host", "0.0.0.0"), 2, "base"),
        (("--host", "no-such-host.invalid"), 2, "cannot listen"),
        (("--admin-password-file", "missing.txt"), 2, "missing.txt"),
        (("--database", "catalog.json"), 2, "database"),
        (("--database", "catalog.json", "--reset"), 5, "Add --yes"),
        (("--database", "catalog.json", "--reset", "--yes"), 5, "production"),
    ],
)
def test_serve_refuses_what_cannot_work(options: tuple[str, ...], code: int, text: str) -> None:
    environment = "production" if text == "production" else "test"
    result = personas("serve", "--port", "0", *options, NODE_ENV=environment)
    assert (result.code, result.out, text in result.err) == (code, "", True)
    assert Path("catalog.json").read_text("utf-8").startswith("{")
