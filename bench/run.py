"""Measure the tool beside a plain script, on the same machine and the same service, as ratios.

Each number is the best of several rounds. A ratio above its limit is marked; nothing fails.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from personas.embedded import Embedded, serving

HERE = Path(__file__).resolve().parent
PERSONAS = str(Path(sys.executable).parent / "personas")
PYTHON = sys.executable


def main() -> None:
    print(f"{'what':<44} {'tool':>9} {'beside':>9} {'ratio':>7} {'limit':>7}")
    with tempfile.TemporaryDirectory() as folder:
        starts(Path(folder))
        first_seed(Path(folder), 200, 0.52)
        seed_again(Path(folder), 2000, 0.8)
        cleanup(Path(folder), 200, 1.3)
        spaces(Path(folder))
        plan_of_100_000(Path(folder))
        creating_beside_hashing(Path(folder))
        list_of_10_000(Path(folder))
    reports()


def starts(folder: Path) -> None:
    """What a start costs, in seconds: beside it, a bare Python."""
    tool, beside = side_by_side(lambda: run(PERSONAS, "--help"), lambda: run(PYTHON, "-c", "pass"), rounds=15)
    show_seconds("--help", tool, beside, 0.25)
    catalog = write_catalog(folder, 10)
    with service(folder) as (url, token):
        run(*seed(catalog, url, token))
        tool, beside = side_by_side(
            worker("tool", "seed", catalog, url, token), lambda: run(PYTHON, "-c", "pass"), rounds=9
        )
    show_seconds("seed again of 10", tool, beside, 0.5)


def first_seed(folder: Path, number: int, limit: float) -> None:
    """Beside a plain script, one call after the other, and beside the least on the tool's libraries."""
    catalog = write_catalog(folder, number)
    times: dict[str, list[float]] = {"tool": [], "beside": [], "least": []}
    for _ in range(3):
        for who, times_of in times.items():
            with service(folder) as (url, token):
                times_of.append(seconds(worker(who, "seed", catalog, url, token)))
    show_three(f"first seed of {number}", times, limit)


def seed_again(folder: Path, number: int, limit: float) -> None:
    catalog = write_catalog(folder, number)
    with service(folder) as (url, token):
        run(*seed(catalog, url, token))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        best(worker("tool", "seed", catalog, url, token), rounds=3)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        tool, beside = side_by_side(
            worker("tool", "seed", catalog, url, token),
            worker("beside", "seed", catalog, url, token),
            rounds=3,
        )
        one = write_catalog(folder, 1)
        started = resource.getrusage(resource.RUSAGE_CHILDREN)
        best(worker("tool", "seed", one, url, token), rounds=3)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    show(f"seed again of {number}", tool, beside, limit)
    each = (cpu(before, after) - cpu(started, ended)) / 3 / number * 1000
    print(f"{'  the tool’s own CPU for each persona':<44} {each:>6.2f} ms {'':>17} {1.5:>4.1f} ms")


def cleanup(folder: Path, number: int, limit: float) -> None:
    """Likewise; and where a deletion takes 4 ms."""
    catalog = write_catalog(folder, number)
    for seconds_each in (0.0, 0.004):
        times: dict[str, list[float]] = {"tool": [], "beside": [], "least": []}
        for _ in range(5):
            for who, times_of in times.items():
                with slow_service(folder, seconds_each) as (url, token):
                    run(*seed(catalog, url, token))
                    times_of.append(seconds(worker(who, "cleanup", catalog, url, token)))
        what = f"cleanup of {number}" + (", 4 ms a deletion" if seconds_each else "")
        show_three(what, times, limit)


