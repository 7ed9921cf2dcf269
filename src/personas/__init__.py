"""Keep the test users of an auth service true to one JSON catalog."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from personas.catalog import Catalog, Persona, load_catalog
    from personas.errors import CatalogError, Problem
    from personas.passwords import derive_password

__all__ = [
    "Catalog",
    "CatalogError",
    "Persona",
    "Problem",
    "derive_password",
    "load_catalog",
]

# Where each public name lives: imported when first asked for, so that a command pays for what it uses.
_HOMES = {
    "Catalog": "personas.catalog",
    "CatalogError": "personas.errors",
    "Persona": "personas.catalog",
    "Problem": "personas.errors",
    "derive_password": "personas.passwords",
    "load_catalog": "personas.catalog",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
