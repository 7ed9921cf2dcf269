"""A seeded service for tests, and the pytest plugin that hands it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from personas.testing.seeded import PersonasService, open_embedded, open_external

__all__ = ["PersonasService", "open_embedded", "open_external"]


def __getattr__(name: str) -> object:
    # Every run of pytest loads the plugin and so this package: what tests use is imported with its first use.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from personas.testing import seeded

    return getattr(seeded, name)
