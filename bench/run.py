"""Measure the tool beside a plain script, on the same machine and the same service, as ratios.

Each number is the best of several rounds. A ratio above its limit is marked; nothing fails.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
PERSONAS = str(Path(sys.executable).parent / "personas")
PYTHON = sys.executable


def main() -> None:
    print(f"{'what':<44} {'tool':>9} {'beside':>9} {'ratio':>7} {'limit':>7}")
    with tempfile.TemporaryDirectory() as folder:
        help_beside_python()
        for number, limit in ((10, 0.7), (200, 0.52)):
            first_seed(Path(folder), number, limit)
        for number, limit in ((200, 0.95), (2000, 0.8)):
            seed_again(Path(folder), number, limit)
        plan_of_100_000(Path(folder))
    reports()


def help_beside_python() -> None:
    tool, beside = side_by_side(lambda: run(PERSONAS, "--help"), lambda: run(PYTHON, "-c", "pass"), rounds=15)
    show("--help beside python -c pass", tool, beside, 8)


def first_seed(folder: Path, number: int, limit: float) -> None:
    catalog = write_catalog(folder, number)
    times: dict[str, list[float]] = {"tool": [], "beside": []}
    for _ in range(5 if number < 100 else 1):
        for who, times_of in times.items():
            with service(folder) as (url, token):
                times_of.append(seconds(seeder(who, catalog, url, token)))
    show(f"first seed of {number}", min(times["tool"]), min(times["beside"]), limit)


def seed_again(folder: Path, number: int, limit: float) -> None:
    catalog = write_catalog(folder, number)
    with service(folder) as (url, token):
        run(*seed(catalog, url, token))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        best(seeder("tool", catalog, url, token), rounds=3)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        tool, beside = side_by_side(
            seeder("tool", catalog, url, token), seeder("beside", catalog, url, token), rounds=3
        )
        one = write_catalog(folder, 1)
        started = resource.getrusage(resource.RUSAGE_CHILDREN)
        best(seeder("tool", one, url, token), rounds=3)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    show(f"seed again of {number}", tool, beside, limit)
    each = (cpu(before, after) - cpu(started, ended)) / 3 / number * 1000
    print(f"{'  the tool’s own CPU for each persona':<44} {each:>6.2f} ms {'':>17} {1.5:>4.1f} ms")


def cpu(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def plan_of_100_000(folder: Path) -> None:
    for number in (25_000, 100_000):
        catalog = write_catalog(folder, number)
        script = (
            "import resource, sys, time\n"
            "start = time.process_time()\n"
            "from personas.catalog.reading import load_catalog\n"
            "from personas.reconcile.live import Live\n"
            "from personas.service.models import LivePersona\n"
            "from personas.reconcile.plan import plan\n"
            "loaded = load_catalog(sys.argv[1])\n"
            "catalog = loaded.personas\n"
            "live = Live(personas=tuple(\n"
            "  LivePersona(\n"
            "    user_id=str(i), email=p.email, name=p.name, archetype=p.archetype,\n"
            "    tick_cadence=p.tick_cadence.value, system_prompt=p.system_prompt, module_mix=p.module_mix\n"
            "  )\n"
            "  for i, p in enumerate(catalog)))\n"
            "made = plan(loaded, live)\n"
            "assert made.in_sync\n"
            "print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
        )
        done = subprocess.run(
            [PYTHON, "-c", script, str(catalog)], capture_output=True, text=True, check=True
        )
        cpu, peak = (float(text) for text in done.stdout.split())
        print(
            f"{f'load and plan {number:,} personas':<44} {cpu:>7.2f} s {peak:>5.0f} MiB {'':>7} {600:>3} MiB"
        )


def reports() -> None:
    script = (
        "import sys, time\n"
        "from personas.reconcile.live import Live\n"
        "from personas.service.models import LivePersona\n"
        "from personas.reconcile.plan import plan\n"
        "from personas.report import Report, render\n"
        "number = int(sys.argv[2])\n"
        "names = [f'p{i}' for i in range(number)]\n"
        "live = Live(tuple(\n"
        "  LivePersona(user_id=n, email=f'{n}@mana.test', name=n, archetype='solo-dev') for n in names))\n"
        "report = Report('list', '0', plan=plan(None, live))\n"
        "start = time.process_time()\n"
        "render(report, sys.argv[1])\n"
        "print(time.process_time() - start)\n"
    )
    for fmt in ("text", "json", "markdown", "github", "junit"):
        few, many = (float(run(PYTHON, "-c", script, fmt, str(number))) for number in (1_000, 8_000))
        show(f"8,000 personas as {fmt} beside 1,000", many, few, 12)


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, str]]:
    """The embedded service on a free port, with a fresh database."""
    database = folder / f"{time.monotonic_ns()}.db"
    process = subprocess.Popen(
        [PERSONAS, "serve", "--port", "0", "--database", str(database)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = next(
            word for line in process.stdout or () for word in line.split() if word.startswith("http://")
        )
        token = run(PERSONAS, "token", "--auth", f"embedded:{database}").strip()
        yield url.rstrip("/.,"), token
    finally:
        process.terminate()
        process.wait(10)


def write_catalog(folder: Path, number: int) -> Path:
    path = folder / f"catalog-{number}.json"
    personas = [
        {
            "name": f"Persona {i}",
            "email": f"persona.p{i:06}@mana.test",
            "archetype": "solo-dev",
            "systemPrompt": f"You are persona {i}, and you keep short notes of all you did.",
            "moduleMix": {"todo": 0.3, "notes": 0.7},
            "tickCadence": "daily",
        }
        for i in range(number)
    ]
    path.write_text(json.dumps({"personas": personas}), encoding="utf-8")
    return path


def seeder(who: str, catalog: Path, url: str, token: str) -> Callable[[], object]:
    if who == "tool":
        return lambda: run(*seed(catalog, url, token))
    return lambda: run(PYTHON, str(HERE / "baseline.py"), str(catalog), url, token)


def seed(catalog: Path, url: str, token: str) -> tuple[str, ...]:
    return (PERSONAS, "seed", "-c", str(catalog), "--auth", url, "--jwt", token, "--quiet")


def run(*command: str) -> str:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251 - a program
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best(work: Callable[[], object], *, rounds: int) -> float:
    return min(seconds(work) for _ in range(rounds))


def side_by_side(
    tool: Callable[[], object], beside: Callable[[], object], *, rounds: int
) -> tuple[float, float]:
    """The best of each, taken in turns: whatever slows the machine slows both."""
    times = [(seconds(tool), seconds(beside)) for _ in range(rounds)]
    return min(time for time, _ in times), min(time for _, time in times)


def show(what: str, tool: float, beside: float, limit: float) -> None:
    ratio = tool / beside
    mark = "" if ratio <= limit else "  above the limit"
    print(f"{what:<44} {tool:>7.3f} s {beside:>7.3f} s {ratio:>7.2f} {limit:>7.2f}{mark}", flush=True)


if __name__ == "__main__":
    main()
