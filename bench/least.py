"""The least that deleting everybody takes with the libraries of the tool, and nothing of its own."""

from __future__ import annotations

import anyio
import httpx
import typer
from pydantic import BaseModel, Field
from rich.console import Console

AT_ONCE = 8


class Listed(BaseModel):
    """One persona of the list."""

    user_id: str = Field(alias="userId")
    email: str


class Everybody(BaseModel):
    """The list."""

    personas: list[Listed]


async def clean_up(url: str, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{url}/api/v1/admin/", headers=headers) as client:
        everybody = Everybody.model_validate_json((await client.get("personas")).content).personas
        left = iter(everybody)

        async def work() -> None:
            for persona in left:
                (await client.delete(f"personas/{persona.user_id}")).raise_for_status()

        async with anyio.create_task_group() as workers:
            for _ in range(AT_ONCE):
                workers.start_soon(work)
    return len(everybody)


def main(url: str, token: str) -> None:
    Console().print(anyio.run(clean_up, url, token), "deleted")


if __name__ == "__main__":
    typer.run(main)