def spaces(folder: Path) -> None:
    """Ten personas in five spaces beside the same ten without: seeding them, and finding them in sync."""
    catalogs = {"tool": write_catalog(folder, 10, pairs=True), "beside": write_catalog(folder, 10)}
    first: dict[str, list[float]] = {who: [] for who in catalogs}
    again: dict[str, list[float]] = {who: [] for who in catalogs}
    for _ in range(5):
        for who, catalog in catalogs.items():
            with service(folder) as (url, token):
                work = worker("tool", "seed", catalog, url, token)
                first[who].append(seconds(work))
                again[who].append(best(work, rounds=3))
    show("seed 10 in 5 spaces beside 10 without", min(first["tool"]), min(first["beside"]), 2.5)
    show("  and in sync", min(again["tool"]), min(again["beside"]), 1.5)


@contextmanager
def slow_service(folder: Path, seconds_each: float) -> Iterator[tuple[str, str]]:
    """The embedded service, which takes so much longer for each deletion."""
    with Embedded.open(folder / f"{time.monotonic_ns()}.db", scrypt_cost=2) as embedded:
        inner = embedded.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] == "DELETE":
                time.sleep(seconds_each)  # noqa: ASYNC251 - a service that works does nothing else meanwhile
            await inner(scope, receive, send)

        embedded.app = app
        with serving(embedded) as url:
            yield url, embedded.admin_token()


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
        "from personas.report import make_report, render\n"
        "number = int(sys.argv[2])\n"
        "names = [f'p{i}' for i in range(number)]\n"
        "live = Live(tuple(\n"
        "  LivePersona(user_id=n, email=f'{n}@mana.test', name=n, archetype='solo-dev') for n in names))\n"
        "report = make_report('list', version='0', plan=plan(None, live))\n"
        "start = time.process_time()\n"
        "render(report, sys.argv[1])\n"
        "print(time.process_time() - start)\n"
    )
    for fmt in ("text", "json", "markdown", "github", "junit"):
        few, many = (float(run(PYTHON, "-c", script, fmt, str(number))) for number in (1_000, 8_000))
        show(f"8,000 personas as {fmt} beside 1,000", many, few, 12)


CREATING = """
import sys, time
import anyio, httpx
from personas.embedded import Embedded

async def main(embedded, number):
    headers = {"authorization": f"Bearer {embedded.admin_token()}"}
    transport = httpx.ASGITransport(embedded.app)
    async with httpx.AsyncClient(transport=transport, base_url=embedded.base_url, headers=headers) as client:
        async def create(first):
            for each in range(first, number, 16):
                body = {"email": f"p{each}@mana.test", "name": "P", "password": f"password-{each}",
                        "archetype": "a", "systemPrompt": "You are one of many.", "moduleMix": {"notes": 1}}
                answer = await client.post("/api/v1/admin/personas", json=body)
                assert answer.status_code == 200, answer.text
        async with anyio.create_task_group() as group:
            for first in range(16):
                group.start_soon(create, first)

with Embedded.open(sys.argv[1]) as embedded:
    start = time.perf_counter()
    anyio.run(main, embedded, int(sys.argv[2]))
    print(time.perf_counter() - start)
"""
HASHING = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from personas.embedded.passwords import COST, Hasher

hasher = Hasher(COST)
with ThreadPoolExecutor(os.cpu_count()) as pool:
    start = time.perf_counter()
    list(pool.map(hasher.hash, (f"password-{each}" for each in range(int(sys.argv[1])))))
    print(time.perf_counter() - start)
