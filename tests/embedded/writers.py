"""A program of many writers, for what several processes, or one that is killed, leave in a database.

    python -m embedded.writers share DATABASE NUMBER
        so many processes open it at once and write ten personas each, all of them twice
    python -m embedded.writers kill DATABASE NUMBER
        so many, one after the other, are killed while they write; whose write was answered is printed

The processes are forked: that is much quicker than to start programs, and wants a program without threads.
"""

from __future__ import annotations

import multiprocessing
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import httpx

from personas.embedded import Embedded

from .client import PERSONAS, body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FORK = multiprocessing.get_context("fork")


def write(database: str, workers: Iterable[Iterable[str]], tell: Callable[[str], None]) -> None:
    """Write personas, each worker one after the other; tell each email when its write was answered."""

    async def work(client: httpx.AsyncClient, emails: Iterable[str]) -> None:
        for email in emails:
            answer = await client.post(PERSONAS, json=body(email))
            assert answer.status_code == 200, answer.text
            tell(email)

    async def run(embedded: Embedded) -> None:
        transport = httpx.ASGITransport(embedded.app)
        headers = {"authorization": f"Bearer {embedded.admin_token()}"}
        async with (
            httpx.AsyncClient(transport=transport, base_url=embedded.base_url, headers=headers) as client,
            anyio.create_task_group() as group,
        ):
            for emails in workers:
                group.start_soon(work, client, emails)

    with Embedded.open(database, scrypt_cost=2) as embedded:
        anyio.run(run, embedded)


def share(database: str, number: int) -> None:
    """Let processes write at once; fail where one of them does."""
    processes = []
    for each in range(number):
        workers = [[f"p{each}n{worker}@mana.test"] * 2 for worker in range(10)]
        processes.append(FORK.Process(target=write, args=(database, workers, lambda _: None)))
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(any(process.exitcode for process in processes))


def kill(database: str, number: int) -> None:
    """Kill so many processes while they write."""
    Embedded.open(database, scrypt_cost=2).close()
    for turn in range(number):
        workers = ((f"k{turn}w{worker}n{each}@mana.test" for each in range(1000)) for worker in range(4))
        answered, told = FORK.Pipe(duplex=False)
        process = FORK.Process(target=write, args=(database, workers, told.send))
        process.start()
        told.close()
        emails = [answered.recv() for _ in range(turn % 7)]
        answered.poll(turn % 5 / 1000)  # and then in the middle of the next ones
        process.kill()
        process.join()
        with suppress(EOFError):
            while True:
                emails.append(answered.recv())
        answered.close()
        sys.stdout.writelines(f"{email}\n" for email in emails)


if __name__ == "__main__":
    {"share": share, "kill": kill}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
