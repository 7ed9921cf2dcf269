"""Many personas, and many clients at once; bounded."""

from __future__ import annotations

import datetime as dt

import anyio
import httpx
import sqlalchemy as sa

from personas.embedded import Embedded, schema, serving

from .client import PERSONAS, Client, body

PERSONAS_LISTED = 10_000
CLIENTS = 16
WRITES = 8


def fill(client: Client) -> None:
    now = dt.datetime.now(dt.UTC)
    moments = [now - dt.timedelta(seconds=number) for number in range(PERSONAS_LISTED)]
    users = [
        {
            "id": f"{number:032}",
            "name": f"Persona {number}",
            "email": f"p{number}@mana.test",
            "kind": "persona",
            "created_at": moment,
            "updated_at": moment,
        }
        for number, moment in enumerate(moments)
    ]
    personas = [
        {
            "user_id": f"{number:032}",
            "archetype": "researcher",
            "system_prompt": "You are one of very many.",
            "module_mix": {"notes": 1},
            "tick_cadence": "daily",
            "created_at": moment,
            "updated_at": moment,
        }
        for number, moment in enumerate(moments)
    ]
    actions = [
        {
            "id": f"a{number}",
            "persona_id": f"{number % 100:032}",
            "tick_id": "t",
            "tool_name": "x",
            "result": "ok",
            "created_at": now,
        }
        for number in range(1000)
    ]

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.insert(schema.users), users)
        connection.execute(sa.insert(schema.personas), personas)
        connection.execute(sa.insert(schema.persona_actions), actions)

    client.embedded._service.database.write(work)


def test_ten_thousand_personas_are_listed_whole(client: Client) -> None:
    fill(client)
    listed = client.live()
    assert [persona["email"] for persona in listed] == [f"p{n}@mana.test" for n in range(PERSONAS_LISTED)]
    assert sum(persona["actions7d"] for persona in listed) == 1000


def test_sixteen_clients_that_write_at_once_lose_nothing(database: str) -> None:
    with Embedded.open(database, scrypt_cost=2, service_key="key") as embedded, serving(embedded) as url:
        headers = {"authorization": f"Bearer {embedded.admin_token()}", "x-service-key": "key"}

        async def write(number: int) -> None:
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
                for turn in range(WRITES):
                    email = f"c{number}t{turn}@mana.test"
                    made = await client.post(PERSONAS, json=body(email))
                    assert made.status_code == 200, made.text
                    persona = made.json()["userId"]
                    rows = [{"tickId": persona, "toolName": "x", "result": "ok"} for _ in range(5)]
                    path = f"/api/v1/internal/personas/{persona}/actions"
                    added = await client.post(path, json={"actions": rows})
                    assert added.json() == {"ok": True, "written": 5}
                    if turn % 4 == 3:
                        assert (await client.delete(f"{PERSONAS}/{persona}")).status_code == 200

        async def run() -> None:
            async with anyio.create_task_group() as group:
                for number in range(CLIENTS):
                    group.start_soon(write, number)

        anyio.run(run)
        listed = Client(embedded).live()
        expected = {
            f"c{number}t{turn}@mana.test"
            for number in range(CLIENTS)
            for turn in range(WRITES)
            if turn % 4 != 3
        }
        assert {persona["email"] for persona in listed} == expected
        assert {persona["actions7d"] for persona in listed} == {5}
