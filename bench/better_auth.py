"""Seed 100 personas on a real Better Auth, and compare with a plain loop of create-user calls.

    python bench/better_auth.py http://localhost:3000 admin@example.test PASSWORD

Use a deployment without rate limits and without personas. Prints the ratio of both; at most 1.1 is expected.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

import httpx

from personas.catalog.loader import parse_catalog
from personas.passwords import PasswordDeriver
from personas.reconcile.apply import apply
from personas.reconcile.fetch import fetch
from personas.reconcile.plan import make_cleanup_plan, make_plan
from personas.redact import Secret
from personas.services.better_auth import BetterAuthService
from personas.services.sign_in import Credentials

COUNT, AT_ONCE, ROUNDS = 100, 8, 3
PASSWORDS = PasswordDeriver(Secret("the-seed-secret-of-this-benchmark"))
CATALOG = parse_catalog(
    json.dumps(
        {
            "personas": [
                {
                    "name": f"Persona {number}",
                    "email": f"persona.bench{number}@mana.test",
                    "archetype": "researcher",
                    "systemPrompt": f"You are persona {number}. " + "You take careful notes. " * 40,
                    "moduleMix": {"notes": 0.5},
                }
                for number in range(COUNT)
            ]
        }
    ),
    file="catalog.json",
)


async def create_in_a_loop(url: str, email: str, password: str) -> float:
    """Return how long plain calls of create-user take, sign-in included."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=f"{url}/api/auth", timeout=60) as client:
        signed_in = await client.post("/sign-in/email", json={"email": email, "password": password})
        client.headers["authorization"] = f"Bearer {signed_in.json()['token']}"
        client.cookies.clear()
        slots = asyncio.Semaphore(AT_ONCE)

        async def create(persona_email: str, name: str) -> None:
            secret = PASSWORDS.derive(persona_email).reveal()
            body = {"email": persona_email, "name": name, "password": secret, "role": "persona"}
            async with slots:
                (await client.post("/admin/create-user", json=body)).raise_for_status()

        await asyncio.gather(*(create(f"loop.{p.email}", p.name) for p in CATALOG.personas))
        seconds = time.monotonic() - started
        query = {"searchValue": "loop.", "searchOperator": "starts_with", "limit": str(COUNT)}
        for user in (await client.get("/admin/list-users", params=query)).json()["users"]:
            await client.post("/admin/remove-user", json={"userId": user["id"]})
    return seconds


async def seed(url: str, email: str, password: str) -> float:
    """Return how long a seed takes; clean up afterwards."""
    credentials = Credentials(email=email, password=Secret(password))
    started = time.monotonic()
    async with BetterAuthService(url, credentials, concurrency=AT_ONCE, timeout=60) as service:
        live = await fetch(service, CATALOG, passwords=PASSWORDS)
        outcomes = await apply(make_plan(CATALOG, live), service, PASSWORDS)
        seconds = time.monotonic() - started
        assert [outcome.result.value for outcome in outcomes] == ["done"] * COUNT
        live = await fetch(service, CATALOG, passwords=PASSWORDS)
        await apply(make_cleanup_plan(CATALOG, live), service, PASSWORDS)
    return seconds


async def main() -> None:
    """Measure both in turns."""
    url, email, password = sys.argv[1:]
    ratios = []
    for _ in range(ROUNDS):
        plain, seeded = await create_in_a_loop(url, email, password), await seed(url, email, password)
        ratios.append(seeded / plain)
        print(f"plain loop {plain:.2f} s, seed {seeded:.2f} s, ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f}")


asyncio.run(main())
