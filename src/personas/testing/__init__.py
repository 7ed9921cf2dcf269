"""The pytest plugin, and the service with signed-in clients that its fixtures provide."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from personas.testing.service import PersonasService

__all__ = ["PersonasService"]


def __getattr__(name: str) -> object:
    # Every run of pytest imports this package, so httpx and pydantic wait for the first use.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from personas.testing import service

    return getattr(service, name)
