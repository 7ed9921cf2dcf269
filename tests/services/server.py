"""A small HTTP server on a free port that answers, or misbehaves, as a test says."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

RESET, CLOSE, STALL, HALF = "reset", "close", "stall", "half"
Reply = bytes | str


def answer(status: int = 200, body: object = None, **headers: str) -> bytes:
    """The bytes of a JSON answer; header names have `_` for `-`."""
    content = json.dumps(body).encode()
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
    return f"{head}{''.join(lines)}\r\n".encode() + content


@dataclass
class Server:
    """Sends the replies in their order, and the last one for ever.

    Attributes:
        seen: The request lines that arrived; `heads` has whole heads.
        connections: How many connections there have been.
    """

    replies: list[Reply] = field(default_factory=lambda: [answer(body={"ok": True})])
    seen: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        await reader.readexactly(int(length or 0))
        self.heads.append(head)
        self.seen.append(head.partition(" http/1.1")[0])
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply == STALL:
            await reader.read(1)
        elif reply == RESET:
            # Closing with unsent data and no linger time sends RST.
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif reply == HALF:
            writer.write(answer(body={"ok": True})[:-5])
            await writer.drain()
        elif isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
            return True
        return False


@asynccontextmanager
async def serve(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run a server in this event loop."""
    state = Server(scheme="https" if tls else "http")
    listener = await asyncio.start_server(state.handle, "127.0.0.1", 0, ssl=tls)
    state.port = listener.sockets[0].getsockname()[1]
    yield state
    listener.close()


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
