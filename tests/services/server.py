"""A small HTTP server on a free port that answers, or misbehaves, as a test says."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

CLOSE, STALL, HALF = "close", "stall", "half"
Reply = bytes | str


def answer(status: int = 200, body: object = None, **headers: str) -> bytes:
    """The bytes of a JSON answer; header names have `_` for `-`."""
    content = json.dumps(body).encode()
    headers["content_length"] = str(len(content))
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status} X\r\n{''.join(lines)}\r\n".encode() + content


OK = answer(body={"ok": True})


@dataclass
class Server:
    """Sends the replies in their order, and the last one for ever."""

    replies: list[Reply] = field(default_factory=lambda: [OK])
    heads: list[str] = field(default_factory=list)  # what arrived, in lower case
    connections: int = 0
    url: str = ""

    @property
    def seen(self) -> list[str]:
        """The request lines that arrived."""
        return [head.partition(" http/1.1")[0] for head in self.heads]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer_one(reader, writer):
                pass

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        await reader.readexactly(int(length or 0))
        self.heads.append(head)
        reply, *others = self.replies
        self.replies = others or [reply]
        if reply == STALL:
            await reader.read(1)
        elif reply != CLOSE:
            writer.write(reply if isinstance(reply, bytes) else OK[:-5])
            await writer.drain()
        return isinstance(reply, bytes)


@asynccontextmanager
async def serve(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run a server in this event loop."""
    state = Server()
    listener = await asyncio.start_server(state.handle, "127.0.0.1", 0, ssl=tls)
    state.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    yield state
    listener.close()


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
