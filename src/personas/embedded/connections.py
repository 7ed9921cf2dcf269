"""What one client may do to everybody's connections: how many there are, and how long each may dawdle.

uvicorn ends a connection that is idle between two requests, and no other: whoever sends half a request, or
never reads an answer, keeps it for good.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

logger: Final = logging.getLogger("personas.embedded")

MOST: Final = 512
WAITING: Final = 2048  # in the system's own queue, which costs us no file
RETRY_AFTER: Final = 5
QUIET_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a server's connections.

    Attributes:
        connections: How many there are at once; a further one is answered 503.
        header_seconds: For the head of a request, from its first byte, or from the connection's beginning.
        body_seconds: For its body, from the end of its head.
        answer_seconds: For a client to take an answer that waits for it.
    """

    connections: int
    header_seconds: float = 10
    body_seconds: float = 30
    answer_seconds: float = 30

    @classmethod
    def of_this_process(cls) -> Bounds:
        """As many connections as leave most of the files that this process may open to the database."""
        if sys.platform == "win32":
            return cls(MOST)
        import resource

        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(MOST if files == resource.RLIM_INFINITY else max(1, min(MOST, files // 3)))

    @property
    def accepted_at_once(self) -> int:
        """How many are accepted in one go, before any of them is counted."""
        return max(1, self.connections // 4)


def bounded(bounds: Bounds) -> type[BoundedProtocol]:
    """The protocol for the connections of one server."""
    return type("Bounded", (BoundedProtocol,), {"bounds": bounds, "crowd": Crowd(bounds.connections)})


class Crowd:
    """Says that there are too many connections: once, until nobody has been turned away for a while."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last = -math.inf

    def turned_away(self) -> None:
        """Count one that was turned away."""
        now = time.monotonic()
        if now - self._last > QUIET_SECONDS:
            logger.warning(
                "%d connections at once are the limit: further ones are turned away until some end",
                self._most,
            )
        self._last = now


class BoundedProtocol(H11Protocol):
    """One connection, kept within bounds; `_reading` and `_writing` are the deadlines that run."""

    bounds: ClassVar[Bounds]
    crowd: ClassVar[Crowd]

    _phase: object = None
    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Count it, and turn it away or begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            self.crowd.turned_away()
            self._leave_with(503, "Too many connections")
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Go on with the request."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for the client to take what was sent."""
        super().pause_writing()
        self._writing = self.loop.call_later(self.bounds.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        _stop(self._writing)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        _stop(self._reading)
        _stop(self._writing)
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start a deadline when a part of a request begins to be waited for, and end the one before."""
        phase: object = self.conn.their_state
        if phase is h11.IDLE and self.timeout_keep_alive_task is not None:
            phase = None  # idle between two requests: uvicorn's own deadline runs
        if phase is self._phase:
            return
        self._phase = phase
        _stop(self._reading)
        if phase is h11.IDLE:
            self._reading = self.loop.call_later(self.bounds.header_seconds, self._give_up)
        elif phase is h11.SEND_BODY:
            self._reading = self.loop.call_later(self.bounds.body_seconds, self._give_up)

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
            return
        self.cycle.disconnected = True  # whoever works on the request learns that its rest never comes
        self.cycle.message_event.set()
        self._leave_with(408, "The request took too long to come")

    def _leave_with(self, status: int, message: str) -> None:
        """Answer where an answer can still begin, and end the connection."""
        if self.transport.is_closing() or self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "connection": "close",
            "content-length": str(len(message)),
            "retry-after": str(RETRY_AFTER),
        }
        for event in (
            h11.Response(status_code=status, headers=list(headers.items()), reason=HTTPStatus(status).phrase),
            h11.Data(data=message.encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
