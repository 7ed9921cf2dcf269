from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import personas
from personas import sync

PUBLIC = [
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
BLOCKING = ["AuthService", "apply", "derive_password", "load_catalog", "plan", "resume", "sign_in", "survey"]


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_the_package_offers_these_names_and_no_others() -> None:
    assert personas.__all__ == PUBLIC
    assert personas._HOMES.keys() == set(PUBLIC)
    assert set(PUBLIC) <= set(dir(personas))
    for name in PUBLIC:
        assert not isinstance(getattr(personas, name), ModuleType), name


def test_the_blocking_module_offers_these_names_and_no_others() -> None:
    assert sync.__all__ == BLOCKING
    for name in BLOCKING:
        assert callable(getattr(sync, name)), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="load_catalogue"):
        _ = personas.load_catalogue


def test_importing_the_package_imports_nothing_heavy_and_reading_no_http_client() -> None:
    script = (
        "import sys, personas\n"
        "heavy = ('personas.', 'httpx', 'anyio', 'typer', 'pydantic', 'rich', 'json')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])\n"
        "print(personas.load_catalog.__module__, 'httpx' in sys.modules)"
    )
    assert run(script) == "[]\npersonas.catalog.reading False\n"


@pytest.mark.parametrize("before", ["pass", "import personas.sync", "import personas.reconcile.apply"])
def test_a_function_of_the_api_is_a_function_whoever_imported_what(before: str) -> None:
    names = ("plan", "apply", "survey")
    taken = "\n".join(f"from personas import {name}\nprint(type({name}).__name__)" for name in names)
    assert run(f"{before}\n{taken}") == "function\n" * 3


def test_star_import_gives_every_public_name() -> None:
    assert run("from personas import *\nprint(len([n for n in dir() if n[0] != '_']))") == f"{len(PUBLIC)}\n"
