"""Sync the test users of an auth service with a JSON catalog."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "1.0.0"

if TYPE_CHECKING:
    from personas.catalog.loader import load_catalog as load_catalog, parse_catalog as parse_catalog
    from personas.catalog.models import Catalog as Catalog, Persona as Persona, Scope as Scope, Space as Space
    from personas.catalog.problems import Problem as Problem
    from personas.errors import (
        CatalogError as CatalogError,
        CredentialsError as CredentialsError,
        NotFoundError as NotFoundError,
        PersonasError as PersonasError,
        ResponseError as ResponseError,
        SafetyError as SafetyError,
        ServiceError as ServiceError,
        UnreachableError as UnreachableError,
        UsageError as UsageError,
        WrongPasswordError as WrongPasswordError,
    )
    from personas.passwords import PasswordDeriver as PasswordDeriver, derive_password as derive_password
    from personas.reconcile.apply import apply as apply
    from personas.reconcile.changes import (
        Action as Action,
        Change as Change,
        FieldChange as FieldChange,
        LiveState as LiveState,
        Options as Options,
        Outcome as Outcome,
        Plan as Plan,
        Result as Result,
        Status as Status,
    )
    from personas.reconcile.fetch import fetch as fetch, read_snapshot as read_snapshot
    from personas.reconcile.plan import make_cleanup_plan as make_cleanup_plan, make_plan as make_plan
    from personas.redact import Secret as Secret
    from personas.services.base import Service as Service
    from personas.services.better_auth import BetterAuthService as BetterAuthService
    from personas.services.mana import ManaService as ManaService
    from personas.services.models import LivePersona as LivePersona, Session as Session
    from personas.services.sign_in import Credentials as Credentials
    from personas.spaces.apply import release_spaces as release_spaces

# The module of each public name: imported on first use, so that a command pays only for what it uses.
_MODULES = {
    "catalog.loader": "load_catalog parse_catalog",
    "catalog.models": "Catalog Persona Scope Space",
    "catalog.problems": "Problem",
    "errors": "CatalogError CredentialsError NotFoundError PersonasError ResponseError"
    " SafetyError ServiceError UnreachableError UsageError WrongPasswordError",
    "passwords": "PasswordDeriver derive_password",
    "reconcile.apply": "apply",
    "reconcile.changes": "Action Change FieldChange LiveState Options Outcome Plan Result Status",
    "reconcile.fetch": "fetch read_snapshot",
    "reconcile.plan": "make_cleanup_plan make_plan",
    "redact": "Secret",
    "services.base": "Service",
    "services.better_auth": "BetterAuthService",
    "services.mana": "ManaService",
    "services.models": "LivePersona Session",
    "services.sign_in": "Credentials",
    "spaces.apply": "release_spaces",
}
_HOMES = {name: f"personas.{module}" for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