"""


def creating_beside_hashing(folder: Path, number: int = 100) -> None:
    """The embedded service in process, sixteen calls at once, beside the same hashes on all cores."""
    times = []
    for turn in range(3):
        database = folder / f"creating-{turn}.db"
        creating = float(run(PYTHON, "-c", CREATING, str(database), str(number)))
        hashing = float(run(PYTHON, "-c", HASHING, str(number)))
        times.append((creating, hashing))
    show(
        f"{number} created in process beside hashing alone",
        min(t for t, _ in times),
        min(t for _, t in times),
        1.05,
    )


def list_of_10_000(folder: Path) -> None:
    """The most memory that `personas serve` ever had after its list of 10,000 was read three times."""
    database = folder / "many.db"
    fill(database, 10_000)
    with serve(database) as (process, url, token):
        for _ in range(3):
            answer = urlopen(
                Request(f"{url}/api/v1/admin/personas", headers={"authorization": f"Bearer {token}"})
            )
            assert len(json.load(answer)["personas"]) == 10_000
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
    print(f"{'  the service’s memory, 10,000 listed':<44} {peak:>7.0f} MiB {'':>15} {200:>3} MiB")


def fill(database: Path, number: int) -> None:
    """Write personas past the service, which would hash a password for each."""
    import datetime as dt

    import sqlalchemy as sa

    from personas.embedded import Embedded, schema
    from personas.embedded.database import open_database

    Embedded.open(database).close()
    now = dt.datetime.now(dt.UTC)
    common = {"created_at": now, "updated_at": now}
    users = [
        {"id": f"{i:032}", "name": f"P {i}", "email": f"p{i}@mana.test", "kind": "persona", **common}
        for i in range(number)
    ]
    descriptor = {"archetype": "a", "system_prompt": "You are one of many.", "module_mix": {"notes": 1}}
    personas = [
        {"user_id": f"{i:032}", "tick_cadence": "daily", **descriptor, **common} for i in range(number)
    ]
    opened = open_database(database)
    opened.write(lambda connection: connection.execute(sa.insert(schema.users), users))
    opened.write(lambda connection: connection.execute(sa.insert(schema.personas), personas))
    opened.close()


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, str]]:
    """The embedded service on a free port, with a fresh database."""
    with serve(folder / f"{time.monotonic_ns()}.db") as (_, url, token):
        yield url, token


@contextmanager
def serve(database: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The embedded service on a free port: its process, its URL and an admin's token."""
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
        yield process, url.rstrip("/.,"), token
    finally:
        process.terminate()
        process.wait(10)


def write_catalog(folder: Path, number: int, *, pairs: bool = False) -> Path:
    path = folder / f"catalog-{number}{'-pairs' if pairs else ''}.json"
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
    spaces = [
        {
            "slug": f"pair-{i // 2}",
            "name": f"Pair {i // 2}",
            "type": "team",
            "owner": personas[i]["email"],
            "members": [personas[i + 1]["email"]],
        }
        for i in range(0, number if pairs else 0, 2)
    ]
    path.write_text(json.dumps({"personas": personas, "spaces": spaces}), encoding="utf-8")
    return path


def worker(who: str, what: str, catalog: Path, url: str, token: str) -> Callable[[], object]:
    """The tool, the plain script beside it, or the least on the tool's libraries: `seed`, or `cleanup`."""
    if who == "tool":
        return lambda: run(*(seed if what == "seed" else clean)(catalog, url, token))
    script = {"beside": "baseline.py", "least": "least.py"}[who]
    return lambda: run(PYTHON, str(HERE / script), what, str(catalog), url, token)


def seed(catalog: Path, url: str, token: str) -> tuple[str, ...]:
    return (PERSONAS, "seed", "-c", str(catalog), "--auth", url, "--jwt", token, "--quiet")


def clean(catalog: Path, url: str, token: str) -> tuple[str, ...]:
    return (PERSONAS, "cleanup", "-c", str(catalog), "--auth", url, "--jwt", token, "--yes", "--quiet")


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


def show_three(what: str, times: dict[str, list[float]], limit: float) -> None:
    tool, beside, least = (min(times_of) for times_of in times.values())
    show(what, tool, beside, limit)
    ratio = tool / least
    print(f"{'  beside the least on the same libraries':<44} {tool:>7.3f} s {least:>7.3f} s {ratio:>7.2f}")


def show_seconds(what: str, tool: float, beside: float, limit: float) -> None:
    mark = "" if tool <= limit else "  above the limit"
    print(f"{what:<44} {tool:>7.3f} s {beside:>7.3f} s {'':>7} {limit:>5.2f} s{mark}", flush=True)


if __name__ == "__main__":
    main()
