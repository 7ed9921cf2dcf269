"""A program of many writers, for what several processes, or one that is killed, leave in a database.

    python writers.py share DATABASE NUMBER    so many processes open it at once and write 25 personas, twice
    python writers.py kill DATABASE NUMBER     so many, one after the other, are killed while they write; the
                                               emails whose writes were answered are printed, a line each

The processes are forked: that is much quicker than to start programs, and wants a program without threads.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import TYPE_CHECKING

import anyio
import httpx

from personas.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSWORD = "one password of all"


def write(database: str, workers: Iterable[Iterable[str]], told: int) -> None:
    """Write personas, each worker one after the other; tell each email when its write was answered."""

    async def work(client: httpx.AsyncClient, emails: Iterable[str]) -> None:
        for email in emails:
            persona = {"email": email, "name": "K", "password": PASSWORD, "archetype": "a"}
            prompt = "You are one who is written while the light goes out."
            sent = {**persona, "systemPrompt": prompt, "moduleMix": {"notes": 1}}
            answer = await client.post("/api/v1/admin/personas", json=sent)
            assert answer.status_code == 200, answer.text
            os.write(told, f"{email}\n".encode())

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


def fork(database: str, workers: Iterable[Iterable[str]]) -> tuple[int, int]:
    """A process that writes: its id, and where it tells what was answered."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            write(database, workers, writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    return child, reading


def share(database: str, number: int) -> None:
    """Let processes write at once; fail where one of them does."""
    children = [
        fork(database, [[f"p{process}n{worker}@mana.test"] * 2 for worker in range(25)])
        for process in range(number)
    ]
    for child, _ in children:
        if os.waitpid(child, 0)[1]:
            sys.exit("a process could not write")


def kill(database: str, number: int) -> None:
    """Kill so many processes while they write."""
    Embedded.open(database, scrypt_cost=2).close()
    for turn in range(number):
        emails = ((f"k{turn}w{worker}n{each}@mana.test" for each in range(1000)) for worker in range(4))
        child, reading = fork(database, emails)
        text = b""
        while text.count(b"\n") < turn % 7:  # so many answers, and then in the middle of the next ones
            text += os.read(reading, 4096) or sys.exit("the writing process has ended")
        select.select([reading], [], [], turn % 5 / 1000)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while chunk := os.read(reading, 4096):
            text += chunk
        os.close(reading)
        sys.stdout.write(text.decode())


if __name__ == "__main__":
    {"share": share, "kill": kill}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
