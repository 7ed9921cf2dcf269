"""Measure the tool beside a plain script, on the same machine and the same service.

Times are the best of several rounds, in turns, so that a busy machine slows both. Nothing fails here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
PERSONAS = str(Path(sys.executable).parent / "personas")

LOAD_AND_PLAN = """
import resource, sys, time
from datetime import UTC, datetime
from personas import LivePersona, LiveState, load_catalog, make_plan
start = time.process_time()
catalog = load_catalog(sys.argv[1])
live = LiveState(
    taken_at=datetime.now(UTC), service="", scope=catalog.scope.patterns,
    personas=tuple(
        LivePersona(user_id=str(i), email=p.email, name=p.name, archetype=p.archetype,
            tick_cadence=str(p.tick_cadence), system_prompt=p.system_prompt, module_mix=p.module_mix)
        for i, p in enumerate(catalog.personas)
    ),
)
assert not make_plan(catalog, live).drift
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts(folder)
        ten(folder)
        first_seed(folder)
        seed_again(folder)
        cleanup(folder)
        load_and_plan(folder)


def starts(folder: Path) -> None:
    """Seconds of commands that need no service."""
    catalog = write_catalog(folder, 10)
    show("--help", best(lambda: run(PERSONAS, "--help"), 9), 0.25, "s")
    show("validate", best(lambda: run(PERSONAS, "validate", str(catalog)), 5), 0.45, "s")
    show("password", best(lambda: run(PERSONAS, "password", "p000001", "-c", str(catalog)), 5), 0.45, "s")


def ten(folder: Path) -> None:
    """Ten personas: requests of the first seed and of the next, and seconds of commands."""
    catalog = write_catalog(folder, 10)
    with service(folder) as (url, token):
        seed = (*command("seed", catalog, url, token), "-o", "json")
        show("seed of 10", json.loads(run(*seed))["requests"], 12, "requests")
        show("seed of 10 again", json.loads(run(*seed))["requests"], 15, "requests")
        for name, limit in (("seed", 0.6), ("dry-run", 0.6), ("list", 0.45), ("cleanup --dry-run", 0.45)):
            words = command(name, catalog, url, token)
            show(f"{name}, 10 in sync", best(lambda words=words: run(*words), 7), limit, "s")  # type: ignore[misc]  # mypy cannot infer a lambda's default


def first_seed(folder: Path) -> None:
    catalog = write_catalog(folder, 200)
    tool, script = [], []
    for _ in range(3):
        with service(folder) as (url, token):
            tool.append(seconds(lambda: run(*command("seed", catalog, url, token))))
        with service(folder) as (url, token):
            script.append(seconds(lambda: run(*plain("seed", catalog, url, token))))
    compare("first seed of 200", min(tool), min(script), 0.53)


def seed_again(folder: Path) -> None:
    catalog = write_catalog(folder, 2000)
    with service(folder) as (url, token):
        run(*command("seed", catalog, url, token))
        tool, script = [], []
        for _ in range(3):
            tool.append(seconds(lambda: run(*command("seed", catalog, url, token))))
            script.append(seconds(lambda: run(*plain("seed", catalog, url, token))))
    compare("seed again of 2,000", min(tool), min(script), 0.75)


def cleanup(folder: Path) -> None:
    catalog = write_catalog(folder, 200)
    with service(folder) as (url, token):
        run(*command("seed", catalog, url, token))
        report = json.loads(run(*command("cleanup", catalog, url, token), "--yes", "-o", "json"))
    show("cleanup of 200", report["requests"], 201, "requests")


def load_and_plan(folder: Path) -> None:
    """Seconds of CPU must grow as the number of personas does."""
    for number in (2_500, 10_000):
        catalog = write_catalog(folder, number)
        cpu, memory = map(float, run(sys.executable, "-c", LOAD_AND_PLAN, str(catalog)).split())
        show(f"load and plan {number:,}", memory, 250, "MiB")
        show("  CPU per 1,000", cpu / number * 1000, None, "s")


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the embedded service on a free port with a new database; yield its URL and an admin's token."""
    database = folder / f"{time.monotonic_ns()}.db"
    arguments = [PERSONAS, "serve", "--port", "0", "--database", str(database)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            lines = iter(process.stdout or ())
            url = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
            yield url, run(PERSONAS, "token", "--auth", f"embedded:{database}").strip()
        finally:
            process.terminate()


def write_catalog(folder: Path, number: int) -> Path:
    path = folder / f"catalog-{number}.json"
    personas = [
        {
            "name": f"Persona {i}",
            "email": f"persona.p{i:06}@mana.test",
            "archetype": "solo-dev",
            "systemPrompt": f"You are persona {i}, and you keep short notes of everything you do.",
            "moduleMix": {"todo": 0.3, "notes": 0.7},
            "tickCadence": "daily",
        }
        for i in range(number)
    ]
    path.write_text(json.dumps({"personas": personas}), encoding="utf-8")
    return path


def command(name: str, catalog: Path, url: str, token: str) -> tuple[str, ...]:
    yes = ("--yes",) if name == "cleanup" else ()
    return (PERSONAS, *name.split(), "-c", str(catalog), "--auth", url, "--jwt", token, *yes)


def plain(what: str, catalog: Path, url: str, token: str) -> tuple[str, ...]:
    return (sys.executable, str(HERE / "baseline.py"), what, str(catalog), url, token)


def run(*words: str) -> str:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251 - for programs
    done = subprocess.run(words, capture_output=True, text=True, env=environ, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words[:4])}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best(work: Callable[[], object], rounds: int) -> float:
    return min(seconds(work) for _ in range(rounds))


def compare(what: str, tool: float, script: float, limit: float) -> None:
    show(f"{what} ({tool:.2f} s, script {script:.2f} s)", tool / script, limit, "x")


def show(what: str, value: float, limit: float | None, unit: str) -> None:
    number = f"{value:.0f}" if unit in {"requests", "MiB"} else f"{value:.3f}"
    mark = "" if limit is None else f"≤ {limit:g}{'' if value <= limit else '   exceeded'}"
    print(f"{what:<52} {number:>8} {unit:<9} {mark}", flush=True)


if __name__ == "__main__":
    main()
