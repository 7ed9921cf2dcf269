"""The least that seeding, and deleting everybody, take with the libraries of the tool alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import anyio
import httpx
import typer
from baseline import derive
from pydantic import BaseModel, Field
from rich.console import Console

AT_ONCE = 8

app = typer.Typer()


class Entry(BaseModel, extra="allow"):
    """One persona of the catalog."""

    email: str


class Catalog(BaseModel):
    """The catalog."""

    personas: list[Entry]


class Listed(BaseModel):
    """One persona of the list."""

    user_id: str = Field(alias="userId")
    email: str


class Everybody(BaseModel):
    """The list."""

    personas: list[Listed]


async def for_each(personas: Iterable[Any], send: Callable[[Any], Awaitable[httpx.Response]]) -> None:
    left = iter(personas)

    async def work() -> None:
        for persona in left:
            (await send(persona)).raise_for_status()

    async with anyio.create_task_group() as workers:
        for _ in range(AT_ONCE):
            workers.start_soon(work)


def calling(url: str, token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=f"{url}/api/v1/admin/", headers=headers, timeout=60)


async def create_all(entries: list[Entry], url: str, token: str) -> int:
    async with calling(url, token) as client:

        def create(entry: Entry) -> Awaitable[httpx.Response]:
            return client.post("personas", json={**entry.model_dump(), "password": derive(entry.email)})

        await for_each(entries, create)
    return len(entries)


async def delete_all(url: str, token: str) -> int:
    async with calling(url, token) as client:
        everybody = Everybody.model_validate_json((await client.get("personas")).content).personas
        await for_each(everybody, lambda persona: client.delete(f"personas/{persona.user_id}"))
    return len(everybody)


@app.command()
def seed(catalog: Path, url: str, token: str) -> None:
    entries = Catalog.model_validate_json(catalog.read_bytes()).personas
    Console().print(anyio.run(create_all, entries, url, token), "created")


@app.command()
def cleanup(catalog: Path, url: str, token: str) -> None:  # noqa: ARG001 - takes what the others take
    Console().print(anyio.run(delete_all, url, token), "deleted")


if __name__ == "__main__":
    app()
