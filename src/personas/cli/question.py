"""A question on the terminal, which an interrupt can end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading

import anyio


async def ask(question: str) -> bool:
    """Ask for a yes; anything else is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = await _read_answer()
    except anyio.get_cancelled_exc_class():
        print(file=sys.stderr)
        raise
    return answer.strip().lower() in {"y", "yes"}


async def _read_answer() -> str:
    """A line from the terminal."""
    loop, answered, parts = asyncio.get_running_loop(), anyio.Event(), [b""]

    def read() -> None:
        with contextlib.suppress(OSError):
            parts.append(os.read(sys.stdin.fileno(), 1024))
        with contextlib.suppress(RuntimeError):  # the question was interrupted, and the loop is gone
            loop.call_soon_threadsafe(answered.set)

    # A thread that nobody waits for at the end, and no lock of sys.stdin that it could hold then.
    threading.Thread(target=read, daemon=True).start()
    await answered.wait()
    return b"".join(parts).decode(errors="replace")
