"""What can go wrong while the embedded service is opened or served."""

from __future__ import annotations


class EmbeddedError(Exception):
    """The embedded service cannot do what was asked.

    Args:
        message: What happened, and where.
        hint: What to do next; empty when there is nothing useful to say.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DatabaseError(EmbeddedError):
    """The database cannot be opened, created, upgraded or reset."""


class AddressError(EmbeddedError):
    """The host or the port cannot be bound."""
