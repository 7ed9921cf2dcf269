from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from .conftest import personas


@contextmanager
def serving(*options: str) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """Run `personas serve`; gives what it printed, by first word."""
    command = [sys.executable, "-m", "personas", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed: dict[str, str] = {}
        while "listening" not in printed:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            word, _, rest = line.strip().partition(" ")
            printed[word] = rest.removeprefix("on ")
        try:
            yield printed, process
        finally:
            process.kill()


def test_serve_prints_what_clients_need_and_ends_on_ctrl_c() -> None:
    Path("admin.txt").write_text("a-password-of-a-file\n", "utf-8")
    with serving("--admin-password-file", "admin.txt") as (printed, process):
        assert list(printed) == ["admin", "database", "listening"]
        assert httpx.get(f"{printed['listening']}/health", trust_env=False).status_code == 200
        env = {"MANA_ADMIN_EMAIL": printed["admin"], "MANA_ADMIN_PASSWORD": "a-password-of-a-file"}
        assert personas("token", "--auth", printed["listening"], **env).code == 0
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    # Its database is also that of the service in process.
    assert personas("list", "--auth", "embedded").code == 0


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--host", "0.0.0.0"), 2, "base"),
        (("--host", "no-such-host.invalid"), 2, "cannot listen"),
        (("--admin-password-file", "missing.txt"), 2, "missing.txt"),
        (("--database", "catalog.json"), 2, "database"),
        (("--database", "catalog.json", "--reset"), 5, "Add --yes"),
    ],
)
def test_serve_refuses_what_cannot_work(options: tuple[str, ...], code: int, text: str) -> None:
    result = personas("serve", "--port", "0", *options)
    assert (result.code, result.out, text in result.err) == (code, "", True)
    assert Path("catalog.json").read_text("utf-8").startswith("{")


def test_reset_is_refused_in_production() -> None:
    result = personas("serve", "--reset", "--yes", NODE_ENV="production")
    assert (result.code, "production" in result.err) == (5, True)
