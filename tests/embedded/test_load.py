"""Many personas, and many clients at once; bounded."""

from __future__ import annotations

import anyio
import httpx
import sqlalchemy as sa

from personas.embedded import Embedded, schema, serving

from .client import PERSONAS, Client, body

PERSONAS_LISTED = 10_000
CLIENTS = 16
WRITES = 4


def test_ten_thousand_personas_are_listed_whole(small: Client) -> None:
    ids = small.add_crowd({} for _ in range(PERSONAS_LISTED))
    same = {"tick_id": "t", "tool_name": "x", "result": "ok", "created_at": small.embedded._service.now()}
    actions = [{**same, "id": f"a{number}", "persona_id": ids[number % 100]} for number in range(1000)]
    small.write(sa.insert(schema.persona_actions).values(actions))
    listed = small.live()
    assert [persona["email"] for persona in listed] == [f"p{n}@mana.test" for n in range(PERSONAS_LISTED)]
    assert sum(persona["actions7d"] for persona in listed) == 1000


def test_sixteen_clients_that_write_at_once_lose_nothing(database: str) -> None:
    with Embedded.open(database, scrypt_cost=2, service_key="key") as embedded, serving(embedded) as url:
        headers = {"authorization": f"Bearer {embedded.admin_token()}", "x-service-key": "key"}

        async def write(number: int) -> None:
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
                for turn in range(WRITES):
                    made = await client.post(PERSONAS, json=body(f"c{number}t{turn}@mana.test"))
                    assert made.status_code == 200, made.text
                    persona = made.json()["userId"]
                    rows = [{"tickId": persona, "toolName": "x", "result": "ok"} for _ in range(5)]
                    path = f"/api/v1/internal/personas/{persona}/actions"
                    added = await client.post(path, json={"actions": rows})
                    assert added.json() == {"ok": True, "written": 5}
                assert (await client.delete(f"{PERSONAS}/{persona}")).status_code == 200

        async def run() -> None:
            async with anyio.create_task_group() as group:
                for number in range(CLIENTS):
                    group.start_soon(write, number)

        anyio.run(run)
        listed = Client(embedded).live()
        kept = {f"c{number}t{turn}@mana.test" for number in range(CLIENTS) for turn in range(WRITES - 1)}
        assert {persona["email"] for persona in listed} == kept
        assert {persona["actions7d"] for persona in listed} == {5}
