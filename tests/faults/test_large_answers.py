"""What a large answer costs: no more memory than some times its length, whatever is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own, whose memory is limited: a failure must not take the machine's.
PROGRAM = """
import json, resource, sys, zlib
import anyio
from personas import AuthService, BadAnswer, Credentials, Secret
from making import make_jwt

resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
SIZE = 16 * 2**20 - 200


def persona(number):
    entry = {"userId": f"user-{number:06}", "email": f"persona.p{number:06}@mana.test", "name": "Somebody",
             "archetype": "solo-dev", "tickCadence": "daily", "lastActiveAt": None,
             "createdAt": "2026-01-02T03:04:05.678Z", "actions7d": 7}
    return json.dumps(entry).encode()


def packed(parts):
    packer = zlib.compressobj(9, wbits=31)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()


def parts(kind):
    # Made bit by bit: what is measured is what reading costs.
    match kind:
        case "packed twice":
            yield from packed(packed(b" " * 2**20 for _ in range(256)))
        case "one text":
            yield b'{"personas": [], "x": "' + "\\N{GRINNING FACE}".encode()
            for _ in range(SIZE // 4096):
                yield b"x" * 4096
            yield b'"}'
        case "bad weights":
            yield b'{"personas": [{"userId": "u", "email": "e", "moduleMix": {"a": 1'
            for thousand in range(300):
                yield b"".join(b',"%x":""' % (1000 * thousand + one) for one in range(1000))
            yield b"}}]}"
        case "personas":
            yield b'{"personas": [' + persona(0)
            for number in range(1, SIZE // (len(persona(0)) + 1)):
                yield b"," + persona(number)
            yield b"]}"


async def main():
    kind = sys.argv[1]
    headers = [(b"content-encoding", b"gzip, gzip")] if kind == "packed twice" else []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in parts(kind):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    credentials = Credentials(token=Secret(make_jwt()))
    async with AuthService("http://localhost", credentials, app=app) as service:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            told = len(await service.list_personas())
        except BadAnswer as error:
            told = error.message
        cost = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps([told, cost]))


anyio.run(main)
"""


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("packed twice", "listing the live personas: the answer is compressed, and that was not asked for"),
        ("one text", 0),
        (
            "bad weights",
            (
                "listing the live personas: the answer cannot be understood: "
                "personas[0].moduleMix has a weight that is no number: a"
            ),
        ),
        ("personas", 78_000),
    ],
)
def test_an_answer_costs_less_than_200_mib_whatever_is_in_it(kind: str, told: int | str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind],
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        check=True,
        text=True,
    )
    understood, cost = json.loads(done.stdout)
    if isinstance(told, int):
        assert understood >= told
    else:
        assert understood == told
    assert cost < 200
