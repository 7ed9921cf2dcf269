"""What can go wrong when the embedded service is opened or served."""

from __future__ import annotations


class EmbeddedError(Exception):
    """The database cannot be used, or the address cannot be bound.

    Attributes:
        message: What happened, and where.
        hint: What to do next; empty if there is nothing useful to say.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
