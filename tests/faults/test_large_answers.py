"""What a large answer costs: no more memory than some times its length, whatever is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

# In a process of its own, whose memory is limited: a failure must not take the machine's.
PROGRAM = """
import json, resource, zlib
import anyio
from personas import AuthService, BadAnswer, Credentials, Secret
from making import make_jwt

resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
SIZE = 16 * 2**20 - 200
PERSONA = (b'{"userId":"user-%06d","email":"persona.p%06d@mana.test","name":"Somebody","archetype":"solo",'
           b'"tickCadence":"daily","lastActiveAt":null,"createdAt":"2026-01-02T03:04:05.678Z","actions7d":7}')


def packed(parts):
    packer = zlib.compressobj(9, wbits=31)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()


# Made bit by bit: what is measured is what reading costs.
def packed_twice():
    yield from packed(packed(b" " * 2**20 for _ in range(256)))


def one_text():
    yield b'{"personas": [], "x": "' + "\\N{GRINNING FACE}".encode()
    for _ in range(SIZE // 4096):
        yield b"x" * 4096
    yield b'"}'


def bad_weights():
    yield b'{"personas": [{"userId": "u", "email": "e", "moduleMix": {"a": 1'
    for thousand in range(300):
        yield b"".join(b',"%x":""' % (1000 * thousand + one) for one in range(1000))
    yield b"}}]}"


def personas():
    yield b'{"personas": [' + PERSONA % (0, 0)
    for number in range(1, SIZE // len(b"," + PERSONA % (0, 0))):
        yield b"," + PERSONA % (number, number)
    yield b"]}"


def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def read(parts, headers):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in parts():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async with AuthService("http://localhost", Credentials(token=Secret(make_jwt())), app=app) as service:
        before = used()
        try:
            told = len(await service.list_personas())
        except BadAnswer as error:
            told = error.message
        return told, used() - before


for parts in (one_text, packed_twice, bad_weights, personas):
    headers = [(b"content-encoding", b"gzip, gzip")] if parts is packed_twice else []
    print(json.dumps([parts.__name__, *anyio.run(read, parts, headers)]))
"""


def test_an_answer_costs_less_than_200_mib_whatever_is_in_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        check=True,
        text=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert {name: told for name, told, _ in answers} == {
        "one_text": 0,
        "packed_twice": "listing the live personas: the answer is compressed, and that was not asked for",
        "bad_weights": "listing the live personas: the answer cannot be understood: "
        "personas[0].moduleMix has a weight that is no number: a",
        "personas": 86_927,
    }
    # What is told is the most that was ever used, so that the rises add up to what the dearest has cost.
    assert sum(rise for _, _, rise in answers) < 200
