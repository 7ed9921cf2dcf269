"""The way to end a run from outside."""

from __future__ import annotations

import anyio

GRACE_SECONDS = 10.0


class Stop:
    """A way to end a run from outside: asked once, it starts nothing more; asked again, it ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self.scope: anyio.CancelScope | None = None

    def ask(self) -> None:
        """Ask the run to end; what is in flight has some seconds to finish."""
        if self.scope is not None:
            grace = anyio.current_time() + GRACE_SECONDS
            self.scope.deadline = min(self.scope.deadline, grace)
            if self.asked:
                self.scope.cancel()
        self.asked = True
