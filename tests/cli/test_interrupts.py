"""Ctrl-C, SIGTERM and SIGHUP at any moment: running requests are finished, and the report is written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.proxy import Hold, Proxy, Stall, every, open_proxy

from .conftest import SECRET, Service, entry, personas, write_catalog

LIST = "/api/v1/admin/personas"
MANY = [f"p{number:02}" for number in range(30)]


@contextmanager
def running(proxy: Proxy, service: Service, *args: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "personas", *args, "--auth", proxy.url, "--jwt", service.at[3]]
    env = {"PATH": os.environ["PATH"], "PERSONA_SEED_SECRET": SECRET}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (("seed",), signal.SIGTERM),
        (("cleanup", "--yes"), signal.SIGHUP),
        (("show", "ada"), signal.SIGINT),
    ],
)
def test_a_signal_before_the_first_change_ends_at_once(
    seeded: Service, command: tuple[str, ...], number: signal.Signals
) -> None:
    with open_proxy(seeded.url) as proxy:
        proxy.script = every(Stall(), path=LIST)
        with running(proxy, seeded, *command, "--report", "r.json") as process:
            proxy.wait_for(lambda: proxy.count("GET", LIST) > 0)
            process.send_signal(number)
            _, err = process.communicate(timeout=20)
    assert (process.returncode, "Nothing was changed." in err) == (130, True)
    document = json.loads(Path("r.json").read_text("utf-8"))
    assert (document["interrupted"], document["exitCode"]) == (True, 130)
    assert len(seeded.emails) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_changes_finishes_running_requests_and_reports(
    service: Service, number: signal.Signals
) -> None:
    write_catalog(*map(entry, MANY))
    go_on = threading.Event()
    with open_proxy(service.url) as proxy:
        proxy.script = every(Hold(go_on), method="POST", path=LIST)
        with running(proxy, service, "seed", "-o", "json", "--report", "r.json") as process:
            proxy.wait_for(lambda: proxy.count("POST", LIST) >= 8)
            process.send_signal(number)
            assert process.stderr is not None
            assert process.stderr.readline().startswith("Interrupted. Finishing running requests")
            go_on.set()
            out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    results = Counter(outcome["result"] for outcome in json.loads(out)["outcomes"])
    assert results == {"done": 8, "skipped": 22}
    assert len(service.emails) == 8
    assert json.loads(Path("r.json").read_text("utf-8"))["outcomes"] == json.loads(out)["outcomes"]
    # Every run can be repeated.
    assert personas("seed", *service.at).code == 0
    assert len(service.emails) == 30


def test_a_second_signal_aborts_and_what_was_running_is_unknown(service: Service) -> None:
    write_catalog(*map(entry, MANY))
    with open_proxy(service.url) as proxy:
        proxy.script = every(Stall(forward=True), method="POST", path=LIST)
        with running(proxy, service, "seed", "-o", "json") as process:
            proxy.wait_for(lambda: proxy.count("POST", LIST) >= 8)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert process.stderr.readline().startswith("Interrupted")
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    results = Counter(outcome["result"] for outcome in json.loads(out)["outcomes"])
    assert results == {"unknown": 8, "skipped": 22}


def test_a_signal_that_nohup_ignores_stays_ignored(seeded: Service) -> None:
    go_on = threading.Event()
    with open_proxy(seeded.url) as proxy:
        proxy.script = every(Hold(go_on), method="GET", path=LIST)
        command = [
            "nohup",
            sys.executable,
            "-m",
            "personas",
            "list",
            "--auth",
            proxy.url,
            "--jwt",
            seeded.at[3],
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            proxy.wait_for(lambda: proxy.count("GET", LIST) > 0)
            process.send_signal(signal.SIGHUP)
            go_on.set()
            out, _ = process.communicate(timeout=20)
    assert (process.returncode, "3 personas" in out) == (0, True)


def test_ctrl_c_while_the_program_loads_is_no_traceback(folder: Path) -> None:
    # Loading is over in a moment; this stands in for a key that is pressed in it.
    (folder / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "personas", "list"],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
