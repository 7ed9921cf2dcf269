"""Keep the test users of an auth service true to one JSON catalog."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from personas.catalog.reading import Catalog, Persona, Space, load_catalog
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
    from personas.reconcile.apply import apply
    from personas.reconcile.live import Live
    from personas.reconcile.outcome import Applied, Outcome, Result
    from personas.reconcile.plan import Change, Intent, Plan, State, Step, plan
    from personas.reconcile.survey import survey
    from personas.secret import Secret
    from personas.service.credentials import Credentials
    from personas.service.endpoints import AuthService
    from personas.service.signing import Session, WrongPassword
    from personas.sessions.signed_in import SignedIn, resume, sign_in

__all__ = [
    "Applied",
    "AuthService",
    "BadAnswer",
    "Catalog",
    "CatalogError",
    "Change",
    "Credentials",
    "CredentialsRefused",
    "Intent",
    "Live",
    "Outcome",
    "Persona",
    "PersonasError",
    "Plan",
    "Problem",
    "Refused",
    "Result",
    "Secret",
    "ServiceError",
    "Session",
    "SignedIn",
    "Space",
    "State",
    "Step",
    "Unreachable",
    "UsageError",
    "WrongPassword",
    "apply",
    "derive_password",
    "load_catalog",
    "plan",
    "resume",
    "sign_in",
    "survey",
]

# Where each public name lives: imported when first asked for, so that a command pays for what it uses.
_HOMES = {
    "Applied": "personas.reconcile.outcome",
    "AuthService": "personas.service.endpoints",
    "BadAnswer": "personas.errors",
    "Catalog": "personas.catalog.reading",
    "CatalogError": "personas.errors",
    "Change": "personas.reconcile.plan",
    "Credentials": "personas.service.credentials",
    "CredentialsRefused": "personas.errors",
    "Intent": "personas.reconcile.plan",
    "Live": "personas.reconcile.live",
    "Outcome": "personas.reconcile.outcome",
    "Persona": "personas.catalog.reading",
    "PersonasError": "personas.errors",
    "Plan": "personas.reconcile.plan",
    "Problem": "personas.errors",
    "Refused": "personas.errors",
    "Result": "personas.reconcile.outcome",
    "Secret": "personas.secret",
    "ServiceError": "personas.errors",
    "Session": "personas.service.signing",
    "SignedIn": "personas.sessions.signed_in",
    "Space": "personas.catalog.reading",
    "State": "personas.reconcile.plan",
    "Step": "personas.reconcile.plan",
    "Unreachable": "personas.errors",
    "UsageError": "personas.errors",
    "WrongPassword": "personas.service.signing",
    "apply": "personas.reconcile.apply",
    "derive_password": "personas.passwords",
    "load_catalog": "personas.catalog.reading",
    "plan": "personas.reconcile.plan",
    "resume": "personas.sessions.signed_in",
    "sign_in": "personas.sessions.signed_in",
    "survey": "personas.reconcile.survey",
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
