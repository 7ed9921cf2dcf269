"""Keep the test users of an auth service true to one JSON catalog."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from personas.catalog import Catalog, Persona, load_catalog
    from personas.credentials import Credentials
    from personas.errors import (
        BadAnswer,
        CatalogError,
        CredentialsRefused,
        PersonasError,
        Problem,
        Refused,
        ServiceError,
        Unreachable,
        UsageError,
    )
    from personas.passwords import derive_password
    from personas.secret import Secret
    from personas.service import AuthService
    from personas.sessions import SignedIn, resume, sign_in
    from personas.signing import Session, WrongPassword

# The functions `plan`, `apply` and `survey` are in modules of their names: `from personas.plan import plan`.
# Offered here as well, such a name would mean the function or the module, by who imported what before.
__all__ = [
    "AuthService",
    "BadAnswer",
    "Catalog",
    "CatalogError",
    "Credentials",
    "CredentialsRefused",
    "Persona",
    "PersonasError",
    "Problem",
    "Refused",
    "Secret",
    "ServiceError",
    "Session",
    "SignedIn",
    "Unreachable",
    "UsageError",
    "WrongPassword",
    "derive_password",
    "load_catalog",
    "resume",
    "sign_in",
]

# Where each public name lives: imported when first asked for, so that a command pays for what it uses.
_HOMES = {
    "AuthService": "personas.service",
    "BadAnswer": "personas.errors",
    "Catalog": "personas.catalog",
    "CatalogError": "personas.errors",
    "Credentials": "personas.credentials",
    "CredentialsRefused": "personas.errors",
    "Persona": "personas.catalog",
    "PersonasError": "personas.errors",
    "Problem": "personas.errors",
    "Refused": "personas.errors",
    "Secret": "personas.secret",
    "ServiceError": "personas.errors",
    "Session": "personas.signing",
    "SignedIn": "personas.sessions",
    "Unreachable": "personas.errors",
    "UsageError": "personas.errors",
    "WrongPassword": "personas.signing",
    "derive_password": "personas.passwords",
    "load_catalog": "personas.catalog",
    "resume": "personas.sessions",
    "sign_in": "personas.sessions",
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
